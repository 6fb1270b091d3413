package firewall

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
	"github.com/ingotmetal/ingot/firewall/replace"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/one"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// Replacing is what is asked for: a machine in place of the one that is there, or with Cancel that the one which is about to come is given back.
type Replacing struct {
	// Image and Size are others than the spec's; Host is the host to have, as NAMESPACE/NAME; empty: as it is.
	Image, Size, Host string
	// Reason is for events and whoever looks.
	Reason string
	Cancel bool
}

// replacing are the flags of `replace`.
type replacing struct {
	Replacing
	wait    bool
	timeout time.Duration
}

func replaceCommand(s *session.Session) *cobra.Command {
	var o replacing
	c := kind().Command(s, "replace FIREWALL", "Replace a firewall's machine by another one, which takes the addresses over once it is healthy", func(cmd *cobra.Command, name string) error {
		c, f, err := kind().Read(cmd.Context(), s, name)
		if err != nil {
			return err
		}
		before := f.DeepCopy()
		if err := o.Change(f, time.Now()); err != nil {
			return err
		}
		if err := c.Patch(cmd.Context(), f, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("ask for the replacement of %s/%s: %w", f.Namespace, f.Name, err)
		}
		if o.Cancel {
			fmt.Fprintf(s.Err, "the replacement of %s/%s by %s is cancelled\n", f.Namespace, f.Name, f.Spec.CancelReplacement)
		} else {
			fmt.Fprintf(s.Err, "the machine of %s/%s is replaced by one with %s\n", f.Namespace, f.Name, f.Spec.Machine.Image)
		}
		if !o.wait {
			return nil
		}
		return o.await(cmd.Context(), s, c, f)
	})
	f := c.Flags()
	f.StringVar(&o.Image, "image", "", "another image; without it what spec.machine.image means now")
	f.StringVar(&o.Size, "size", "", "another size")
	f.StringVar(&o.Host, "host", "", "the host to have, as NAMESPACE/NAME; needed where the firewall names its host")
	f.StringVar(&o.Reason, "reason", "", "why, for events and whoever looks")
	f.BoolVar(&o.Cancel, "cancel", false, "give the new machine back, and stay with the earlier one")
	f.BoolVar(&o.wait, "wait", false, "wait until the new machine serves and the earlier one is given back")
	f.DurationVar(&o.timeout, "timeout", 2*time.Hour, "with --wait: give up waiting after this time; the replacement goes on")
	cobra.CheckErr(c.RegisterFlagCompletionFunc("image", complete.Names(s, &ingot.ImageList{})))
	cobra.CheckErr(c.RegisterFlagCompletionFunc("size", complete.Names(s, &ingot.SizeList{})))
	return c
}

// Change writes into the spec what is asked for. The error says why that cannot be, and what to do.
func (o Replacing) Change(f *ingot.Firewall, now time.Time) error {
	x := f.Status.Replacement
	if o.Cancel {
		if o.Image+o.Size+o.Host+o.Reason != "" {
			return errors.New("--cancel: it goes with no other flag but --wait")
		}
		if x == nil {
			return fmt.Errorf("no replacement of %s/%s is under way", f.Namespace, f.Name)
		}
		if x.Phase == string(replace.Releasing) {
			return fmt.Errorf("the new machine %s of %s/%s serves already, and the earlier one is being wiped: it is too late to cancel", x.Machine, f.Namespace, f.Name)
		}
		f.Spec.CancelReplacement = x.Machine
		return nil
	}
	if x != nil {
		return fmt.Errorf("%s/%s is being replaced by %s since %s: wait for it, or cancel it with --cancel", f.Namespace, f.Name, x.Machine, x.Began.UTC().Format(time.RFC3339))
	}
	switch {
	case o.Size != "" && o.Host != "":
		return errors.New("--size: name a size or a host, and not both")
	case o.Size != "":
		f.Spec.Machine.Size, f.Spec.Machine.Host = o.Size, nil
	case o.Host != "":
		space, host, ok := strings.Cut(o.Host, "/")
		if !ok {
			return fmt.Errorf("--host %s: write it as NAMESPACE/NAME", o.Host)
		}
		f.Spec.Machine.Host, f.Spec.Machine.Size = &ingot.MachineHost{Namespace: space, Name: host}, ""
	}
	if h := f.Spec.Machine.Host; h != nil && f.Status.Host != nil && *h == *f.Status.Host {
		return fmt.Errorf("%s/%s names its host, %s/%s, which it has: name another one with --host, or a size with --size", f.Namespace, f.Name, h.Namespace, h.Name)
	}
	if o.Image != "" {
		f.Spec.Machine.Image = o.Image
	}
	f.Spec.ReplaceRequest = now.UTC().Format(time.RFC3339Nano)
	if o.Reason != "" {
		f.Spec.ReplaceRequest += " " + o.Reason
	}
	return nil
}

func (o replacing) await(ctx context.Context, s *session.Session, c client.WithWatch, f *ingot.Firewall) error {
	goal := o.goal(f.Spec.ReplaceRequest)
	_, err := kind().Await(ctx, s, c, f, Stage, goal, o.timeout)
	return err
}

// goal is that the request is fulfilled, or that the replacement is given up where that was asked for.
func (o replacing) goal(request string) one.Goal[*ingot.Firewall] {
	return func(f *ingot.Firewall) (bool, string) {
		switch {
		case f == nil:
			return false, "the firewall is gone"
		case f.Status.Replacement != nil:
			return false, ""
		case o.Cancel:
			return true, ""
		case f.Status.ReplaceRequest == request:
			return true, ""
		}
		if x := meta.FindStatusCondition(f.Status.Conditions, ingot.FirewallReplacedCondition); x != nil && x.Status == metav1.ConditionFalse && x.Reason == string(replace.GivenUp) && x.ObservedGeneration == f.Generation {
			return false, x.Message
		}
		return false, ""
	}
}

// Stage is how far a replacement is, in a line.
func Stage(f *ingot.Firewall) string {
	if x := meta.FindStatusCondition(f.Status.Conditions, ingot.FirewallReplacedCondition); x != nil {
		return x.Message
	}
	return "waiting"
}

// replacement is a cell of a list: how far, by what, since when.
func replacement(f ingot.Firewall, now time.Time) string {
	x := f.Status.Replacement
	if x == nil {
		return ""
	}
	return fmt.Sprintf("%s by %s since %s", x.Phase, x.Machine, now.Sub(x.Began.Time).Round(time.Second))
}
