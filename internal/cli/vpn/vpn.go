package vpn

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// Command is `ingot vpn`.
func Command(s *session.Session) *cobra.Command {
	var o Options
	c := &cobra.Command{Use: "vpn", Short: "Join the mesh by a client of this machine's own, and see who is in it"}
	s.AddServerFlags(c)
	o.AddFlags(c)
	c.AddCommand(upCommand(s, &o), keyCommand(s, &o), statusCommand(s))
	return c
}

func upCommand(s *session.Session, o *Options) *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Join the mesh by the tailscale client of this machine",
		Long: "Has a one-time key made for you and lets this machine's tailscale client join by it (tailscale up). The client must trust the site's CA, as the machine's system does with a certificate in its store. " +
			"It stays in the mesh until you delete its MeshNode.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := exec.LookPath("tailscale")
			if err != nil {
				return fmt.Errorf("this machine has no tailscale client; `ingot ssh` and `ingot proxy` need none: %w", err)
			}
			spec := Operator()
			spec.Ephemeral = false
			p, err := Open(cmd.Context(), s, *o, spec)
			if err != nil {
				return err
			}
			// The key is read from the file. No DNS and no routes: the mesh is its members' addresses.
			up := exec.CommandContext(cmd.Context(), client, "up", "--login-server="+p.Coordinator, "--auth-key=file:"+p.KeyFile, "--accept-dns=false", "--accept-routes=false") // the person's own client
			up.Stdout, up.Stderr = s.Out, s.Err
			if err := up.Run(); err != nil {
				return errors.Join(fmt.Errorf("tailscale up: %w", err), p.Close(cmd.Context()))
			}
			return os.RemoveAll(p.Dir)
		},
	}
}

func keyCommand(s *session.Session, o *Options) *cobra.Command {
	var file, server string
	var tags []string
	c := &cobra.Command{
		Use:   "key",
		Short: "Have a one-time key of the mesh written to a file",
		Long:  "Has a one-time key made, for you or for a server of the site (--server NAME --tag ROLE), and writes it into a new file that you alone may read. It is good for a few minutes. The coordinator's URL is printed; the key is not.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (server == "") != (len(tags) == 0) {
				return errors.New("--server and --tag go together: a server joins by the roles that it has")
			}
			spec := Operator()
			spec.Ephemeral = false
			if server != "" {
				spec.Server, spec.Tags = server, tags
			}
			out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return fmt.Errorf("--output: %w", err)
			}
			defer out.Close()
			p, err := Open(cmd.Context(), s, *o, spec)
			if err != nil {
				return errors.Join(err, os.Remove(file))
			}
			text, err := os.ReadFile(p.KeyFile)
			if err == nil {
				_, err = out.Write(text)
			}
			if err != nil {
				return errors.Join(fmt.Errorf("write the key: %w", err), p.Close(cmd.Context()))
			}
			_, err = fmt.Fprintln(s.Out, p.Coordinator)
			return errors.Join(err, os.RemoveAll(p.Dir))
		},
	}
	c.Flags().StringVar(&file, "output", "", "file that is made for the key (required)")
	c.Flags().StringVar(&server, "server", "", "name of a host of the site that joins in your place")
	c.Flags().StringSliceVar(&tags, "tag", nil, "with --server: a role that it has, as the communication matrix names it; may be repeated")
	_ = c.MarkFlagRequired("output")
	return c
}

func statusCommand(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Say who is in the mesh",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, err := s.Client()
			if err != nil {
				return err
			}
			var all ingot.MeshNodeList
			if err := c.List(cmd.Context(), &all); err != nil {
				return fmt.Errorf("list MeshNodes: %w", err)
			}
			return print.Objects(s.Out, format, all.Items, all.Items, []print.Column[ingot.MeshNode]{
				{Header: "WHO", Cell: who},
				{Header: "TAGS", Cell: func(n ingot.MeshNode) string { return strings.Join(n.Spec.Tags, ",") }},
				{Header: "ADDRESSES", Cell: func(n ingot.MeshNode) string { return strings.Join(n.Status.Addresses, ",") }},
				{Header: "VERSION", Cell: func(n ingot.MeshNode) string { return n.Status.ClientVersion }},
				{Header: "ONLINE", Cell: func(n ingot.MeshNode) string { return strconv.FormatBool(n.Status.Online) }},
			})
		},
	}
	s.AddOutput(c)
	return c
}

// who is a node, by what its MeshKey says; what it calls itself counts for nothing.
func who(n ingot.MeshNode) string {
	if n.Spec.Machine != "" {
		return n.Namespace + "/" + n.Spec.Machine
	}
	return n.Spec.Person + n.Spec.Server
}
