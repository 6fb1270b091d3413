// Package catalog says which image a name means, and whether a machine may have it.
//
// It owns images' names (an operating system, a dash, a version), what a shorter name means, how long an image is good, what it is for, and whose signature it needs. It refuses to guess: a name without an image
// that may be used is a refusal that says of each image why not. It refuses to change what a name means: an image's digest is a part of what was asked for.
//
// By its full name an image is had while it is not expired, with the days of grace, whatever its class; what speaks against it is a warning. By a shorthand only supported images are had that are not expired, and
// the newest of them that is for the size and the kind of machine.
//
// Invariants: the same images, name, size and time give the same answer in whatever order they come; the image of a shorthand is never older than another one that could be had by it; no image is given that needs
// a signature and has none that counts.
package catalog

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/filesystem/choice"
)

// Version is an image's: one to four numbers.
type Version = choice.Version

// Image is one of the catalog.
type Image struct {
	// Object is what it was read from.
	Object *ingot.Image
	// Name is its full name, OS and Version what it is made of.
	Name, OS string
	Version  Version
	// SignedBy is the trust and key of its signature. Untrusted is why it may not be used for the lack of one; empty: it needs none, or has one.
	SignedBy, Untrusted string
}

// nameForm is an operating system's words, each beginning with a letter, and a version.
var nameForm = regexp.MustCompile(`^([a-z][a-z0-9]*(?:-[a-z][a-z0-9]*)*)(?:-([0-9]{1,9}(?:\.[0-9]{1,9}){0,3}))?$`)

// maxName is the longest name there is: of an operating system 63, a dash, of a version 39.
const maxName = 103

// ParseName takes an image's name or a shorthand apart. The version is nil where the name has none.
func ParseName(name string) (os string, version Version, err error) {
	m := nameForm.FindStringSubmatch(name)
	if m == nil || len(name) > maxName {
		return "", nil, fmt.Errorf("%q is no image's name: write an operating system and its version, or the beginning of it, like debian-12.20261101, debian-12 or debian", name)
	}
	if m[2] == "" {
		return m[1], nil, nil
	}
	for _, number := range strings.Split(m[2], ".") {
		n, err := strconv.Atoi(number)
		if err != nil {
			return "", nil, fmt.Errorf("%q: %q is no number of a version", name, number)
		}
		version = append(version, n)
	}
	return m[1], version, nil
}

// Read reads Image objects, and holds them against the keys that are trusted. Objects whose names have no meaning are left out; the API server refuses them.
func Read(objects []ingot.Image, trusts []ingot.ImageTrust) []Image {
	all := readTrusts(trusts)
	var out []Image
	for i := range objects {
		o := &objects[i]
		os, version, err := ParseName(o.Name)
		if err != nil || version == nil || os != o.Spec.OS {
			continue
		}
		image := Image{Object: o, Name: o.Name, OS: os, Version: version}
		image.SignedBy, image.Untrusted = all.judge(o)
		out = append(out, image)
	}
	return out
}

// Phase is where an image is in its time.
type Phase string

// The phases.
const (
	// Current: before it expires.
	Current Phase = "Current"
	// Grace: it has expired, and is had by its full name for some days more.
	Grace Phase = "Grace"
	// Over: no machine is made of it any more.
	Over Phase = "Over"
)

// PhaseAt is an image's phase, and when it ends; the zero time: it does not.
func (i Image) PhaseAt(now time.Time) (Phase, time.Time) {
	expires := i.Object.Spec.ExpiresAt
	if expires == nil {
		return Current, time.Time{}
	}
	over := i.GraceEnd()
	switch {
	case now.Before(expires.Time):
		return Current, expires.Time
	case now.Before(over):
		return Grace, over
	}
	return Over, time.Time{}
}

// defaultGraceDays is what the API server fills in.
const defaultGraceDays = 14

// GraceEnd is when an image that expires is over.
func (i Image) GraceEnd() time.Time {
	days := int32(defaultGraceDays)
	if d := i.Object.Spec.GraceDays; d != nil {
		days = *d
	}
	return i.Object.Spec.ExpiresAt.Add(time.Duration(days) * 24 * time.Hour)
}

// newer orders images of one operating system: the newest first. Of versions that are numerically the same, that with more numbers is the newer one.
func newer(a, b Image) int {
	return cmp.Or(b.Version.Compare(a.Version), cmp.Compare(len(b.Version), len(a.Version)), cmp.Compare(a.Name, b.Name))
}

// begins says whether a version begins with all numbers of a shorthand.
func begins(v, short Version) bool {
	return len(v) >= len(short) && slices.Equal(v[:len(short)], short)
}

// Feature is what the image makes of a machine: of several, an ordinary machine.
func (i Image) Feature() ingot.ImageFeature {
	if slices.Contains(features(i.Object), ingot.ImageForMachine) {
		return ingot.ImageForMachine
	}
	return ingot.ImageForFirewall
}

// Shorter are the names, shorter than its own, that could mean an image, the shortest first.
func (i Image) Shorter() []string {
	text := strings.TrimPrefix(i.Name, i.OS)
	names := []string{i.OS}
	for n, c := range text {
		if c == '.' {
			names = append(names, i.OS+text[:n])
		}
	}
	return names
}

// Shorthands are the names, shorter than its own, that mean an image now for a machine of a size that nobody knows yet: those of which Resolve gives it.
func Shorthands(images []Image, image Image, now time.Time) []string {
	feature := image.Feature()
	var out []string
	for _, name := range image.Shorter() {
		if r, refusal := Resolve(images, name, nil, feature, now); refusal == nil && r.Image.Name == image.Name {
			out = append(out, name)
		}
	}
	return out
}
