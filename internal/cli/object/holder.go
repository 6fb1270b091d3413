package object

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// holders are the writers that hold a field of an object, or something in it, as its managedFields say.
func holders(o *unstructured.Unstructured, path []string) []string {
	var all []string
	for _, m := range o.GetManagedFields() {
		if m.FieldsV1 == nil || m.Subresource != "" {
			continue
		}
		var set map[string]any
		if json.Unmarshal(m.FieldsV1.GetRawBytes(), &set) == nil && has(set, path) {
			all = append(all, m.Manager)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func has(set map[string]any, path []string) bool {
	for _, key := range path {
		below, ok := set["f:"+key].(map[string]any)
		if !ok {
			return false
		}
		set = below
	}
	return true
}

func field(path, by []string) string {
	return strings.Join(path, ".") + " (" + strings.Join(by, ", ") + ")"
}

func sentence(held []string) string {
	slices.Sort(held)
	return strings.Join(held, ", ")
}
