package web

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/capacity"
	"github.com/ingotmetal/ingot/capacity/stock"
	"github.com/ingotmetal/ingot/catalog"
	sizecli "github.com/ingotmetal/ingot/internal/cli/size"
	"github.com/ingotmetal/ingot/internal/fleet"
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

// SizeRow is a size with what can be had of it.
type SizeRow struct {
	Name        string `json:"key"`
	Description string `json:"description,omitempty"`
	// Cores, Memory, Disks and GPUs are its constraints in words; Images those of operating systems.
	Cores  string   `json:"cores"`
	Memory string   `json:"memory"`
	Disks  string   `json:"disks,omitempty"`
	GPUs   string   `json:"gpus,omitempty"`
	Images []string `json:"images,omitempty"`
	// Hosts are of it and of no other; Ambiguous match another one too.
	Hosts     int32               `json:"hosts"`
	Ambiguous int32               `json:"ambiguous,omitempty"`
	Overlaps  []ingot.SizeOverlap `json:"overlaps,omitempty"`
	Ready     string              `json:"ready"`
	Reason    string              `json:"reason,omitempty"`
	Why       string              `json:"why,omitempty"`
	// Capacity is counted by partition.
	Capacity     []capacity.Row `json:"capacity,omitempty"`
	Reservations []Reserved     `json:"reservations,omitempty"`
}

// Key implements Row.
func (r SizeRow) Key() string { return r.Name }

// Reserved is a reservation.
type Reserved struct {
	Name string `json:"name"`
	// For is the tenant, or tenant/project.
	For        string   `json:"for"`
	Partitions []string `json:"partitions"`
	Amount     int      `json:"amount"`
	// Used is how many of the amount are held by those that it is for; Available how many more could be had for it.
	Used      int `json:"used"`
	Available int `json:"available"`
}

// SizesBody is what stands beside the list.
type SizesBody struct {
	// Hidden: the person may not see the hosts, and so not what can be had.
	Hidden bool `json:"hidden,omitempty"`
	// Without are hosts of no size, by partition.
	Without []capacity.Row `json:"without,omitempty"`
}

// sizes is the list of them.
func sizes(ctx context.Context, c *reader, _ ask) (Content, error) {
	c.begin(ctx, fleet.Kinds()...)
	var list ingot.SizeList
	if err := c.List(ctx, &list); err != nil {
		return Content{}, fmt.Errorf("list sizes: %w", err)
	}
	var b SizesBody
	var hosts []capacity.Host
	var reserved []capacity.Reservation
	o, err := fleet.Read(ctx, c.everywhere())
	switch {
	case apierrors.IsForbidden(err):
		b.Hidden = true
	case err != nil:
		return Content{}, err
	default:
		hosts, reserved = stock.Hosts(o.Facts, o.ByHost()), stock.Reservations(o.Facts)
	}
	counted := capacity.Count(hosts, reserved)
	b.Without = ofSize(counted, "")
	out := Content{Body: b, Rows: make([]Row, len(list.Items))}
	for i := range list.Items {
		r := sizeRow(&list.Items[i])
		r.Capacity, r.Reservations = ofSize(counted, r.Name), reservedOf(r.Name, reserved, hosts)
		out.Rows[i] = r
	}
	return out, nil
}

func ofSize(all []capacity.Row, size string) (out []capacity.Row) {
	for _, r := range all {
		if r.Size == size {
			out = append(out, r)
		}
	}
	return out
}

func reservedOf(size string, all []capacity.Reservation, hosts []capacity.Host) (out []Reserved) {
	for _, r := range all {
		if r.Size != size {
			continue
		}
		x := Reserved{Name: r.Name, For: strings.TrimSuffix(r.Tenant+"/"+r.Project, "/"), Partitions: r.Partitions, Amount: r.Amount}
		x.Used, x.Available = capacity.Served(r, hosts)
		out = append(out, x)
	}
	return out
}

func sizeRow(o *ingot.Size) SizeRow {
	r := SizeRow{
		Name: o.Name, Description: o.Spec.Description, Cores: sizecli.Bounds(o, ingot.SizeCores), Memory: sizecli.Bounds(o, ingot.SizeMemory), Disks: sizecli.Bounds(o, ingot.SizeDisks), GPUs: sizecli.Bounds(o, ingot.SizeGPUs),
		Hosts: o.Status.Hosts, Ambiguous: o.Status.Ambiguous, Overlaps: o.Status.Overlaps,
	}
	for _, i := range o.Spec.ImageConstraints {
		r.Images = append(r.Images, strings.TrimSpace(i.Name+" "+i.Versions))
	}
	r.Ready, r.Reason, r.Why = ready(o.Status.Conditions, "Ready")
	return r
}
