package apply_test

import (
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/cli/apply"
)

const two = `# a comment before the first object
apiVersion: v1
kind: Secret
metadata: {name: a}
---
---
apiVersion: metal3.io/v1alpha1
kind: BareMetalHost
metadata: {name: b, namespace: c}
`

func TestReadGivesEveryObject(t *testing.T) {
	objects, err := apply.Read(strings.NewReader(two))
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 || objects[0].GetName() != "a" || objects[1].GetNamespace() != "c" {
		t.Fatalf("Read = %v", objects)
	}
}

func TestReadSaysWhichObjectIsWrong(t *testing.T) {
	for input, want := range map[string]string{
		two + "---\nkind: X\nmetadata: {name: d}\n": "object 3 has no apiVersion",
		two + "---\napiVersion: v1\nkind: Secret\n": "object 3 (Secret) has no metadata.name",
		"apiVersion: [": "object 1 is neither YAML nor JSON",
		"apiVersion: v1\nmetadata:\n  name: nothing\n":  "object 1 has no apiVersion or no kind",
		two + "---\n- a list\n":                         "object 3 is neither YAML nor JSON",
		`{"apiVersion":"v1","kind":"Secret","metadata"`: "object 1 is neither YAML nor JSON",
	} {
		_, err := apply.Read(strings.NewReader(input))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read(%q) = %v, want %q", input, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(two)
	f.Add(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"}}`)
	f.Fuzz(func(t *testing.T, input string) {
		objects, err := apply.Read(strings.NewReader(input))
		if err == nil {
			for _, o := range objects {
				if o.GetName() == "" || o.GetKind() == "" {
					t.Errorf("an object without name or kind passed: %v", o)
				}
			}
		}
	})
}
