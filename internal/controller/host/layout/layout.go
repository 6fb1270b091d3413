// Package layout reads the FilesystemLayout that a host names, or that is for it.
//
// It owns the way from the objects to the words of packages filesystem and choice, which choose where a host names none. The object is read when
// it is needed and never watched; that happens while a host is on its way to such an image, and at no other time.
package layout

import (
	"context"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/filesystem/choice"
	"github.com/ingotmetal/ingot/journey"
)

// Of is the layout of a host, with what a decision needs to know of it. The layout is nil where the host's deploy method needs none, where it takes the standard one, and where there is a problem. Claim is the disk that was claimed for the image, nil before:
// what was chosen then stays, whatever labels and constraints say since.
func Of(ctx context.Context, from client.Reader, host *metal3.BareMetalHost, claim *ingot.DiskClaim) (journey.LayoutFact, *filesystem.Layout, error) {
	image := journey.Method(host) == ingot.DeployPartitionImage
	if journey.Method(host) != ingot.DeployTarball && !image {
		return journey.LayoutFact{}, nil, nil
	}
	fact := journey.LayoutFact{Name: host.Annotations[ingot.LayoutAnnotation]}
	if fact.Name == "" && claim != nil {
		fact.Name = claim.Layout
	}
	if fact.Name == "" && image {
		return fact, nil, nil
	}
	if fact.Name == "" {
		return choose(ctx, from, host)
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
	l, err := choice.Words(object.Spec)
	if err != nil {
		return fact, nil, err
	}
	problems := filesystem.Check(l)
	if image && len(problems) == 0 {
		problems = filesystem.CheckForImage(l)
	}
	if len(problems) > 0 {
		fact.Problem = fmt.Sprintf("the FilesystemLayout %s is wrong: %v", fact.Name, problems)
		return fact, nil, nil
	}
	return fact, &l, nil
}

// choose finds the one layout whose constraints fit.
func choose(ctx context.Context, from client.Reader, host *metal3.BareMetalHost) (journey.LayoutFact, *filesystem.Layout, error) {
	var list ingot.FilesystemLayoutList
	if err := from.List(ctx, &list); err != nil {
		return journey.LayoutFact{}, nil, fmt.Errorf("list FilesystemLayouts: %w", err)
	}
	all, err := choice.All(list.Items)
	if err != nil {
		return journey.LayoutFact{}, nil, err
	}
	name, problem, _ := choice.Choose(all, choice.Of(host))
	for i := range all {
		if all[i].Name == name {
			return journey.LayoutFact{Name: name}, &all[i].Layout, nil
		}
	}
	return journey.LayoutFact{Problem: problem}, nil, nil
}
