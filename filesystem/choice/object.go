package choice

import (
	"encoding/json"
	"fmt"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/filesystem"
)

// Words puts an object's spec into the words of package filesystem: they are spelled the same.
func Words(spec ingot.FilesystemLayoutSpec) (filesystem.Layout, error) {
	var l filesystem.Layout
	return l, same(spec, &l)
}

// From is an object in the words of this package.
func From(o *ingot.FilesystemLayout) (Layout, error) {
	out := Layout{Name: o.Name}
	var err error
	if out.Layout, err = Words(o.Spec); err != nil || o.Spec.Constraints == nil {
		return out, err
	}
	out.Constraints = &Constraints{}
	return out, same(o.Spec.Constraints, out.Constraints)
}

// All are objects in the words of this package.
func All(objects []ingot.FilesystemLayout) ([]Layout, error) {
	out := make([]Layout, len(objects))
	for i := range objects {
		var err error
		if out[i], err = From(&objects[i]); err != nil {
			return nil, fmt.Errorf("read FilesystemLayout %s: %w", objects[i].Name, err)
		}
	}
	return out, nil
}

func same(from, to any) error {
	b, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}
