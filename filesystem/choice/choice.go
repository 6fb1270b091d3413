// Package choice says which layout a host gets for an image where nobody named one, and why not the others.
//
// It owns a layout's constraints and their reading: names and versions of images, labels of hosts, firmware, sizes of disks. It refuses to rank: exactly one layout must fit, since of two that fit the better one is a
// guess, and a disk that is laid out wrongly is data lost. A layout without constraints is chosen by its name only.
//
// Invariants: the same layouts, host and image give the same answer in whatever order they come; each layout that is not chosen has a reason.
package choice

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
	"github.com/ingotmetal/ingot/wildcard"
)

// Constraints are the hosts and images that a layout is for. All that is given must hold.
type Constraints struct {
	// Images are those that it is for: one of them must fit.
	Images []Image `json:"images"`
	// HostLabels must be on the host.
	HostLabels map[string]string `json:"hostLabels,omitempty"`
	// Sizes are the names of sizes, with wildcards: one of them must be the host's. Empty: all.
	Sizes []string `json:"sizes,omitempty"`
	// MinDiskGigabytes and MaxDiskGigabytes bound the disk that the host's hints mean, in 2^30 bytes as root device hints do; 0: no bound.
	MinDiskGigabytes int64 `json:"minDiskGigabytes,omitempty"`
	MaxDiskGigabytes int64 `json:"maxDiskGigabytes,omitempty"`
}

// Image is a name and a range of versions.
type Image struct {
	// Name is the image's: of "https://images.example.net/debian-12.4.tar.zst" and of "oci://registry.example.net/os/debian:12.4" it is "debian".
	Name string `json:"name"`
	// Versions are comparisons with commas between them, like ">=12, <14"; "=12" is 12 and each 12.x. Empty: all.
	Versions string `json:"versions,omitempty"`
}

// Layout is one that may be chosen.
type Layout struct {
	Name string
	// Constraints are nil for one that is chosen by its name only.
	Constraints *Constraints
	Layout      filesystem.Layout
}

// Host is what is looked at of a host.
type Host struct {
	Host *metal3.BareMetalHost
	// Disks are the machine's, nil while they are not known.
	Disks []step.Disk
}

// Verdict is what became of one layout. Reasons are empty for one that fits.
type Verdict struct {
	Name    string   `json:"name"`
	Reasons []string `json:"reasons,omitempty"`
}

// Of is a host as its object has it: its disks are those that inspection found.
func Of(h *metal3.BareMetalHost) Host {
	out := Host{Host: h}
	for _, s := range journey.InBandDisks(h.Status.HardwareDetails) {
		out.Disks = append(out.Disks, step.Disk{
			Name: s.Name, AlternateNames: s.AlternateNames, Model: s.Model, Vendor: s.Vendor, SerialNumber: s.SerialNumber, HCTL: s.HCTL, WWN: s.WWN, WWNVendorExtension: s.WWNVendorExtension,
			WWNWithExtension: s.WWNWithExtension, SizeBytes: int64(s.SizeBytes), Rotational: s.Rotational, Type: string(s.Type),
		})
	}
	return out
}

// Choose gives the name of the one layout that fits; else the problem says why there is none. The verdicts are in the order of names.
func Choose(layouts []Layout, h Host) (name, problem string, all []Verdict) {
	var fit []string
	for _, l := range layouts {
		v := Verdict{l.Name, Judge(l, h)}
		if len(v.Reasons) == 0 {
			fit = append(fit, l.Name)
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b Verdict) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(fit)
	switch len(fit) {
	case 1:
		return fit[0], "", all
	case 0:
		var why []string
		for _, v := range all {
			if v.Reasons[0] != byNameOnly {
				why = append(why, v.Name+": "+strings.Join(v.Reasons, ", "))
			}
		}
		if len(why) == 0 {
			return "", "no FilesystemLayout has constraints, by which one could be chosen", all
		}
		const most = 5
		if more := len(why) - most; more > 0 {
			why = append(why[:most], fmt.Sprintf("and %d more", more))
		}
		return "", "no FilesystemLayout is for this host and image: " + strings.Join(why, "; "), all
	}
	return "", fmt.Sprintf("the FilesystemLayouts %s are all for this host and image", strings.Join(fit, ", ")), all
}

// Settled says which layout a host gets whatever constraints say, and why: the one that it names itself, or, for a partition image without one, the standard layout, whose name is empty. why is empty where constraints decide.
func Settled(h *metal3.BareMetalHost) (name, why string) {
	switch named := h.Annotations[ingot.LayoutAnnotation]; {
	case named != "":
		return named, "the host names the layout " + named + " itself, and gets that"
	case journey.Method(h) == ingot.DeployPartitionImage:
		return "", "the host gets a partition image and names no layout: it gets the standard one, and constraints do not count"
	}
	return "", ""
}

const byNameOnly = "it has no constraints, and is chosen by its name only"

// Judge says why a layout is not chosen for a host; nil where it fits.
func Judge(l Layout, h Host) []string {
	if l.Constraints == nil {
		return []string{byNameOnly}
	}
	var why []string
	if problems := filesystem.Check(l.Layout); len(problems) > 0 {
		why = append(why, "it is wrong: "+problems.Error())
	}
	why = append(why, l.Constraints.judgeImage(h.Host)...)
	for _, k := range slices.Sorted(maps.Keys(l.Constraints.HostLabels)) {
		if got, ok := h.Host.Labels[k]; !ok || got != l.Constraints.HostLabels[k] {
			why = append(why, fmt.Sprintf("the host's label %s is %q, not %q", k, got, l.Constraints.HostLabels[k]))
		}
	}
	if c, has := l.Constraints.Sizes, h.Host.Labels[ingot.SizeLabel]; len(c) > 0 && (has == "" || !wildcard.MatchAny(c, has)) {
		why = append(why, fmt.Sprintf("the host's size is %s, not %s", cmp.Or(has, "not known"), strings.Join(c, " or ")))
	}
	return append(why, l.Constraints.judgeDisk(h)...)
}

func (c Constraints) judgeImage(h *metal3.BareMetalHost) []string {
	if h.Spec.Image == nil {
		return []string{"the host has no image"}
	}
	name, version := Parse(h.Spec.Image.URL)
	var why []string
	for _, i := range c.Images {
		r, err := ParseRange(i.Versions)
		switch {
		case err != nil:
			why = append(why, fmt.Sprintf("its versions of %s are wrong: %v", i.Name, err))
		case i.Name != name:
			why = append(why, fmt.Sprintf("the image is %s, not %s", cmp.Or(name, "without a name"), i.Name))
		case len(r) > 0 && version == nil:
			why = append(why, fmt.Sprintf("the image's version is not in its URL, and %s is asked for", i.Versions))
		case !r.Holds(version):
			why = append(why, fmt.Sprintf("the image is %s %s, not %s", name, version, i.Versions))
		default:
			return nil
		}
	}
	if len(c.Images) == 0 {
		return []string{"its constraints name no image"}
	}
	return why
}

func (c Constraints) judgeDisk(h Host) []string {
	if c.MinDiskGigabytes == 0 && c.MaxDiskGigabytes == 0 {
		return nil
	}
	if h.Host.Spec.RAID != nil && len(h.Host.Spec.RAID.SoftwareRAIDVolumes) > 0 {
		return []string{"the disk is an array that is made first: its size is not known"}
	}
	if len(h.Disks) == 0 {
		return []string{"the machine's disks are not known yet"}
	}
	d, failure := rootdevice.Choose(h.Disks, journey.DiskHints(h.Host.Spec.RootDeviceHints), 0, step.Outsides()...)
	if failure != nil {
		return []string{failure.Message}
	}
	const gib = 1 << 30
	switch size := d.SizeBytes / gib; {
	case c.MinDiskGigabytes > 0 && d.SizeBytes < c.MinDiskGigabytes*gib:
		return []string{fmt.Sprintf("the disk %s has %d GiB, at least %d are asked for", d.Name, size, c.MinDiskGigabytes)}
	case c.MaxDiskGigabytes > 0 && d.SizeBytes > c.MaxDiskGigabytes*gib:
		return []string{fmt.Sprintf("the disk %s has %d GiB, at most %d are asked for", d.Name, size, c.MaxDiskGigabytes)}
	}
	return nil
}

// Fit is how one disk takes a layout.
type Fit struct {
	Disk string `json:"disk"`
	// SizeBytes is the disk's.
	SizeBytes int64 `json:"sizeBytes"`
	// Meant says that the host's root device hints mean this one; Hints why not.
	Meant bool   `json:"meant"`
	Hints string `json:"hints,omitempty"`
	// Problem is why the layout does not fit the disk, empty where it does; Plan are its partitions then.
	Problem string               `json:"problem,omitempty"`
	Plan    []filesystem.Planned `json:"plan,omitempty"`
}

// Try plans a layout on each disk of a host.
func Try(l filesystem.Layout, h Host) []Fit {
	hints := journey.DiskHints(h.Host.Spec.RootDeviceHints)
	meant, failure := rootdevice.Choose(h.Disks, hints, 0, step.Outsides()...)
	var all []Fit
	for _, v := range rootdevice.Explain(h.Disks, hints, 0, step.Outsides()...) {
		f := Fit{Disk: v.Disk.Name, SizeBytes: v.Disk.SizeBytes, Meant: failure == nil && v.Disk.Name == meant.Name}
		if !f.Meant {
			f.Hints = cmp.Or(v.Why, "another one fits too, and comes first")
		}
		plan, err := filesystem.Make(l, filesystem.Target{SizeBytes: v.Disk.SizeBytes, SectorBytes: cmp.Or(v.Disk.SectorBytes, 512), UEFI: h.Host.Spec.BootMode != metal3.Legacy, TailBytes: tail(h.Host), Seed: "try"})
		if f.Plan = plan.Partitions; err != nil {
			f.Problem, f.Plan = err.Error(), nil
		}
		all = append(all, f)
	}
	return all
}

// tail is kept for the config drive of a host with user data.
func tail(h *metal3.BareMetalHost) int64 {
	if h.Spec.UserData == nil && h.Spec.NetworkData == nil && h.Spec.MetaData == nil {
		return 0
	}
	return 64 << 20
}
