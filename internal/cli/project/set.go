package project

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// unbounded is the word for no bound.
const unbounded = "any"

// most is the API's own bound of bounds.
const most = 1_000_000

// bound is a flag's value: a number, or any. It is nil for any.
type bound struct{ to *int32 }

// String implements pflag.Value.
func (b *bound) String() string {
	if b.to == nil {
		return ""
	}
	return strconv.Itoa(int(*b.to))
}

// Set implements pflag.Value.
func (b *bound) Set(text string) error {
	if text == unbounded {
		b.to = nil
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 || n > most {
		return fmt.Errorf("write a number from 0 to %d, or %s for no bound", most, unbounded)
	}
	value := int32(n)
	b.to = &value
	return nil
}

// Type implements pflag.Value.
func (*bound) Type() string { return "number" }

// limits are the flags, and where each of their values goes.
type limits struct {
	flag, help string
	value      bound
	of         func(*ingot.QuotaSpec) **int32
}

func allLimits() []*limits {
	return []*limits{
		{flag: "machines", help: "machines that may be held", of: func(q *ingot.QuotaSpec) **int32 { return &q.Machines }},
		{flag: "firewalls", help: "firewalls that may be held", of: func(q *ingot.QuotaSpec) **int32 { return &q.Firewalls }},
		{flag: "addresses", help: "addresses of both families together that may be held", of: func(q *ingot.QuotaSpec) **int32 { return &q.Addresses.Total }},
		{flag: "ipv4", help: "IPv4 addresses that may be held", of: func(q *ingot.QuotaSpec) **int32 { return &q.Addresses.IPv4 }},
		{flag: "ipv6", help: "IPv6 addresses that may be held", of: func(q *ingot.QuotaSpec) **int32 { return &q.Addresses.IPv6 }},
		{flag: "networks", help: "networks that may be held", of: func(q *ingot.QuotaSpec) **int32 { return &q.Networks }},
	}
}

func setCommand(s *session.Session) *cobra.Command {
	all := allLimits()
	c := &cobra.Command{
		Use: "set QUOTA", Short: "Set bounds of a quota of the namespace; it is made where it is not there", Args: cobra.ExactArgs(1),
		Long: "Sets the bounds that are given and leaves the others as they are. " + unbounded + " takes a bound away. In a tenant's own namespace the quota holds for all of its projects together. " +
			"What is held already when a bound shrinks is taken from nobody.",
		Example:           "  ingot quota set project -n acme-web --machines 10 --ipv4 32 --ipv6 " + unbounded + " --networks 2",
		ValidArgsFunction: complete.Name(s, &ingot.QuotaList{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := false
			for _, l := range all {
				given = given || cmd.Flags().Changed(l.flag)
			}
			if !given {
				return errors.New("nothing is to be set: give for example --machines 10, --ipv4 32 or --networks 2")
			}
			return set(cmd, s, args[0], func(spec *ingot.QuotaSpec) {
				if spec.Addresses == nil {
					spec.Addresses = &ingot.AddressQuota{}
				}
				for _, l := range all {
					if cmd.Flags().Changed(l.flag) {
						*l.of(spec) = l.value.to
					}
				}
				if *spec.Addresses == (ingot.AddressQuota{}) {
					spec.Addresses = nil
				}
			})
		},
	}
	for _, l := range all {
		c.Flags().Var(&l.value, l.flag, l.help+"; "+unbounded+": no bound")
	}
	return c
}

// set changes a quota's bounds, or makes it. The change is a patch of what is set: the controller role, which writes what is used, is never in its way.
func set(cmd *cobra.Command, s *session.Session, name string, change func(*ingot.QuotaSpec)) error {
	c, err := s.Client()
	if err != nil {
		return err
	}
	namespace, err := s.OneNamespace("quota")
	if err != nil {
		return err
	}
	q := &ingot.Quota{}
	err = c.Get(cmd.Context(), client.ObjectKey{Namespace: namespace, Name: name}, q)
	switch {
	case apierrors.IsNotFound(err):
		q = &ingot.Quota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		change(&q.Spec)
		err = c.Create(cmd.Context(), q)
	case err == nil:
		before := q.DeepCopy()
		change(&q.Spec)
		err = c.Patch(cmd.Context(), q, client.MergeFrom(before))
	default:
		return fmt.Errorf("read quota %s/%s: %w", namespace, name, err)
	}
	if err != nil {
		return fmt.Errorf("write quota %s/%s: %w", namespace, name, err)
	}
	return nil
}
