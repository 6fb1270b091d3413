package catalog

import (
	"fmt"
	"slices"
	"strings"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/filesystem/choice"
	"github.com/ingotmetal/ingot/wildcard"
)

// Reason says in a word why an image cannot be had; it is the reason of conditions.
type Reason string

// The reasons.
const (
	BadName      Reason = "BadName"
	NotFound     Reason = "NotFound"
	Expired      Reason = "Expired"
	NotSigned    Reason = "NotSigned"
	NotSupported Reason = "NotSupported"
	NotForSize   Reason = "NotForSize"
	NotForRole   Reason = "NotForRole"
	// NoneUsable: a shorthand's images are refused for different reasons.
	NoneUsable Reason = "NoneUsable"
)

// Resolution is an image that may be had.
type Resolution struct {
	Image Image
	// Warning is what speaks against it; empty: nothing.
	Warning string
}

// Refusal says why no image may be had. It can end by itself in no case: somebody must change an image, a size or the name.
type Refusal struct {
	Reason  Reason
	Message string
	// Verdicts are the images of that name, newest first.
	Verdicts []Verdict
}

// Verdict is what became of one image. Reason is empty for one that may be had.
type Verdict struct {
	Name    string `json:"name"`
	Reason  Reason `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Resolve gives the image that a full name or a shorthand means for a machine of a size (nil: it is not known yet, and nothing is held against it) and a feature, or a refusal. A full name means its image alone,
// although images of longer versions begin with it.
func Resolve(images []Image, name string, size *ingot.Size, feature ingot.ImageFeature, now time.Time) (Resolution, *Refusal) {
	os, short, err := ParseName(name)
	if err != nil {
		return Resolution{}, &Refusal{Reason: BadName, Message: err.Error()}
	}
	if i := slices.IndexFunc(images, func(i Image) bool { return i.Name == name }); i >= 0 {
		v, warning := judge(images[i], size, feature, now, true)
		if v.Reason != "" {
			return Resolution{}, &Refusal{v.Reason, fmt.Sprintf("the image %s cannot be used: %s", name, v.Message), []Verdict{v}}
		}
		return Resolution{images[i], warning}, nil
	}
	var candidates []Image
	for _, i := range images {
		if i.OS == os && begins(i.Version, short) {
			candidates = append(candidates, i)
		}
	}
	slices.SortFunc(candidates, newer)
	var verdicts []Verdict
	for _, i := range candidates {
		v, warning := judge(i, size, feature, now, false)
		if v.Reason == "" {
			return Resolution{i, warning}, nil
		}
		verdicts = append(verdicts, v)
	}
	return Resolution{}, refuse(images, name, os, verdicts)
}

// refuse says why a shorthand means nothing.
func refuse(images []Image, name, os string, verdicts []Verdict) *Refusal {
	if len(verdicts) == 0 {
		var others []string
		for _, i := range images {
			if i.OS == os {
				others = append(others, i.Name)
			}
		}
		slices.Sort(others)
		message := fmt.Sprintf("there is no image %s, and none whose name begins with it: `ingot image list` shows all", name)
		if len(others) > 0 {
			message = fmt.Sprintf("there is no image %s; of %s there are %s", name, os, few(others))
		}
		return &Refusal{Reason: NotFound, Message: message}
	}
	reason, why := verdicts[0].Reason, []string(nil)
	for _, v := range verdicts {
		if v.Reason != reason {
			reason = NoneUsable
		}
		why = append(why, v.Name+": "+v.Message)
	}
	return &Refusal{reason, fmt.Sprintf("no image can be used for the shorthand %s: %s", name, few(why)), verdicts}
}

// few is a list of texts, or its beginning.
func few(all []string) string {
	const most = 5
	if more := len(all) - most; more > 0 {
		all = append(slices.Clone(all[:most]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, "; ")
}

// judge says whether a machine may have an image; whole: it was asked for by its full name.
func judge(i Image, size *ingot.Size, feature ingot.ImageFeature, now time.Time, whole bool) (v Verdict, warning string) {
	v.Name = i.Name
	say := func(r Reason, format string, args ...any) (Verdict, string) {
		v.Reason, v.Message = r, fmt.Sprintf(format, args...)
		return v, ""
	}
	if i.Untrusted != "" {
		return say(NotSigned, "%s", i.Untrusted)
	}
	phase, ends := i.PhaseAt(now)
	class := i.Object.Spec.Classification
	switch {
	case phase == Over:
		return say(Expired, "it expired at %s, and its %d days of grace are over: use a newer one", day(i.Object.Spec.ExpiresAt.Time), int(i.GraceEnd().Sub(i.Object.Spec.ExpiresAt.Time).Hours()/24))
	case phase == Grace && !whole:
		return say(Expired, "it expired at %s; until %s it is had by its full name", day(i.Object.Spec.ExpiresAt.Time), day(ends))
	case class != ingot.ImageSupported && class != "" && !whole:
		return say(NotSupported, "it is %s, and had by its full name only", class)
	}
	if !slices.Contains(features(i.Object), feature) {
		return say(NotForRole, "it makes no %s of a machine (spec.features: %v)", feature, features(i.Object))
	}
	if problem := forSize(i, size); problem != "" {
		return say(NotForSize, "%s", problem)
	}
	switch {
	case phase == Grace:
		warning = fmt.Sprintf("the image %s expired at %s and can be used until %s: use a newer one", i.Name, day(i.Object.Spec.ExpiresAt.Time), day(ends))
	case class == ingot.ImageDeprecated:
		warning = fmt.Sprintf("the image %s is deprecated: use a newer one", i.Name)
	case class == ingot.ImagePreview:
		warning = fmt.Sprintf("the image %s is a preview", i.Name)
	}
	return v, warning
}

func features(o *ingot.Image) []ingot.ImageFeature {
	if len(o.Spec.Features) == 0 {
		return []ingot.ImageFeature{ingot.ImageForMachine}
	}
	return o.Spec.Features
}

// forSize says why an image is not for a size, by the image's word and by the size's.
func forSize(i Image, size *ingot.Size) string {
	if size == nil {
		return ""
	}
	if c := i.Object.Spec.SizeConstraints; len(c) > 0 && !wildcard.MatchAny(c, size.Name) {
		return fmt.Sprintf("it is for the sizes %s, not for %s", strings.Join(c, ", "), size.Name)
	}
	for _, c := range size.Spec.ImageConstraints {
		if c.Name != i.OS {
			continue
		}
		r, err := choice.ParseRange(c.Versions)
		if err != nil {
			return fmt.Sprintf("the size %s has a wrong range of versions: %v", size.Name, err)
		}
		if !r.Holds(i.Version) {
			return fmt.Sprintf("the size %s takes %s %s only", size.Name, c.Name, c.Versions)
		}
	}
	return ""
}

func day(t time.Time) string { return t.UTC().Format(time.RFC3339) }
