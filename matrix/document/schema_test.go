package document_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/config/crd"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
)

func jsonSize(t *testing.T, v any) int {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return len(text)
}

// schema is the part of a custom resource definition that bounds values.
type schema struct {
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
	Enum       []string          `json:"enum"`
	MinLength  int               `json:"minLength"`
	MaxLength  int               `json:"maxLength"`
	MinItems   int               `json:"minItems"`
	MaxItems   int               `json:"maxItems"`
}

func specSchema(t *testing.T) schema {
	t.Helper()
	text, err := crd.Files.ReadFile("ingot.dev_communicationmatrices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var definition struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema schema `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	return definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
}

// The API's list of applications is the matrix's.
func TestSchemaHasEveryApplication(t *testing.T) {
	var want []string
	for _, n := range matrix.Applications() {
		want = append(want, string(n.Application))
	}
	slices.Sort(want)
	got := slices.Sorted(slices.Values(specSchema(t).Properties["flows"].Items.Properties["application"].Enum))
	if !slices.Equal(got, want) {
		t.Errorf("the markers of MatrixApplication in api/v1alpha1 say %v, matrix.Applications %v: change the markers, then make generate", got, want)
	}
}

// A file is refused for the same lengths as an object.
func TestBoundsAreThoseOfTheSchema(t *testing.T) {
	want, seen := document.Bounds(), map[string]bool{}
	walk(specSchema(t), "CommunicationMatrixSpec", func(name string, least, most int) {
		seen[name] = true
		if b := [2]int{least, most}; want[name] != b {
			t.Errorf("%s: the schema says %v, package document %v", name, b, want[name])
		}
	})
	for name := range want {
		if !seen[name] {
			t.Errorf("%s has a bound in package document and none in the schema", name)
		}
	}
}

// typed are the Go types of nested objects, by field.
var typed = map[string]string{
	"zones": "MatrixZone", "roles": "MatrixRole", "hosts": "MatrixHost", "interfaces": "MatrixInterface", "flows": "MatrixFlow", "rights": "MatrixRight",
}

// named types have bounds of their own, which their checks know: names, ends, texts, networks, addresses, protocols, ports.
func walk(s schema, owner string, visit func(name string, least, most int)) {
	for field, p := range s.Properties {
		name := fmt.Sprintf("%s.%s", owner, field)
		switch {
		case p.Items != nil:
			visit(name, p.MinItems, p.MaxItems)
			if nested := typed[field]; nested != "" && p.Items.Properties != nil {
				walk(*p.Items, nested, visit)
			} else if slices.Contains([]string{"resources", "verbs", "names", "paths"}, field) {
				visit(name+"[]", 0, p.Items.MaxLength)
			}
		case slices.Contains([]string{"text", "id", "identity", "serverIdentity", "group"}, field), owner == "MatrixInterface" && field == "name":
			visit(name, p.MinLength, p.MaxLength)
		}
	}
}
