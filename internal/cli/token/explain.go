package token

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/ingotmetal/ingot/internal/cli/explain"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

func explainCommand(s *session.Session, open func() (accounts, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "explain NAME",
		Short: "Say what a token may do, who made it, and until when it is good",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			a, err := open()
			if err != nil {
				return err
			}
			all, err := a.list(cmd.Context())
			if err != nil {
				return err
			}
			n := slices.IndexFunc(all, func(x corev1.ServiceAccount) bool { return x.Name == args[0] })
			if n < 0 {
				return session.Missing(fmt.Errorf("project %s has no token %q: `ingot token list` shows them", a.namespace, args[0]))
			}
			e := answer(all[n], time.Now())
			if format.Structured() {
				return print.Object(s.Out, format, e)
			}
			return e.Write(s.Out)
		},
	}
}

// answer is a pure function of a token's account.
func answer(x corev1.ServiceAccount, now time.Time) explain.Answer {
	a := explain.Answer{Subject: "token " + x.Name + " of project " + x.Namespace, State: stateOf(x, now)}
	role, err := tenantRole(x.Labels[label])
	if err != nil {
		a.Say("Role", x.Labels[label]+", which this program does not know")
	} else {
		a.Say("Role", role.Name+": "+role.Text)
		a.Help("`ingot auth can --list --as %s` shows each right of the role; the token has them in this project alone", role)
	}
	a.Say("Made by", x.Annotations[makerNote])
	a.Say("Until", x.Annotations[untilNote])
	switch a.State {
	case good:
		a.Help("`ingot token revoke %s` ends it at once", x.Name)
	case ended:
		a.Help("`ingot token revoke --ended` removes what is left of it")
	}
	return a
}
