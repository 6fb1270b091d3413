package configdrive_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/internal/configdrive"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// extract unpacks an ISO image with xorriso, a reader that is not ours.
func extract(t *testing.T, iso []byte) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "drive.iso")
	if err := os.WriteFile(path, iso, 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	text, err := exec.CommandContext(t.Context(), "xorriso", "-indev", path, "-pvd_info", "-osirrox", "on", "-extract", "/", out).CombinedOutput()
	if err != nil {
		t.Fatalf("xorriso (package xorriso): %v: %s", err, text)
	}
	if !strings.Contains(string(text), "Volume Id    : config-2\n") {
		t.Errorf("no volume label config-2: %s", text)
	}
	if strings.Contains(string(text), "WARNING") || strings.Contains(string(text), "FAILURE") {
		t.Errorf("xorriso complains: %s", text)
	}
	return out
}

func TestAnotherReaderFindsEachFileTwice(t *testing.T) {
	vendor, err := configdrive.FirstBootReport(configdrive.Report{
		URL: "https://10.0.0.1:8443/v1/first-boot/ns/host-1/", Token: secret.New("one-time"), CAPEM: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	user := bytes.Repeat([]byte("#cloud-config\n# \x00\xff any bytes\n"), 5000)
	iso, err := configdrive.Build(configdrive.Drive{
		Metadata:    configdrive.DefaultMetadata(configdrive.Host{UID: "u-1", Name: "host-1", Namespace: "ns"}, configdrive.Metadata{"name": "mine", "keys": []string{"a"}}),
		UserData:    user,
		NetworkData: []byte(`{"links": []}`),
		VendorData:  vendor,
	})
	if err != nil {
		t.Fatal(err)
	}
	out := extract(t, iso)
	for _, folder := range []string{"latest", "2018-08-27"} {
		read := func(name string) []byte {
			b, err := os.ReadFile(filepath.Join(out, "openstack", folder, name))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		if !bytes.Equal(read("user_data"), user) || string(read("network_data.json")) != `{"links": []}` {
			t.Errorf("%s: user or network data changed", folder)
		}
		var meta map[string]any
		if err := json.Unmarshal(read("meta_data.json"), &meta); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{
			"uuid": "u-1", "name": "mine", "local-hostname": "host-1", "local_hostname": "host-1", "metal3-name": "host-1", "metal3-namespace": "ns",
		} {
			if meta[key] != want {
				t.Errorf("%s: metadata %s is %v, want %s", folder, key, meta[key], want)
			}
		}
		var v configdrive.VendorData
		if err := json.Unmarshal(read("vendor_data.json"), &v); err != nil {
			t.Fatal(err)
		}
		wantReport(t, v)
	}
}

func wantReport(t *testing.T, v configdrive.VendorData) {
	t.Helper()
	if !strings.HasPrefix(v.CloudInit, "#cloud-config\n") {
		t.Errorf("vendor data %q", v.CloudInit)
	}
	var c struct {
		PhoneHome struct {
			URL, Post string
			Tries     int
		} `json:"phone_home"`
		CACerts struct{ Trusted []string } `json:"ca_certs"`
	}
	if err := yaml.Unmarshal([]byte(v.CloudInit), &c); err != nil {
		t.Fatal(err)
	}
	if c.PhoneHome.URL != "https://10.0.0.1:8443/v1/first-boot/ns/host-1/one-time" || c.PhoneHome.Post != "all" || c.PhoneHome.Tries < 1 {
		t.Errorf("phone_home %+v", c.PhoneHome)
	}
	if len(c.CACerts.Trusted) != 1 || !strings.HasPrefix(c.CACerts.Trusted[0], "-----BEGIN CERTIFICATE-----\n") {
		t.Errorf("ca_certs %+v", c.CACerts)
	}
}

func TestEqualInputGivesEqualBytes(t *testing.T) {
	drive := configdrive.Drive{Metadata: configdrive.Metadata{"a": 1, "b": 2, "c": 3, "d": 4}, UserData: []byte("x")}
	first, err := configdrive.Build(drive)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := configdrive.Build(drive)
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("different bytes, %v", err)
		}
	}
}

func TestLeavesOutWhatIsEmpty(t *testing.T) {
	iso, err := configdrive.Build(configdrive.Drive{})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(extract(t, iso), "openstack/latest"))
	if err != nil || len(entries) != 1 || entries[0].Name() != "meta_data.json" {
		t.Errorf("%v, %v; want only meta_data.json", entries, err)
	}
}

func TestRefuses(t *testing.T) {
	for name, d := range map[string]configdrive.Drive{
		"more than 64 MiB":      {UserData: make([]byte, configdrive.MaxBytes-10)},
		"network data no JSON":  {NetworkData: []byte("version: 2")},
		"metadata beyond JSON":  {Metadata: configdrive.Metadata{"f": func() {}}},
		"vendor data past JSON": {VendorData: make(chan int)},
	} {
		_, err := configdrive.Build(d)
		var f *step.Failure
		if !errors.As(err, &f) || f.Kind != step.Invalid {
			t.Errorf("%s: %v; want a failure of kind Invalid", name, err)
		}
	}
	for _, r := range []configdrive.Report{{URL: "https://x/y", Token: secret.New("t")}, {URL: "https://x/"}, {URL: "ftp://x/", Token: secret.New("t")}} {
		if _, err := configdrive.FirstBootReport(r); err == nil {
			t.Errorf("%+v accepted", r)
		}
	}
}

func TestJustFits(t *testing.T) {
	iso, err := configdrive.Build(configdrive.Drive{UserData: make([]byte, configdrive.MaxBytes-(100<<10))})
	if err != nil || len(iso) > configdrive.MaxBytes {
		t.Errorf("%d bytes, %v", len(iso), err)
	}
}
