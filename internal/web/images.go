package web

import (
	"context"
	"fmt"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/catalog"
)

// ImageRow is an image of the catalog.
type ImageRow struct {
	Name        string               `json:"key"`
	OS          string               `json:"os"`
	Description string               `json:"description,omitempty"`
	Class       string               `json:"class"`
	Features    []ingot.ImageFeature `json:"features,omitempty"`
	Sizes       []string             `json:"sizes,omitempty"`
	// Phase is Current, Grace or Over; Ends is when it ends, empty where it does not.
	Phase   string `json:"phase"`
	Ends    string `json:"ends,omitempty"`
	Expires string `json:"expires,omitempty"`
	// Shorthands are the names that mean it; Machines how many have it.
	Shorthands []string `json:"shorthands,omitempty"`
	Machines   int32    `json:"machines"`
	Ready      string   `json:"ready"`
	Reason     string   `json:"reason,omitempty"`
	Why        string   `json:"why,omitempty"`
	// Signed is what the condition says, SignedBy whose signature it is.
	Signed   string `json:"signed,omitempty"`
	SignedBy string `json:"signedBy,omitempty"`
	URL      string `json:"url"`
	Digest   string `json:"digest"`
	Format   string `json:"format"`
}

// Key implements Row.
func (r ImageRow) Key() string { return r.Name }

// images is the list of them.
func images(ctx context.Context, c *reader, a ask) (Content, error) {
	var list ingot.ImageList
	if err := c.List(ctx, &list); err != nil {
		return Content{}, fmt.Errorf("list images: %w", err)
	}
	out := Content{Body: struct{}{}, Rows: make([]Row, len(list.Items))}
	for i := range list.Items {
		out.Rows[i] = imageRow(&list.Items[i], a)
	}
	return out, nil
}

func imageRow(o *ingot.Image, a ask) ImageRow {
	r := ImageRow{
		Name: o.Name, OS: o.Spec.OS, Description: o.Spec.Description, Class: string(o.Spec.Classification), Features: o.Spec.Features, Sizes: o.Spec.SizeConstraints, Expires: at(o.Spec.ExpiresAt),
		Shorthands: o.Status.Shorthands, Machines: o.Status.Machines, SignedBy: o.Status.SignedBy, URL: o.Spec.URL, Digest: o.Spec.Digest, Format: string(o.Spec.Format),
	}
	phase, ends := catalog.Image{Object: o}.PhaseAt(a.now)
	r.Phase, r.Ends = string(phase), timeText(ends)
	r.Ready, r.Reason, r.Why = ready(o.Status.Conditions, ingot.ImageReady)
	_, r.Signed, _ = ready(o.Status.Conditions, ingot.ImageSigned)
	return r
}
