package ip

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// order are the flags of `allocate`.
type order struct {
	network, address, family string
	static, wait             bool
	tags                     []string
	timeout                  time.Duration
}

func allocateCommand(s *session.Session) *cobra.Command {
	var o order
	c := &cobra.Command{
		Use: "allocate IP --network NETWORK", Short: "Ask for an address of a network", Aliases: []string{"create"}, Args: cobra.ExactArgs(1),
		Example: "  ingot ip allocate www --network internet/public --static --wait\n  ingot ip allocate db --network backend --address 10.8.0.5 --tag db",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.Client()
			if err != nil {
				return err
			}
			namespace, err := s.OneNamespace("IP")
			if err != nil {
				return err
			}
			made := o.ip(namespace, args[0])
			if err := c.Create(cmd.Context(), made); err != nil {
				return fmt.Errorf("make IP %s/%s: %w", namespace, args[0], err)
			}
			if !o.wait {
				fmt.Fprintf(s.Err, "IP %s/%s is asked for: `ingot ip get %s -n %s` shows its address\n", namespace, args[0], args[0], namespace)
				return nil
			}
			got, err := kind().Await(cmd.Context(), s, c, made, waits, given, o.timeout)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(s.Out, got.Status.Address)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.network, "network", "", "network as NAME or NAMESPACE/NAME")
	f.StringVar(&o.address, "address", "", "the address and no other")
	f.StringVar(&o.family, "family", "", "IPv4 or IPv6; without it the network's, IPv4 where it has both")
	f.BoolVar(&o.static, "static", false, "keep it when what uses it goes")
	f.StringSliceVar(&o.tags, "tag", nil, "word to find it by; may be repeated")
	f.BoolVar(&o.wait, "wait", false, "wait until it has an address, and print that alone")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "with --wait: give up after this time")
	cobra.CheckErr(c.MarkFlagRequired("network"))
	cobra.CheckErr(c.RegisterFlagCompletionFunc("network", complete.Names(s, &ingot.NetworkList{})))
	cobra.CheckErr(c.RegisterFlagCompletionFunc("family", cobra.FixedCompletions([]string{string(ingot.IPv4), string(ingot.IPv6)}, cobra.ShellCompDirectiveNoFileComp)))
	return c
}

// ip is the object that the flags mean.
func (o order) ip(namespace, name string) *ingot.IP {
	made := &ingot.IP{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	made.Spec = ingot.IPSpec{Network: ingot.NetworkReference{Name: o.network}, Address: o.address, Family: ingot.IPFamily(o.family), Type: ingot.EphemeralIP, Tags: o.tags}
	if space, network, other := strings.Cut(o.network, "/"); other {
		made.Spec.Network = ingot.NetworkReference{Namespace: space, Name: network}
	}
	if o.static {
		made.Spec.Type = ingot.StaticIP
	}
	return made
}

func freeCommand(s *session.Session) *cobra.Command {
	var yes, wait bool
	var timeout time.Duration
	c := kind().Command(s, "free IP", "Give an address back", func(cmd *cobra.Command, name string) error {
		c, o, err := kind().Read(cmd.Context(), s, name)
		if err != nil {
			return err
		}
		if by := Owner(o); by != "" && !yes {
			return fmt.Errorf("IP %s/%s belongs to %s, which would lose its address %s: say --yes to give it back all the same", o.Namespace, o.Name, by, o.Status.Address)
		}
		if err := c.Delete(cmd.Context(), o, client.Preconditions{UID: &o.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete IP %s/%s: %w", o.Namespace, o.Name, err)
		}
		fmt.Fprintf(s.Err, "IP %s/%s is given back\n", o.Namespace, o.Name)
		if !wait {
			return nil
		}
		_, err = kind().Await(cmd.Context(), s, c, o, waits, gone, timeout)
		return err
	})
	c.Aliases = []string{"delete"}
	c.Flags().BoolVar(&yes, "yes", false, "also where something has it")
	c.Flags().BoolVar(&wait, "wait", false, "wait until the object is gone")
	c.Flags().DurationVar(&timeout, "timeout", time.Minute, "with --wait: give up after this time")
	return c
}

func given(o *ingot.IP) (bool, string) {
	if o == nil {
		return false, "it was deleted"
	}
	return meta.IsStatusConditionTrue(o.Status.Conditions, ingot.ReadyCondition), ""
}

func gone(o *ingot.IP) (bool, string) { return o == nil, "" }

// waits is what an IP waits for, in a line.
func waits(o *ingot.IP) string {
	if x := meta.FindStatusCondition(o.Status.Conditions, ingot.ReadyCondition); x != nil && x.Message != "" {
		return x.Reason + ": " + x.Message
	}
	return ""
}
