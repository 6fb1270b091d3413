package host

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/session"
)

// The values of the second argument.
const (
	powerOn     = "on"
	powerOff    = "off"
	powerReboot = "reboot"
)

func powerCommand(s *session.Session) *cobra.Command {
	var hard bool
	c := &cobra.Command{
		Use:   "power HOST [on|off|reboot]",
		Short: "Show a host's power, or ask for another",
		Long: "Without a second argument: shows the power as last read from the BMC, and what is wanted.\n" +
			"With one: writes the wish to the host (spec.online, or the reboot annotation); the partition role carries it out.",
		Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return []string{powerOn, powerOff, powerReboot}, cobra.ShellCompDirectiveNoFileComp
			}
			return completeNames(s)(cmd, args, toComplete)
		},
	}
	c.Flags().BoolVar(&hard, "hard", false, "reboot without asking the operating system first")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return one(s, func(ctx context.Context, client client.WithWatch, h Host, _ *cobra.Command) error {
			if len(args) == 1 {
				fmt.Fprintf(s.Out, "%s (wanted: %s)\n", power(&h), wantedPower(h.Host))
				return nil
			}
			return wishPower(ctx, s, client, h, args[1], hard)
		})(cmd, args[:1])
	}
	return c
}

func wishPower(ctx context.Context, s *session.Session, c client.Client, h Host, wish string, hard bool) error {
	if err := AskPower(ctx, c, h, wish, hard); err != nil {
		return err
	}
	fmt.Fprintf(s.Err, "asked %s/%s for power %s; `ingot host explain %s` shows how far it is\n",
		h.Host.Namespace, h.Host.Name, wish, h.Host.Name)
	return nil
}
