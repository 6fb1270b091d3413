// Package layout is `ingot layout`: whether a FilesystemLayout fits a host, and which one a host gets.
//
// It owns the two questions and how the answers are shown. It refuses decisions: package choice answers, as for the partition role. Nothing is changed and no machine is asked: a host's disks are those that inspection found.
package layout

import (
	"context"
	"errors"
	"fmt"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/filesystem/choice"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/journey"
)

// Command is `ingot layout`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:     "layout",
		Aliases: []string{"layouts", "fsl"},
		Short:   "Filesystem layouts, and whether they fit hosts",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddFlags(c)
	c.AddCommand(listCommand(s), explainCommand(s), tryCommand(s), matchCommand(s))
	return c
}

func tryCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "try LAYOUT HOST",
		Short: "Say disk by disk whether a layout fits a host, and whether the host would get it by its constraints",
		Args:  cobra.ExactArgs(2),

		ValidArgsFunction: completeBoth(s),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, h, err := load(cmd.Context(), s, args[1])
			if err != nil {
				return err
			}
			object := &ingot.FilesystemLayout{}
			if err := c.Get(cmd.Context(), client.ObjectKey{Name: args[0]}, object); err != nil {
				return fmt.Errorf("read FilesystemLayout %s: %w", args[0], err)
			}
			one, err := choice.From(object)
			if err != nil {
				return err
			}
			return try(s, format, one, choice.Of(h))
		},
	}
}

func try(s *session.Session, format print.Format, one choice.Layout, h choice.Host) error {
	if problems := filesystem.Check(one.Layout); len(problems) > 0 {
		return fmt.Errorf("the FilesystemLayout %s is wrong: %w", one.Name, problems)
	}
	if problems := filesystem.CheckForImage(one.Layout); journey.Method(h.Host) == ingot.DeployPartitionImage && len(problems) > 0 {
		return fmt.Errorf("the FilesystemLayout %s is none for the host's partition image: %w", one.Name, problems)
	}
	if len(h.Disks) == 0 {
		return errors.New("the host's disks are not known yet: try again when it was inspected")
	}
	fits := choice.Try(one.Layout, h)
	err := print.Objects(s.Out, format, fits, fits, []print.Column[choice.Fit]{
		{Header: "DISK", Cell: func(f choice.Fit) string { return f.Disk }},
		{Header: "GIB", Cell: func(f choice.Fit) string { return fmt.Sprint(f.SizeBytes >> 30) }},
		{Header: "LAYOUT", Cell: layoutCell},
		{Header: "HINTS", Cell: func(f choice.Fit) string {
			if f.Meant {
				return "mean this one"
			}
			return f.Hints
		}},
	})
	if err != nil || format.Structured() {
		return err
	}
	why := choice.Judge(one, h)
	text := "by its constraints it is for this host and image"
	if len(why) > 0 {
		text = "by its constraints it is not for this host and image: " + strings.Join(why, ", ")
	}
	if _, err = fmt.Fprintf(s.Out, "\n%s\n", text); err != nil {
		return err
	}
	for _, f := range fits {
		if f.Meant && f.Problem == "" {
			return nil
		}
	}
	return fmt.Errorf("the layout %s can't be used for this host as it stands", one.Name)
}

func layoutCell(f choice.Fit) string {
	if f.Problem != "" {
		return f.Problem
	}
	parts := make([]string, len(f.Plan))
	for i, p := range f.Plan {
		parts[i] = fmt.Sprintf("%s %d MiB", p.Name, p.SizeBytes>>20)
	}
	return "fits: " + strings.Join(parts, ", ")
}

func matchCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "match HOST",
		Short: "Say which layout a host gets for its image, and why not the others",
		Args:  cobra.ExactArgs(1),

		ValidArgsFunction: complete.Name(s, &metal3.BareMetalHostList{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, h, err := load(cmd.Context(), s, args[0])
			if err != nil {
				return err
			}
			var list ingot.FilesystemLayoutList
			if err := c.List(cmd.Context(), &list); err != nil {
				return fmt.Errorf("list FilesystemLayouts: %w", err)
			}
			all, err := choice.All(list.Items)
			if err != nil {
				return err
			}
			return match(s, format, all, h)
		},
	}
}

func match(s *session.Session, format print.Format, all []choice.Layout, h *metal3.BareMetalHost) error {
	name, problem, verdicts := choice.Choose(all, choice.Of(h))
	err := print.Objects(s.Out, format, verdicts, verdicts, []print.Column[choice.Verdict]{
		{Header: "LAYOUT", Cell: func(v choice.Verdict) string { return v.Name }},
		{Header: "FITS", Cell: func(v choice.Verdict) string {
			if len(v.Reasons) == 0 {
				return "yes"
			}
			return "no: " + strings.Join(v.Reasons, ", ")
		}},
	})
	if err != nil {
		return err
	}
	if _, why := choice.Settled(h); why != "" {
		if format.Structured() {
			return nil
		}
		_, err := fmt.Fprintf(s.Out, "\n%s\n", why)
		return err
	}
	if problem != "" {
		return errors.New(problem)
	}
	if format.Structured() {
		return nil
	}
	_, err = fmt.Fprintf(s.Out, "\nthe host gets the layout %s\n", name)
	return err
}

// completeBoth offers layouts and then hosts.
func completeBoth(s *session.Session) complete.Func {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			return complete.Names(s, &ingot.FilesystemLayoutList{})(cmd, nil, typed)
		case 1:
			return complete.Names(s, &metal3.BareMetalHostList{})(cmd, nil, typed)
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

func load(ctx context.Context, s *session.Session, name string) (client.Client, *metal3.BareMetalHost, error) {
	c, err := s.Client()
	if err != nil {
		return nil, nil, err
	}
	namespace, err := s.Namespace()
	if err != nil {
		return nil, nil, err
	}
	h := &metal3.BareMetalHost{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, h); err != nil {
		return nil, nil, fmt.Errorf("read host %s in namespace %q: %w", name, namespace, err)
	}
	return c, h, nil
}
