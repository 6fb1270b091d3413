package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/session"
)

func deprovisionCommand(s *session.Session) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "deprovision HOST",
		Short: "Take the image off a host: it is wiped, the wipe is proved, and it is available again",
		Long: "Removes spec.image from the host and turns it off. Its disks are wiped; what stands on them is lost.\n" +
			"Asks for the host's name first, unless --yes is given.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(s),
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "don't ask")
	c.RunE = one(s, func(ctx context.Context, k client.WithWatch, h Host, cmd *cobra.Command) error {
		if h.Host.Spec.Image == nil {
			return fmt.Errorf("host %s/%s has no image to take off", h.Host.Namespace, h.Host.Name)
		}
		if !yes {
			if err := confirm(s, cmd, h.Host.Name); err != nil {
				return err
			}
		}
		if err := TakeImage(ctx, k, h); err != nil {
			return err
		}
		fmt.Fprintf(s.Err, "%s/%s is deprovisioned; `ingot host wait %s --for available` shows how far it is\n",
			h.Host.Namespace, h.Host.Name, h.Host.Name)
		return nil
	})
	return c
}

// confirm asks for the name of what is about to be lost.
func confirm(s *session.Session, cmd *cobra.Command, name string) error {
	fmt.Fprintf(s.Err, "everything on the disks of %s will be lost; type its name to go on: ", name)
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && answer == "" {
		return errors.New("nothing was typed; give --yes to go on without asking")
	}
	if strings.TrimSpace(answer) != name {
		return errors.New("that is not the host's name; nothing was changed")
	}
	return nil
}
