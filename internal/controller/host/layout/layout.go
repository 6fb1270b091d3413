// Package layout reads the FilesystemLayout that a host names.
//
// It owns the way from the object to the words of package filesystem. It refuses to choose: a host that is installed from an archive names its layout. The object is read when
// it is needed and never watched; that happens while a host is on its way to such an image, and at no other time.
package layout

import (
	"context"
	"encoding/json"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/journey"
)

// Of is the layout of a host, with what a decision needs to know of it. The layout is nil where the host's deploy method needs none and where there is a problem.
func Of(ctx context.Context, from client.Reader, host *metal3.BareMetalHost) (journey.LayoutFact, *filesystem.Layout, error) {
	fact := journey.LayoutFact{Name: host.Annotations[ingot.LayoutAnnotation]}
	if journey.Method(host) != ingot.DeployTarball || fact.Name == "" {
		return fact, nil, nil
	}
	object := &ingot.FilesystemLayout{}
	err := from.Get(ctx, client.ObjectKey{Name: fact.Name}, object)
	if apierrors.IsNotFound(err) {
		fact.Problem = fmt.Sprintf("there is no FilesystemLayout %s", fact.Name)
		return fact, nil, nil
	}
	if err != nil {
		return fact, nil, fmt.Errorf("read FilesystemLayout %s: %w", fact.Name, err)
	}
	l, err := Words(object.Spec)
	if err != nil {
		return fact, nil, err
	}
	if problems := filesystem.Check(l); len(problems) > 0 {
		fact.Problem = fmt.Sprintf("the FilesystemLayout %s is wrong: %v", fact.Name, problems)
		return fact, nil, nil
	}
	return fact, &l, nil
}

// Words puts an object's spec into the words of package filesystem: they are spelled the same.
func Words(spec ingot.FilesystemLayoutSpec) (filesystem.Layout, error) {
	var l filesystem.Layout
	b, err := json.Marshal(spec)
	if err == nil {
		err = json.Unmarshal(b, &l)
	}
	return l, err
}
