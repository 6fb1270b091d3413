package firstboot_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/configdrive"
	"github.com/ingotmetal/ingot/internal/node/firstboot"
)

const ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

func vendor(t testing.TB, url string) []byte {
	t.Helper()
	text, err := json.Marshal(configdrive.VendorData{CloudInit: "#cloud-config\n{}\n", FirstBoot: &configdrive.FirstBoot{URL: url, Token: "one-time", CA: ca}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestParse(t *testing.T) {
	good := vendor(t, "https://10.0.0.1:8443/v1/first-boot/ns/host/")
	got, err := firstboot.Parse([]byte(`{"uuid":"u","ingot-firewall":"web/edge.a"}`), good)
	if err != nil || got.Namespace != "web" || got.Name != "edge.a" || got.Token != "one-time" || got.CA != ca || got.Machine != "edge.a" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := firstboot.Parse([]byte(`{"ingot-firewall":"web/edge","ingot-machine":"edge-x7k2p"}`), good); err != nil || got.Name != "edge" || got.Machine != "edge-x7k2p" {
		t.Errorf("a machine that replaces another: %+v, %v", got, err)
	}
	if _, err := firstboot.Parse([]byte(`{"uuid":"u"}`), []byte(`{}`)); !errors.Is(err, firstboot.ErrNoFirewall) {
		t.Errorf("a machine that is no firewall: %v", err)
	}
	for name, c := range map[string]struct{ meta, vendor, says string }{
		"no JSON":         {`x`, `{}`, "meta_data.json"},
		"no namespace":    {`{"ingot-firewall":"edge"}`, string(good), "NAMESPACE/NAME"},
		"two slashes":     {`{"ingot-firewall":"a/b/c"}`, string(good), "NAMESPACE/NAME"},
		"another's name":  {`{"ingot-firewall":"a/b:c"}`, string(good), "NAMESPACE/NAME"},
		"no machine":      {`{"ingot-firewall":"a/b","ingot-machine":"x/y"}`, string(good), "and no name"},
		"older drive":     {`{"ingot-firewall":"a/b"}`, `{"cloud-init":"x"}`, "another version"},
		"plain HTTP":      {`{"ingot-firewall":"a/b"}`, string(vendor(t, "http://10.0.0.1/")), "https"},
		"a user":          {`{"ingot-firewall":"a/b"}`, string(vendor(t, "https://u:p@10.0.0.1/")), "https"},
		"nothing trusted": {`{"ingot-firewall":"a/b"}`, `{"ingot":{"url":"https://x/","token":"t"}}`, "no CA"},
	} {
		if _, err := firstboot.Parse([]byte(c.meta), []byte(c.vendor)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"uuid":"u","ingot-firewall":"web/edge"}`), vendor(f, "https://10.0.0.1:8443/v1/first-boot/ns/host/"))
	f.Add([]byte(`{"ingot-firewall":7}`), []byte(`{"ingot":null}`))
	f.Fuzz(func(t *testing.T, meta, vendor []byte) {
		got, err := firstboot.Parse(meta, vendor)
		if err == nil && (got.Namespace == "" || got.Name == "" || !strings.HasPrefix(strings.ToLower(got.URL), "https://") || strings.Contains(got.Namespace+got.Name, "/")) {
			t.Errorf("%+v", got)
		}
	})
}
