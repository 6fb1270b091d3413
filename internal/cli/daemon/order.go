package daemon

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/firewall/guard"
)

func (a Asking) confirm() *cobra.Command {
	var console bool
	c := &cobra.Command{
		Use:   "confirm",
		Short: "Keep the rules that are on trial",
		Long: "Keep the rules that are on trial. Run it in a session that began after the trial did: the daemon looks whether a connection on a management row came in through the new\n" +
			"rules. A session that was there before passes every ruleset and proves nothing.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if console && os.Getenv("SSH_CONNECTION") != "" {
				return errors.New("--console is for a person who sits before the machine, and this is an SSH session: run `ingot-node confirm` without it, from a new session")
			}
			g, err := a.client().Confirm(c.Context(), console)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.Out, "generation %d is confirmed, over %s\n", g.Generation, g.By)
			return err
		},
	}
	c.Flags().BoolVar(&console, "console", false, "I sit at the console of this machine, or have its serial line, and no network can lock me out")
	return c
}

func (a Asking) try() *cobra.Command {
	return a.order(guard.Retry, "try", "Try again rules that were reverted")
}

func (a Asking) withdraw() *cobra.Command {
	return a.order(guard.Withdraw, "withdraw", "End the trial: what ruled before rules again")
}

func (a Asking) order(o guard.Order, use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := a.client().Order(c.Context(), o)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.Out, "%s: %s\n", d.Phase, d.Reason)
			return err
		},
	}
}
