package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/catalog"
	"github.com/ingotmetal/ingot/internal/cli/explain"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

func explainCommand(s *session.Session) *cobra.Command {
	return explain.Kind[*ingot.Image]{
		Noun: "image", Short: "Say by which names an image is had and until when, for which sizes, who has it, and why not", Cluster: true,
		New: func() *ingot.Image { return &ingot.Image{} }, List: &ingot.ImageList{}, Tell: tell,
	}.Command(s)
}

// around is what is to be known beside an image.
type around struct {
	images   []ingot.Image
	trusts   []ingot.ImageTrust
	sizes    []ingot.Size
	machines []ingot.Machine
	// unseen is what who asks may not read.
	unseen string
}

func tell(ctx context.Context, c client.Client, o *ingot.Image) (explain.Answer, error) {
	var images ingot.ImageList
	var trusts ingot.ImageTrustList
	var sizes ingot.SizeList
	var machines ingot.MachineList
	unseen, err := explain.Lists(ctx, c, "", map[string]client.ObjectList{"images": &images, "the keys that are trusted": &trusts, "sizes": &sizes, "machines": &machines})
	if err != nil {
		return explain.Answer{}, err
	}
	return answer(o, around{images.Items, trusts.Items, sizes.Items, machines.Items, unseen}, time.Now()), nil
}

// answer is a pure function of what was read.
func answer(o *ingot.Image, by around, now time.Time) explain.Answer {
	a := explain.Answer{Subject: "image " + o.Name, State: explain.Stands(o.Status.Conditions, ingot.ImageReady)}
	all := catalog.Read(by.images, by.trusts)
	n := slices.IndexFunc(all, func(i catalog.Image) bool { return i.Name == o.Name })
	if n < 0 {
		a.Help("name it by its operating system and version: this name has no meaning")
		return a
	}
	image := all[n]
	feature := image.Feature()
	a.Say("Makes", string(feature))
	a.Say("Time", phase(image, now))
	a.Say("Signed by", image.SignedBy)
	a.Say("Not trusted", image.Untrusted)
	if _, refusal := catalog.Resolve(all, o.Name, nil, feature, now); refusal != nil {
		a.Say("Its own name", refusal.Message)
	} else {
		a.Say("Its own name", "is had")
	}
	for _, name := range image.Shorter() {
		a.Say("The name "+name, meant(all, image, name, feature, now))
	}
	a.Say("Machines", explain.Few(holders(o.Name, by.machines)))
	a.Say("Not seen", by.unseen)
	for i := range by.sizes {
		size := &by.sizes[i]
		if _, refusal := catalog.Resolve(all, o.Name, size, feature, now); refusal != nil {
			a.Judge("size "+size.Name, false, refusal.Message)
		} else {
			a.Judge("size "+size.Name, true, "it can be had for machines of it")
		}
	}
	helps(&a, image, now)
	return a
}

// phase says where an image is in its time.
func phase(i catalog.Image, now time.Time) string {
	phase, ends := i.PhaseAt(now)
	switch {
	case phase == catalog.Over:
		return fmt.Sprintf("over: it expired, and its days of grace ended at %s", i.GraceEnd().UTC().Format(time.RFC3339))
	case phase == catalog.Grace:
		return fmt.Sprintf("it expired; until %s it is had by its full name", ends.UTC().Format(time.RFC3339))
	case ends.IsZero():
		return "it does not expire"
	}
	return fmt.Sprintf("it expires at %s", ends.UTC().Format(time.RFC3339))
}

// meant says what a shorter name means now.
func meant(all []catalog.Image, image catalog.Image, name string, feature ingot.ImageFeature, now time.Time) string {
	switch r, refusal := catalog.Resolve(all, name, nil, feature, now); {
	case refusal != nil:
		return "means nothing: " + refusal.Message
	case r.Image.Name == image.Name:
		return "means this image"
	default:
		return "means " + r.Image.Name
	}
}

// holders are the machines that were installed with an image.
func holders(name string, machines []ingot.Machine) []string {
	var out []string
	for i := range machines {
		if m := &machines[i]; m.Status.Image != nil && m.Status.Image.Name == name {
			out = append(out, m.Namespace+"/"+m.Name)
		}
	}
	slices.Sort(out)
	return out
}

func helps(a *explain.Answer, i catalog.Image, now time.Time) {
	phase, _ := i.PhaseAt(now)
	switch {
	case i.Untrusted != "":
		a.Help("sign it with a key of an ImageTrust that is for it, and write the signature into spec.signature")
	case phase != catalog.Current:
		a.Help("make a newer version of it, or move spec.expiresAt")
	case i.Object.Spec.Classification == ingot.ImagePreview || i.Object.Spec.Classification == ingot.ImageDeprecated:
		a.Help("it is %s: a shorter name means it only once spec.classification is supported", strings.ToLower(string(i.Object.Spec.Classification)))
	}
}
