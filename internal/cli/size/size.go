// Package size is `ingot size`: the classes of machines, which one a host is of, and a new one made of a host.
//
// It owns the questions and how the answers are shown. It refuses decisions: package size answers, as for the controller. No machine is asked: a host's hardware is what inspection found.
package size

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/size"
)

// Command is `ingot size`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:     "size",
		Aliases: []string{"sizes"},
		Short:   "Look at the classes of machines, and make new ones of hosts",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddFlags(c)
	c.AddCommand(listCommand(s), getCommand(s), explainCommand(s), matchCommand(s), suggestCommand(s))
	return c
}

func listCommand(s *session.Session) *cobra.Command {
	n := list.Of("size", "sizes", func(l *ingot.SizeList) []ingot.Size { return l.Items }, columns)
	n.Cluster = true
	n.Empty = "`ingot size suggest HOST` makes one of a host"
	return n.Command(s)
}

func columns(now time.Time) []print.Column[ingot.Size] {
	type object = ingot.Size
	return []print.Column[object]{
		{Header: "NAME", Cell: func(o object) string { return o.Name }},
		{Header: "HOSTS", Cell: func(o object) string { return fmt.Sprint(o.Status.Hosts) }},
		{Header: "CORES", Cell: func(o object) string { return Bounds(&o, ingot.SizeCores) }},
		{Header: "MEMORY", Cell: func(o object) string { return Bounds(&o, ingot.SizeMemory) }},
		{Header: "DISKS", Cell: func(o object) string { return Bounds(&o, ingot.SizeDisks) }},
		{Header: "GPUS", Cell: func(o object) string { return Bounds(&o, ingot.SizeGPUs) }},
		{Header: "READY", Flag: "state", Cell: ready},
		{Header: "AGE", Wide: true, Cell: func(o object) string { return print.Duration(now.Sub(o.CreationTimestamp.Time)) },
			Order: print.ByTime(func(o object) time.Time { return o.CreationTimestamp.Time })},
		{Header: "DESCRIPTION", Wide: true, Cell: func(o object) string { return o.Spec.Description }},
	}
}

func ready(o ingot.Size) string {
	if c := meta.FindStatusCondition(o.Status.Conditions, "Ready"); c != nil {
		return c.Reason
	}
	return ""
}

// images are those of which machines of a size are made, where it bounds them.
func images(o *ingot.Size) string {
	var out []string
	for _, i := range o.Spec.ImageConstraints {
		out = append(out, strings.TrimSpace(i.Name+" "+i.Versions))
	}
	return strings.Join(out, ", ")
}

// Bounds are the constraints of a type in a few words.
func Bounds(o *ingot.Size, t ingot.SizeConstraintType) string {
	var out []string
	for _, c := range o.Spec.Constraints {
		if c.Type != t {
			continue
		}
		low, high := "", ""
		if c.Min != nil {
			low = c.Min.String()
		}
		if c.Max != nil {
			high = c.Max.String()
		}
		text := between(low, high)
		if c.MinCount != nil || c.MaxCount != nil {
			text = strings.TrimSpace(count(c) + " × " + cmp.Or(c.Medium, "disks") + " " + text)
		} else if t == ingot.SizeDisks {
			text = strings.TrimSpace(cmp.Or(c.Medium, "any") + " " + text)
		}
		if c.Identifier != "" {
			text += " " + c.Identifier
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func count(c ingot.SizeConstraint) string {
	low, high := "", ""
	if c.MinCount != nil {
		low = fmt.Sprint(*c.MinCount)
	}
	if c.MaxCount != nil {
		high = fmt.Sprint(*c.MaxCount)
	}
	return between(low, high)
}

func between(low, high string) string {
	switch {
	case low == high:
		return low
	case high == "":
		return low + " or more"
	case low == "":
		return "up to " + high
	}
	return low + " to " + high
}

func getCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:               "get NAME",
		Short:             "Show a size, and what overlaps with it",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.Name(s, &ingot.SizeList{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, err := s.Client()
			if err != nil {
				return err
			}
			o := &ingot.Size{}
			if err := c.Get(cmd.Context(), client.ObjectKey{Name: args[0]}, o); err != nil {
				return fmt.Errorf("read size %s: %w", args[0], err)
			}
			if format.Structured() {
				return print.Object(s.Out, format, o)
			}
			return show(s, o)
		},
	}
}

func show(s *session.Session, o *ingot.Size) error {
	var overlaps []string
	for _, v := range o.Status.Overlaps {
		overlaps = append(overlaps, v.Size+" (both match: "+v.Example+")")
	}
	message := ""
	if c := meta.FindStatusCondition(o.Status.Conditions, "Ready"); c != nil {
		message = c.Reason + ": " + c.Message
	}
	return print.Fields(s.Out,
		print.Field{Name: "Name", Value: o.Name},
		print.Field{Name: "Description", Value: o.Spec.Description},
		print.Field{Name: "Cores", Value: Bounds(o, ingot.SizeCores)},
		print.Field{Name: "Memory", Value: Bounds(o, ingot.SizeMemory)},
		print.Field{Name: "Disks", Value: cmp.Or(Bounds(o, ingot.SizeDisks), "none")},
		print.Field{Name: "GPUs", Value: cmp.Or(Bounds(o, ingot.SizeGPUs), "none")},
		print.Field{Name: "Images", Value: images(o)},
		print.Field{Name: "Hosts", Value: fmt.Sprint(o.Status.Hosts)},
		print.Field{Name: "State", Value: message},
		print.Field{Name: "Overlaps with", Value: strings.Join(overlaps, "; ")},
	)
}

func matchCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:               "match HOST",
		Short:             "Say which size a host is of, and why not the others",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.Name(s, &metal3.BareMetalHostList{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, h, err := hardware(cmd.Context(), s, args[0])
			if err != nil {
				return err
			}
			sizes, err := load(cmd.Context(), s, c)
			if err != nil {
				return err
			}
			return match(s, format, sizes, h)
		},
	}
}

func match(s *session.Session, format print.Format, sizes []size.Size, h size.Hardware) error {
	r := size.Match(sizes, h)
	err := print.Objects(s.Out, format, r, r.Verdicts, []print.Column[size.Verdict]{
		{Header: "SIZE", Cell: func(v size.Verdict) string { return v.Name }},
		{Header: "MATCHES", Cell: func(v size.Verdict) string {
			if len(v.Reasons) == 0 {
				return "yes"
			}
			return "no: " + strings.Join(v.Reasons, ", ")
		}},
	})
	if err != nil {
		return err
	}
	if !format.Structured() {
		fmt.Fprintf(s.Out, "\nthe host has %s\n", h.Words())
	}
	if r.Problem != "" {
		return errors.New(r.Problem)
	}
	if !format.Structured() {
		_, err = fmt.Fprintf(s.Out, "it is of the size %s\n", r.Name)
	}
	return err
}

func suggestCommand(s *session.Session) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "suggest HOST",
		Short: "Make a size of a host's hardware, for `ingot apply -f -`",
		Long: "Writes a Size that the host matches, as YAML (or JSON with -o json), and says beside it which sizes would overlap.\n" +
			"Nothing is stored: look at it, widen what may differ between machines of the class, and apply it.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.Name(s, &metal3.BareMetalHostList{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, h, err := hardware(cmd.Context(), s, args[0])
			if err != nil {
				return err
			}
			sizes, err := load(cmd.Context(), s, c)
			if err != nil {
				return err
			}
			return suggest(s, format, cmp.Or(name, nameFor(args[0])), sizes, h)
		},
	}
	c.Flags().StringVar(&name, "name", "", "the size's name (default: size-of-HOST)")
	return c
}

// nameFor is a name for the size of a host: it becomes the value of a label, and sizes' names have no dots.
func nameFor(host string) string {
	const most = 63
	name := "size-of-" + strings.ReplaceAll(host, ".", "-")
	return strings.TrimRight(name[:min(len(name), most)], "-")
}

// suggest writes the size to Out, and what is to be said of it to Err, so that the one can be applied.
func suggest(s *session.Session, format print.Format, name string, sizes []size.Size, h size.Hardware) error {
	made := size.Suggest(name, h)
	if why := made.Judge(h); len(why) > 0 {
		return fmt.Errorf("the size that was made of the host does not match it: %s", strings.Join(why, ", "))
	}
	if !format.Structured() {
		format = print.YAML
	}
	o := made.Object()
	// Not print.Object on the whole: an object that is to be applied has no status.
	content := map[string]any{"apiVersion": o.APIVersion, "kind": o.Kind, "metadata": map[string]any{"name": o.Name}, "spec": o.Spec}
	if err := print.Object(s.Out, format, content); err != nil {
		return err
	}
	fmt.Fprintf(s.Err, "the host matches it: %s\n", h.Words())
	if r := size.Match(sizes, h); r.Name != "" {
		fmt.Fprintf(s.Err, "it is of the size %s already\n", r.Name)
	}
	for _, v := range size.Overlaps(append([]size.Size{made}, sizes...)) {
		switch made.Name {
		case v.A:
			fmt.Fprintf(s.Err, "it would overlap with %s: narrow one of them\n", v.B)
		case v.B:
			fmt.Fprintf(s.Err, "it would overlap with %s: narrow one of them\n", v.A)
		}
	}
	return nil
}

// load reads all sizes, and tells of those without a meaning.
func load(ctx context.Context, s *session.Session, c client.Client) ([]size.Size, error) {
	var all ingot.SizeList
	if err := c.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("list sizes: %w", err)
	}
	sizes, problems := size.All(all.Items)
	for _, p := range problems {
		fmt.Fprintf(s.Err, "left out: %v\n", p)
	}
	return sizes, nil
}

// hardware is what is known of a host.
func hardware(ctx context.Context, s *session.Session, name string) (client.Client, size.Hardware, error) {
	c, err := s.Client()
	if err != nil {
		return nil, size.Hardware{}, err
	}
	namespace, err := s.Namespace()
	if err != nil {
		return nil, size.Hardware{}, err
	}
	key := client.ObjectKey{Namespace: namespace, Name: name}
	data, record := &metal3.HardwareData{}, &ingot.HostLifecycle{}
	if err := c.Get(ctx, key, data); err != nil {
		return nil, size.Hardware{}, fmt.Errorf("read what inspection found of host %s in namespace %q: %w", name, namespace, err)
	}
	if err := c.Get(ctx, key, record); client.IgnoreNotFound(err) != nil {
		return nil, size.Hardware{}, fmt.Errorf("read the record of host %s: %w", name, err)
	}
	h, known := size.Of(data.Spec.HardwareDetails, record.Status.Hardware)
	if !known {
		return nil, size.Hardware{}, fmt.Errorf("the hardware of host %s is not known: it has neither processors nor memory; try again when it was inspected", name)
	}
	return c, h, nil
}
