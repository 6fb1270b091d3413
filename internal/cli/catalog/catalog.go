// Package catalog is the half of `ingot image` that looks: the images of the catalog, and which one a name means.
//
// It owns the questions and how the answers are shown. It refuses decisions: package catalog answers, as for the controllers. The other half of the noun builds images and needs no API server.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/catalog"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// Add hangs the commands into `ingot image`. Each has the session's flags itself, since those that build have flags of the same names with another meaning.
func Add(image *cobra.Command, s *session.Session) {
	for _, c := range []*cobra.Command{listCommand(s), getCommand(s), explainCommand(s), resolveCommand(s)} {
		s.AddFlags(c)
		image.AddCommand(c)
	}
}

func listCommand(s *session.Session) *cobra.Command {
	n := list.Of("image", "images", func(l *ingot.ImageList) []ingot.Image { return l.Items }, columns)
	n.Cluster = true
	n.Empty = "examples/image.yaml of Ingot's source has one"
	return n.Command(s)
}

func columns(now time.Time) []print.Column[ingot.Image] {
	type object = ingot.Image
	return []print.Column[object]{
		{Header: "NAME", Cell: func(o object) string { return o.Name }},
		{Header: "OS", Wide: true, Flag: "os", Cell: func(o object) string { return o.Spec.OS }},
		{Header: "CLASS", Flag: "class", Cell: func(o object) string { return string(o.Spec.Classification) }},
		{Header: "FOR", Flag: "feature", Cell: func(o object) string { return words(o.Spec.Features) }},
		{Header: "EXPIRES", Cell: func(o object) string { return expires(o, now) }},
		{Header: "STATE", Flag: "state", Cell: func(o object) string { return reason(o, ingot.ImageReady) }},
		{Header: "SIGNED", Cell: func(o object) string { return reason(o, ingot.ImageSigned) }},
		{Header: "MACHINES", Cell: func(o object) string { return fmt.Sprint(o.Status.Machines) }},
		{Header: "MEANT BY", Cell: func(o object) string { return strings.Join(o.Status.Shorthands, " ") }},
		{Header: "URL", Wide: true, Cell: func(o object) string { return o.Spec.URL }},
	}
}

func words(all []ingot.ImageFeature) string {
	out := make([]string, len(all))
	for i, f := range all {
		out[i] = string(f)
	}
	return strings.Join(out, ",")
}

func expires(o ingot.Image, now time.Time) string {
	if o.Spec.ExpiresAt == nil {
		return "never"
	}
	if left := o.Spec.ExpiresAt.Sub(now); left > 0 {
		return "in " + print.Duration(left)
	}
	return print.Duration(now.Sub(o.Spec.ExpiresAt.Time)) + " ago"
}

func reason(o ingot.Image, condition string) string {
	if c := meta.FindStatusCondition(o.Status.Conditions, condition); c != nil {
		return c.Reason
	}
	return ""
}

func getCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:               "get NAME",
		Short:             "Show an image of the catalog",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.Name(s, &ingot.ImageList{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, err := s.Client()
			if err != nil {
				return err
			}
			o := &ingot.Image{}
			if err := c.Get(cmd.Context(), client.ObjectKey{Name: args[0]}, o); err != nil {
				return fmt.Errorf("read image %s: %w; `ingot image resolve` takes shorthands", args[0], err)
			}
			if format.Structured() {
				return print.Object(s.Out, format, o)
			}
			return show(s, o)
		},
	}
}

func show(s *session.Session, o *ingot.Image) error {
	says := func(condition string) string {
		if c := meta.FindStatusCondition(o.Status.Conditions, condition); c != nil {
			return c.Reason + ": " + c.Message
		}
		return ""
	}
	return print.Fields(s.Out,
		print.Field{Name: "Name", Value: o.Name},
		print.Field{Name: "Description", Value: o.Spec.Description},
		print.Field{Name: "URL", Value: o.Spec.URL},
		print.Field{Name: "Digest", Value: o.Spec.Digest},
		print.Field{Name: "Format", Value: string(o.Spec.Format)},
		print.Field{Name: "Class", Value: string(o.Spec.Classification)},
		print.Field{Name: "For", Value: words(o.Spec.Features)},
		print.Field{Name: "Sizes", Value: strings.Join(o.Spec.SizeConstraints, ", ")},
		print.Field{Name: "Expires", Value: expires(*o, metav1.Now().Time)},
		print.Field{Name: "State", Value: says(ingot.ImageReady)},
		print.Field{Name: "Signed", Value: says(ingot.ImageSigned)},
		print.Field{Name: "Meant by", Value: strings.Join(o.Status.Shorthands, ", ")},
		print.Field{Name: "Machines", Value: fmt.Sprint(o.Status.Machines)},
	)
}

// question is what resolve was asked for.
type question struct {
	size, role string
}

func resolveCommand(s *session.Session) *cobra.Command {
	var q question
	c := &cobra.Command{
		Use:   "resolve NAME",
		Short: "Say which image a name or shorthand means now, or why none",
		Long: "Answers what a machine would get that asks for this name: the image of exactly that name, or the newest supported one that it is the beginning of.\n" +
			"With --size, what the size and the images say of each other counts too.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.Name(s, &ingot.ImageList{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, err := s.Client()
			if err != nil {
				return err
			}
			return q.answer(cmd.Context(), s, c, format, args[0])
		},
	}
	c.Flags().StringVar(&q.size, "size", "", "the machine's size")
	c.Flags().StringVar(&q.role, "role", string(ingot.ImageForMachine), "machine or firewall")
	return c
}

func (q question) answer(ctx context.Context, s *session.Session, c client.Client, format print.Format, name string) error {
	if f := ingot.ImageFeature(q.role); f != ingot.ImageForMachine && f != ingot.ImageForFirewall {
		return fmt.Errorf("--role %q: write %s or %s", q.role, ingot.ImageForMachine, ingot.ImageForFirewall)
	}
	var images ingot.ImageList
	var trusts ingot.ImageTrustList
	for _, l := range []client.ObjectList{&images, &trusts} {
		if err := c.List(ctx, l); err != nil {
			return fmt.Errorf("read the catalog of images: %w", err)
		}
	}
	var size *ingot.Size
	if q.size != "" {
		size = &ingot.Size{}
		if err := c.Get(ctx, client.ObjectKey{Name: q.size}, size); err != nil {
			return fmt.Errorf("read size %s: %w", q.size, err)
		}
	}
	r, refusal := catalog.Resolve(catalog.Read(images.Items, trusts.Items), name, size, ingot.ImageFeature(q.role), time.Now())
	if refusal != nil {
		return errors.New(refusal.Message)
	}
	if r.Warning != "" {
		fmt.Fprintln(s.Err, "warning:", r.Warning)
	}
	if format.Structured() {
		return print.Object(s.Out, format, r.Image.Object)
	}
	o := r.Image.Object
	return print.Fields(s.Out,
		print.Field{Name: "Image", Value: o.Name}, print.Field{Name: "URL", Value: o.Spec.URL}, print.Field{Name: "Digest", Value: o.Spec.Digest}, print.Field{Name: "Signed by", Value: r.Image.SignedBy},
	)
}
