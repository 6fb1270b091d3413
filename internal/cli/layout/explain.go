package layout

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/filesystem/choice"
	"github.com/ingotmetal/ingot/internal/cli/explain"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

func explainCommand(s *session.Session) *cobra.Command {
	return explain.Kind[*ingot.FilesystemLayout]{
		Noun: "layout", Short: "Say of every host that has an image whether it gets a layout, or why not, and whether it fits its disk", Cluster: true,
		New: func() *ingot.FilesystemLayout { return &ingot.FilesystemLayout{} }, List: &ingot.FilesystemLayoutList{}, Tell: tell,
	}.Command(s)
}

func tell(ctx context.Context, c client.Client, o *ingot.FilesystemLayout) (explain.Answer, error) {
	var layouts ingot.FilesystemLayoutList
	var hosts metal3.BareMetalHostList
	for _, l := range []client.ObjectList{&layouts, &hosts} {
		if err := c.List(ctx, l); err != nil {
			return explain.Answer{}, fmt.Errorf("which hosts get layout %s rests on all hosts and layouts: %w", o.Name, err)
		}
	}
	return answer(o, layouts.Items, hosts.Items), nil
}

// answer is a pure function of what was read.
func answer(o *ingot.FilesystemLayout, layouts []ingot.FilesystemLayout, hosts []metal3.BareMetalHost) explain.Answer {
	a := explain.Answer{Subject: "layout " + o.Name, State: "it can be used"}
	one, err := choice.From(o)
	if err != nil {
		a.State = err.Error()
		a.Help("`ingot edit layout %s`", o.Name)
		return a
	}
	if problems := filesystem.Check(one.Layout); len(problems) > 0 {
		a.State = "it is wrong: " + problems.Error()
		a.Help("`ingot edit layout %s`", o.Name)
		return a
	}
	var parts []string
	for _, p := range one.Layout.Partitions {
		parts = append(parts, p.Name)
	}
	a.Say("Partitions", strings.Join(parts, ", "))
	if problems := filesystem.CheckForImage(one.Layout); len(problems) > 0 {
		a.Say("Partition images", "it is none for them: "+problems.Error())
	}
	all, err := choice.All(layouts)
	if err != nil {
		a.Say("Other layouts", err.Error())
		all = []choice.Layout{one}
	}
	for i := range hosts {
		h := &hosts[i]
		if h.Spec.Image == nil && h.Annotations[ingot.LayoutAnnotation] == "" {
			a.Judge(h.Namespace+"/"+h.Name, false, "it has no image, whose name counts")
			continue
		}
		gets, why := judge(one, all, h)
		a.Judge(h.Namespace+"/"+h.Name, gets, why)
	}
	return a
}

// judge says whether a host gets the layout, and whether that fits the disk that is meant.
func judge(one choice.Layout, all []choice.Layout, h *metal3.BareMetalHost) (bool, string) {
	of := choice.Of(h)
	switch name, why := choice.Settled(h); {
	case why != "" && name != one.Name:
		return false, why
	case why == "":
		if why := choice.Judge(one, of); len(why) > 0 {
			return false, strings.Join(why, ", ")
		}
		if name, problem, _ := choice.Choose(all, of); name != one.Name {
			if problem == "" {
				problem = "it gets " + name
			}
			return false, problem
		}
	}
	fits := choice.Try(one.Layout, of)
	n := slices.IndexFunc(fits, func(f choice.Fit) bool { return f.Meant })
	switch {
	case len(of.Disks) == 0:
		return true, "gets it; its disks are not known yet"
	case n < 0:
		return false, "none of its disks is meant: " + fits[0].Hints
	case fits[n].Problem != "":
		return false, "it would not fit: " + fits[n].Problem
	}
	return true, "gets it, and it fits"
}
