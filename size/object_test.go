package size_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/size"
)

func TestFromTheExample(t *testing.T) {
	text, err := os.ReadFile("../examples/size.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []ingot.Size
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		var o ingot.Size
		if err := yaml.UnmarshalStrict(document, &o); err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	sizes, problems := size.All(all)
	if len(problems) > 0 || len(sizes) != 2 {
		t.Fatal(sizes, problems)
	}
	if found := size.Overlaps(sizes); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	h := size.Hardware{Processor: "x", Cores: 16, MemoryBytes: 32 * gib, Disks: []size.Disk{{"a", "SSD", 480 * gb}, {"a", "SSD", 480 * gb}}}
	if r := size.Match(sizes, h); r.Name != "m1-small" {
		t.Errorf("%+v", r)
	}
}

func TestFromRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"{type: nics, min: 1}":                   "constraints[0].type",
		"{type: cores, min: -1}":                 "constraints[0].min",
		"{type: cores, max: 500m}":               "constraints[0].max",
		"{type: cores, min: 2, max: 1}":          "below its min",
		"{type: disks, minCount: 2,maxCount: 1}": "below its min",
		"{type: memory, max: 1e30}":              "constraints[0].max",
	} {
		var o ingot.Size
		if err := yaml.Unmarshal([]byte("{metadata: {name: m1}, spec: {constraints: ["+text+"]}}"), &o); err != nil {
			t.Fatal(err)
		}
		if _, err := size.From(&o); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "size m1") {
			t.Errorf("%s: %v", text, err)
		}
		if sizes, problems := size.All([]ingot.Size{o}); len(sizes) != 0 || len(problems) != 1 {
			t.Error(sizes, problems)
		}
	}
}
