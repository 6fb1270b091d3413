package calico

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall/calico/calicotest"
)

func policyText(spec string) string {
	return fmt.Sprintf("apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: x}\nspec: %s\n", spec)
}

func endpointText(spec string) string {
	return strings.Replace(policyText(spec), "GlobalNetworkPolicy", "HostEndpoint", 1)
}

func TestBadManifestsAreRefusedWithFieldAndReason(t *testing.T) {
	bad := calicotest.Bad()
	if len(bad) < 60 {
		t.Fatalf("%d bad manifests, want at least 60", len(bad))
	}
	names := map[string]bool{}
	for _, c := range bad {
		if names[c.Name] {
			t.Errorf("two cases are called %s", c.Name)
		}
		names[c.Name] = true
		_, err := Decode([]byte(c.Text))
		var problems Problems
		if !errors.As(err, &problems) {
			t.Errorf("%s: accepted, or not with Problems: %v", c.Name, err)
			continue
		}
		found := false
		for _, p := range problems {
			found = found || p.Path == c.Path && strings.Contains(p.Reason, c.Reason)
		}
		if !found {
			t.Errorf("%s: want %s: …%s…, got\n%v", c.Name, c.Path, c.Reason, err)
		}
	}
}

func TestAllProblemsOfAManifestAreReported(t *testing.T) {
	_, err := Decode([]byte(policyText("{order: x, tier: '', ingress: [{action: Nope, protocol: VRRP}]}")))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 4 {
		t.Fatalf("want four problems, got %d:\n%v", len(problems), err)
	}
	for _, p := range problems {
		if p.Object != "GlobalNetworkPolicy/x" {
			t.Errorf("the object is called %q", p.Object)
		}
	}
}

func TestCheckFindsWhatDoesNotFit(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"same name", policyText("{}") + "---\n" + policyText("{order: 2}"), "GlobalNetworkPolicy/x: metadata.name: is used twice"},
		{"no such tier", policyText("{tier: security}"), "GlobalNetworkPolicy/x: spec.tier: there is no tier security"},
		{"no such profile", endpointText("{node: a, interfaceName: b, profiles: [projectcalico-default-allow, kns.x]}"), "HostEndpoint/x: spec.profiles[1]: there is no profile kns.x"},
	}
	for _, c := range cases {
		o, err := Decode([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got %v", c.name, c.want, err)
		}
	}
}
