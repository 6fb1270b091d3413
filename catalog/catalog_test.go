package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/catalog"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func image(os, version string, change func(*ingot.ImageSpec)) ingot.Image {
	o := ingot.Image{Spec: ingot.ImageSpec{OS: os, Version: version, Digest: "sha256:" + strings.Repeat("ab", 32), Classification: ingot.ImageSupported, Features: []ingot.ImageFeature{ingot.ImageForMachine}}}
	o.Name = os + "-" + version
	if change != nil {
		change(&o.Spec)
	}
	return o
}

func expires(in time.Duration, grace int32) func(*ingot.ImageSpec) {
	return func(s *ingot.ImageSpec) {
		s.ExpiresAt, s.GraceDays = ptr.To(metav1.NewTime(now.Add(in))), ptr.To(grace)
	}
}

func class(c ingot.ImageClassification) func(*ingot.ImageSpec) {
	return func(s *ingot.ImageSpec) { s.Classification = c }
}

const oneDay = 24 * time.Hour

// shelf is a catalog with something of everything.
func shelf() []ingot.Image {
	return []ingot.Image{
		image("debian", "12.20261001", nil), image("debian", "12.20261101", nil), image("debian", "12.20261120", class(ingot.ImagePreview)), image("debian", "11.20260101", class(ingot.ImageDeprecated)),
		image("debian", "12.20261110", expires(-oneDay, 14)), image("debian", "12.20260101", expires(-30*oneDay, 14)), image("debian-nfs", "12.1", nil),
		image("ubuntu", "22.04", nil), image("ubuntu", "24.04.9", nil), image("ubuntu", "24.04.10", func(s *ingot.ImageSpec) { s.SizeConstraints = []string{"g1-*"} }),
		image("firewall", "3.0", func(s *ingot.ImageSpec) { s.Features = []ingot.ImageFeature{ingot.ImageForFirewall} }), image("rocky", "9", nil), image("rocky", "9.4", nil),
	}
}

func TestResolve(t *testing.T) {
	images := catalog.Read(shelf(), nil)
	if len(images) != len(shelf()) {
		t.Fatalf("%d of %d images were read", len(images), len(shelf()))
	}
	sized := func(name, versions string) *ingot.Size {
		s := &ingot.Size{Spec: ingot.SizeSpec{ImageConstraints: []ingot.LayoutImage{{Name: "ubuntu", Versions: versions}}}}
		s.Name = name
		return s
	}
	for _, c := range []struct {
		name    string
		size    *ingot.Size
		feature ingot.ImageFeature
		want    string
		reason  catalog.Reason
		says    string
	}{
		{name: "debian-12", want: "debian-12.20261101"},
		{name: "debian", want: "debian-12.20261101"},
		{name: "debian-12.20261001", want: "debian-12.20261001"},
		{name: "debian-12.20261120", want: "debian-12.20261120", says: "is a preview"},
		{name: "debian-11.20260101", want: "debian-11.20260101", says: "is deprecated"},
		{name: "debian-11", reason: catalog.NotSupported, says: "it is deprecated, and had by its full name only"},
		{name: "debian-12.20261110", want: "debian-12.20261110", says: "expired at 2026-11-21T12:00:00Z and can be used until 2026-12-05T12:00:00Z"},
		{name: "debian-12.20260101", reason: catalog.Expired, says: "its 14 days of grace are over"},
		{name: "debian-13", reason: catalog.NotFound, says: "of debian there are debian-11.20260101; debian-12.20260101;"},
		{name: "plan9", reason: catalog.NotFound, says: "none whose name begins with it"},
		{name: "debian-1", reason: catalog.NotFound},
		{name: "debian-nfs", want: "debian-nfs-12.1"},
		{name: "Debian-12", reason: catalog.BadName},
		{name: "debian-12-", reason: catalog.BadName},
		{name: "ubuntu", want: "ubuntu-24.04.10"},
		{name: "ubuntu", size: sized("m1", ""), want: "ubuntu-24.04.9"},
		{name: "ubuntu", size: sized("g1-large", ""), want: "ubuntu-24.04.10"},
		{name: "ubuntu-24.04.10", size: sized("m1", ""), reason: catalog.NotForSize, says: "it is for the sizes g1-*, not for m1"},
		{name: "ubuntu-22.04", size: sized("g1-large", ">=24.4"), reason: catalog.NotForSize, says: "the size g1-large takes ubuntu >=24.4 only"},
		{name: "ubuntu-22", size: sized("g1-large", ">=24.4"), reason: catalog.NotForSize, says: "ubuntu-22.04: the size"},
		{name: "debian", size: sized("g1-large", ">=24.4"), want: "debian-12.20261101"},
		{name: "ubuntu", size: sized("g1-large", "broken"), reason: catalog.NotForSize, says: "wrong range of versions"},
		{name: "firewall", reason: catalog.NotForRole, says: "it makes no machine of a machine"},
		{name: "firewall-3", feature: ingot.ImageForFirewall, want: "firewall-3.0"},
		{name: "debian", feature: ingot.ImageForFirewall, reason: catalog.NoneUsable},
		{name: "rocky-9", want: "rocky-9"},
		{name: "rocky", want: "rocky-9.4"},
	} {
		feature := c.feature
		if feature == "" {
			feature = ingot.ImageForMachine
		}
		r, refusal := catalog.Resolve(images, c.name, c.size, feature, now)
		switch {
		case refusal == nil && (r.Image.Name != c.want || !strings.Contains(r.Warning, c.says) || (c.says == "") != (r.Warning == "")):
			t.Errorf("%s: %s, %q", c.name, r.Image.Name, r.Warning)
		case refusal != nil && (c.want != "" || refusal.Reason != c.reason || !strings.Contains(refusal.Message, c.says)):
			t.Errorf("%s: %s: %s", c.name, refusal.Reason, refusal.Message)
		}
	}
}

func TestShorthands(t *testing.T) {
	images := catalog.Read(shelf(), nil)
	for name, want := range map[string]string{
		"debian-12.20261101": "debian debian-12", "debian-12.20261001": "", "ubuntu-24.04.10": "ubuntu ubuntu-24 ubuntu-24.04", "ubuntu-22.04": "ubuntu-22", "firewall-3.0": "firewall firewall-3", "rocky-9": "", "rocky-9.4": "rocky",
	} {
		i := slices.IndexFunc(images, func(i catalog.Image) bool { return i.Name == name })
		if got := strings.Join(catalog.Shorthands(images, images[i], now), " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestPhases(t *testing.T) {
	for after, want := range map[time.Duration]catalog.Phase{-time.Nanosecond: catalog.Current, 0: catalog.Grace, 2*oneDay - 1: catalog.Grace, 2 * oneDay: catalog.Over, 900 * oneDay: catalog.Over} {
		i := catalog.Read([]ingot.Image{image("a", "1", expires(0, 2))}, nil)[0]
		if got, ends := i.PhaseAt(now.Add(after)); got != want || ends.IsZero() != (want == catalog.Over) {
			t.Errorf("%v after it expired: %s until %v", after, got, ends)
		}
	}
	i := catalog.Read([]ingot.Image{image("a", "1", func(s *ingot.ImageSpec) { s.ExpiresAt = ptr.To(metav1.NewTime(now)) })}, nil)[0]
	if got := i.GraceEnd(); !got.Equal(now.Add(14 * oneDay)) {
		t.Errorf("without days of its own the grace ends %v", got)
	}
}

// Whatever there is: the same answer in every order; of a shorthand no image that could be had is newer; and who asks for the full name of what a shorthand means gets it, without a warning.
func TestResolveGivesTheNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var objects []ingot.Image
		for range rapid.IntRange(0, 8).Draw(t, "images") {
			version := fmt.Sprint(rapid.IntRange(8, 11).Draw(t, "major"))
			for range rapid.IntRange(0, 2).Draw(t, "numbers") {
				version += fmt.Sprintf(".%d", rapid.IntRange(0, 11).Draw(t, "number"))
			}
			o := image("os", version, class(rapid.SampledFrom([]ingot.ImageClassification{ingot.ImageSupported, ingot.ImagePreview, ingot.ImageDeprecated, ""}).Draw(t, "class")))
			if rapid.Bool().Draw(t, "expires") {
				expires(time.Duration(rapid.IntRange(-20, 5).Draw(t, "days"))*oneDay, 10)(&o.Spec)
			}
			if !slices.ContainsFunc(objects, func(i ingot.Image) bool { return i.Name == o.Name }) {
				objects = append(objects, o)
			}
		}
		name := rapid.SampledFrom([]string{"os", "os-9", "os-10", "os-10.1"}).Draw(t, "name")
		r, refusal := catalog.Resolve(catalog.Read(objects, nil), name, nil, ingot.ImageForMachine, now)
		slices.Reverse(objects)
		images := catalog.Read(objects, nil)
		again, other := catalog.Resolve(images, name, nil, ingot.ImageForMachine, now)
		if r.Image.Name != again.Image.Name || (refusal == nil) != (other == nil) || refusal != nil && refusal.Message != other.Message {
			t.Fatalf("%s is %s, and in another order %s", name, r.Image.Name, again.Image.Name)
		}
		if refusal != nil || r.Image.Name == name {
			return
		}
		for _, i := range images {
			phase, _ := i.PhaseAt(now)
			usable := phase == catalog.Current && (i.Object.Spec.Classification == ingot.ImageSupported || i.Object.Spec.Classification == "")
			if usable && strings.HasPrefix(i.Name+".", name+".") && i.Version.Compare(r.Image.Version) > 0 {
				t.Fatalf("%s is %s, and %s is newer", name, r.Image.Name, i.Name)
			}
		}
		if whole, refusal := catalog.Resolve(images, r.Image.Name, nil, ingot.ImageForMachine, now); refusal != nil || whole.Image.Name != r.Image.Name || whole.Warning != "" {
			t.Fatalf("%s by its full name: %+v, %+v", r.Image.Name, whole, refusal)
		}
	})
}

func TestReadLeavesOut(t *testing.T) {
	wrong := image("debian", "12", nil)
	wrong.Name = "ubuntu-12"
	none := image("debian", "12", nil)
	none.Name = "debian"
	if all := catalog.Read([]ingot.Image{wrong, none}, nil); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"debian-12.20261101", "debian", "debian-nfs-12", "k8s-node-1.31.2", "a-1.2.3.4", "a-1.2.3.4.5", "a--1", "a-01", "1", "-", "debian-12-", "ubuntu-24.04", "A-1", "a-9999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		os, version, err := catalog.ParseName(name)
		if err != nil {
			return
		}
		if os == "" || len(version) > 4 || !strings.HasPrefix(name, os) || (version == nil) != (name == os) {
			t.Fatalf("%q: %q, %v", name, os, version)
		}
		if version == nil {
			return
		}
		// What is parsed is the same when it is written again.
		again, numbers, err := catalog.ParseName(os + "-" + version.String())
		if err != nil || again != os || numbers.Compare(version) != 0 {
			t.Fatalf("%q: %q %v, then %q %v, %v", name, os, version, again, numbers, err)
		}
	})
}
