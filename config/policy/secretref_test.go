package policy_test

import (
	"io/fs"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/config/crd"
	"github.com/ingotmetal/ingot/config/policy"
)

// TestEverySecretReferenceStaysInItsNamespace walks the specs of all kinds for references with a namespace. Each must either be held to its own namespace by a policy, or
// stand in the list of those that point to something else, with the reason. A new kind or field that is neither fails here.
func TestEverySecretReferenceStaysInItsNamespace(t *testing.T) {
	elsewhere := map[string]string{
		"baremetalhosts.metal3.io spec.consumerRef": "names who uses the host, as Cluster API writes it; nothing is read through it",
		"hostclaims.metal3.io spec.consumerRef":     "names who uses the claim; nothing is read through it",
		"networks.ingot.dev spec.parent":            "a super network of its provider; the controller role gives a prefix of it and says nothing more",
		"ips.ingot.dev spec.network":                "the controller role gives addresses of another namespace's network only where that is external or shared",
		"machines.ingot.dev spec.host":              "the host that is asked for; it is given only where a HostDeployPolicy opens its namespace, and nothing is read of it otherwise",
		"machines.ingot.dev spec.networks[]":        "the controller role makes IPs of it in the machine's namespace, which hold to the same rules as anybody's",
		"firewalls.ingot.dev spec.machine.host":     "goes into the Firewall's Machine, where it is as above",
		"firewalls.ingot.dev spec.networks[]":       "the controller role refuses another namespace's network as it does for IPs, and they go into the Firewall's Machine",
		"ipclaims.ipam.metal3.io spec.pool":         "the controller role looks for the pool in the claim's namespace alone",
		"ipaddresses.ipam.metal3.io spec.pool":      "written by the controller role; the pool is of the same namespace",
		"ipaddresses.ipam.metal3.io spec.claim":     "written by the controller role; the claim is of the same namespace",
		"bootwindows.ingot.dev spec.host":           "written by the partition role alone, in a namespace of its own; hosts stand in theirs",
	}
	policies := policiesByResource(t)
	found := map[string]bool{}
	for _, at := range references(t) {
		found[at] = true
		if _, ok := elsewhere[at]; ok {
			continue
		}
		definition, field, _ := strings.Cut(at, " ")
		resource, _, _ := strings.Cut(definition, ".")
		if !strings.Contains(policies[resource], `message: "`+field+".namespace: a Secret of another namespace") {
			t.Errorf("%s can name another namespace and no policy refuses it", at)
		}
	}
	for at := range elsewhere {
		if !found[at] {
			t.Errorf("%s is in the list but not in any schema: remove it", at)
		}
	}
	if !found["baremetalhosts.metal3.io spec.userData"] {
		t.Error("the walk does not find spec.userData: it finds nothing")
	}
}

// policiesByResource is the text of the policies that look at each resource.
func policiesByResource(t *testing.T) map[string]string {
	t.Helper()
	files, err := fs.Glob(policy.Files, "*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no policies: %v", err)
	}
	resource := regexp.MustCompile(`(?m)^      resources: \[([a-z]+)\]$`)
	all := map[string]string{}
	for _, file := range files {
		text, err := policy.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range resource.FindAllSubmatch(text, -1) {
			all[string(match[1])] += string(text)
		}
	}
	return all
}

func references(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(crd.Files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		text, err := crd.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var def struct {
			Metadata struct{ Name string }
			Spec     struct {
				Versions []struct {
					Schema struct{ OpenAPIV3Schema map[string]any }
				}
			}
		}
		if err := yaml.Unmarshal(text, &def); err != nil {
			t.Fatal(err)
		}
		for _, v := range def.Spec.Versions {
			properties, _ := v.Schema.OpenAPIV3Schema["properties"].(map[string]any)
			if spec, ok := properties["spec"].(map[string]any); ok {
				walk(def.Metadata.Name+" spec", spec, &all)
			}
		}
	}
	sort.Strings(all)
	return slices.Compact(all)
}

// walk collects the paths of objects that have both a name and a namespace.
func walk(at string, schema map[string]any, all *[]string) {
	if items, ok := schema["items"].(map[string]any); ok {
		walk(at+"[]", items, all)
	}
	properties, _ := schema["properties"].(map[string]any)
	_, name := properties["name"]
	_, ns := properties["namespace"]
	if name && ns {
		*all = append(*all, at)
	}
	for key, value := range properties {
		if inner, ok := value.(map[string]any); ok {
			walk(at+"."+key, inner, all)
		}
	}
}
