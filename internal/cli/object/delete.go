package object

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/session"
)

// Delete is `ingot delete`.
func Delete(s *session.Session) *cobra.Command {
	var yes, missing bool
	c := &cobra.Command{
		Use:   "delete KIND NAME...",
		Short: "Delete objects",
		Long: "Deletes objects of a kind. Each name is asked for again, unless --yes is said. Objects that controllers have to do something for first, such as wiping a host's disks, are gone only\n" +
			"when that is done: what holds them is said.",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: completeObjects(s),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := newTarget(s, args[0])
			if err != nil {
				return err
			}
			in := bufio.NewReader(cmd.InOrStdin())
			for _, name := range args[1:] {
				if !yes {
					if err := confirm(s, cmd.InOrStdin(), in, t.Kind, name); err != nil {
						return err
					}
				}
				if err := t.remove(cmd, s, name, missing); err != nil {
					return err
				}
			}
			return nil
		},
	}
	s.AddFlags(c)
	c.Flags().BoolVar(&yes, "yes", false, "do not ask for the names again")
	c.Flags().BoolVar(&missing, "ignore-not-found", false, "what is not there counts as deleted")
	return c
}

// confirm asks for the name of what is to be deleted. Where nobody can be asked, nothing is deleted.
func confirm(s *session.Session, from io.Reader, in *bufio.Reader, kind, name string) error {
	if f, ok := from.(*os.File); ok {
		if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
			return errors.New("nobody can be asked whether to delete here: say --yes")
		}
	}
	fmt.Fprintf(s.Err, "%s %s is deleted, with all that belongs to it. Type its name to go on: ", kind, name)
	answer, err := in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if strings.TrimSpace(answer) != name {
		return fmt.Errorf("%s %s is not deleted: its name was not typed", kind, name)
	}
	return nil
}

func (t *target) remove(cmd *cobra.Command, s *session.Session, name string, missing bool) error {
	o := t.empty(name)
	err := t.client.Delete(cmd.Context(), o, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if apierrors.IsNotFound(err) && missing {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %s %s: %w", t.Kind, name, err)
	}
	left := t.empty(name)
	switch err := t.client.Get(cmd.Context(), client.ObjectKeyFromObject(left), left); {
	case apierrors.IsNotFound(err):
		_, err = fmt.Fprintf(s.Out, "%s/%s deleted\n", t.Kind, name)
		return err
	case err != nil:
		return fmt.Errorf("look whether %s %s is gone: %w", t.Kind, name, err)
	}
	text := fmt.Sprintf("%s/%s is being deleted", t.Kind, name)
	if f := left.GetFinalizers(); len(f) > 0 {
		text += "; " + strings.Join(f, ", ") + " must finish first"
	}
	_, err = fmt.Fprintln(s.Out, text)
	return err
}
