// Package console is `ingot console`: a machine's serial console in the terminal, recordings of consoles, and certificates for people's own ssh.
//
// It owns the terminal: raw mode, escape sequences, what is said between the machine's lines. It refuses to decide who sees what: the console role does, with the caller's own name.
//
// Invariants: the terminal is given back as it was, however the session ends; a token is sent to nobody but a server that the partition's CA vouches for.
package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/consolerole"
	"github.com/ingotmetal/ingot/matrix"
)

// flags say whose console.
type flags struct {
	host, claim, lookOnly, takeOver bool
	partition                       string
}

// Command is `ingot console`.
func Command(s *session.Session, in io.Reader) *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "console MACHINE",
		Short: "Open a machine's serial console",
		Long: "Opens the serial console of a Machine, of a HostClaim (--claim) or of a host (--host). At the beginning of a line, ~. leaves, ~t takes over from who types, ~? shows these.\n\n" +
			"A session lasts while the machine has its host: it ends when the machine is given up, for everybody. It is recorded. What you type is not recorded unless the site says so, " +
			"but what the machine shows is: a password that a system echoes is in the recording.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.Name(s, &ingot.MachineList{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			return attach(cmd.Context(), s, in, args[0], f)
		},
	}
	s.AddFlags(c)
	c.Flags().BoolVar(&f.host, "host", false, "the name is a host's (for the provider's people)")
	c.Flags().BoolVar(&f.claim, "claim", false, "the name is a HostClaim's")
	c.Flags().BoolVar(&f.lookOnly, "read-only", false, "look on, and type nothing")
	c.Flags().BoolVar(&f.takeOver, "takeover", false, "type in the place of who does now")
	c.PersistentFlags().StringVar(&f.partition, "partition", "", "partition of the machine (default: the Machine's, or the only one with a console role)")
	c.MarkFlagsMutuallyExclusive("host", "claim")
	c.MarkFlagsMutuallyExclusive("read-only", "takeover")
	c.AddCommand(recordingsCommand(s, &f), replayCommand(s, &f), certificateCommand(s, &f))
	return c
}

func (f flags) kind() console.Kind {
	switch {
	case f.host:
		return console.HostKind
	case f.claim:
		return console.ClaimKind
	default:
		return console.MachineKind
	}
}

// find chooses the partition, and shows it who the kubeconfig says we are.
func find(ctx context.Context, s *session.Session, name string) (*consolerole.Role, error) {
	config, err := s.RESTConfig()
	if err != nil {
		return nil, err
	}
	c, err := s.Client()
	if err != nil {
		return nil, err
	}
	var all ingot.PartitionList
	if err := c.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("list partitions: %w", err)
	}
	p, err := consolerole.Choose(all.Items, name)
	if err != nil {
		return nil, err
	}
	return consolerole.As(ctx, config, p, s.Bound().DialContext(matrix.OperatorToConsole))
}

// attach opens a console and carries it.
func attach(ctx context.Context, s *session.Session, in io.Reader, name string, f flags) error {
	namespace, err := s.Namespace()
	if err != nil {
		return err
	}
	target, err := console.ParseTarget(string(f.kind()), namespace, name)
	if err != nil {
		return err
	}
	if f.partition == "" && target.Kind == console.MachineKind {
		if f.partition, err = partitionOf(ctx, s, target); err != nil {
			return err
		}
	}
	at, err := find(ctx, s, f.partition)
	if err != nil {
		return err
	}
	mode := "type"
	if f.lookOnly {
		mode = "look"
	} else if f.takeOver {
		mode = "take-over"
	}
	conn, response, err := at.Open(ctx, target, mode) //nolint:bodyclose // refused closes it, and an upgraded one has none
	if err != nil {
		return refused(response, "open the console of "+target.String(), at.Partition.Name, err)
	}
	defer func() { _ = conn.Close() }()
	return talk(ctx, conn, terminalOf(in, s.Out, s.Err), target)
}

// partitionOf is the partition that a Machine asks for; empty where it asks for none.
func partitionOf(ctx context.Context, s *session.Session, t console.Target) (string, error) {
	c, err := s.Client()
	if err != nil {
		return "", err
	}
	m := &ingot.Machine{}
	err = c.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: t.Name}, m)
	if client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("read %s: %w", t, err)
	}
	if err != nil {
		return "", session.Missing(fmt.Errorf("there is no %s: `ingot machine list` shows them; a host's console is asked for with --host", t))
	}
	return m.Spec.Partition, nil
}

// refused says what the console role answered in the place of a console.
func refused(response *http.Response, what, partition string, err error) error {
	if response == nil {
		return &session.Exit{Code: session.Away, Err: fmt.Errorf("%s at partition %s: %w", what, partition, err)}
	}
	defer func() { _ = response.Body.Close() }()
	const most = 2048
	text, _ := io.ReadAll(io.LimitReader(response.Body, most)) // what was read is what can be told
	err = fmt.Errorf("%s at partition %s: %s", what, partition, strings.TrimSpace(string(text)))
	switch response.StatusCode {
	case http.StatusNotFound:
		return session.Missing(err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return &session.Exit{Code: session.NotAllowed, Err: err}
	case http.StatusServiceUnavailable:
		return &session.Exit{Code: session.Away, Err: err}
	default:
		return err
	}
}
