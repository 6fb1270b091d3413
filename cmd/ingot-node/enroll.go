package main

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ingotmetal/ingot/internal/enroll"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
)

// enrollCommand makes the host's own identity of the one that an administrator carried here.
func enrollCommand(p *places, out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "enroll KUBECONFIG",
		Short: "Make this host's own identity from the kubeconfig that `ingot node enroll` wrote",
		Long: "Makes a key that never leaves this host, and has the API server sign a certificate for the name in the given kubeconfig. The controller role approves it while the host has\n" +
			"a HostEndpoint. Delete the given kubeconfig afterwards; it is void within an hour of its making.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := clientcmd.BuildConfigFromFlags("", args[0])
			if err != nil {
				return fmt.Errorf("read kubeconfig %s: %w", args[0], err)
			}
			role, err := roleOf(cfg.CertData)
			if err != nil {
				return fmt.Errorf("the kubeconfig %s: %w", args[0], err)
			}
			b := as(role)
			if err := reach(b, args[0], cfg.Host, slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))); err != nil {
				return err
			}
			place := enroll.Place{Dir: filepath.Join(p.state, "identity")}
			// The settling reads the file anew and dials in the same way; this configuration tells the address only.
			cfg.Dial = b.DialContext(toAPIServer(role))
			node, err := enroll.Settle(c.Context(), args[0], place, cfg.Dial)
			if err != nil {
				return err
			}
			whose := "--node " + node
			if namespace, name, _ := strings.Cut(node, "."); role == matrix.Firewall {
				whose = "--firewall " + namespace + "/" + name
			}
			_, err = fmt.Fprintf(out, "this host is %s; start the daemon with\n\n  ingot-node run %s --kubeconfig %s\n", node, whose, place.Kubeconfig())
			return err
		},
	}
}

// roleOf is whose a carried certificate is.
func roleOf(certificate []byte) (matrix.Role, error) {
	name, err := pki.CommonName(certificate)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(name, pki.RoleName(string(matrix.Firewall), "")+":") {
		return matrix.Firewall, nil
	}
	return matrix.Node, nil
}
