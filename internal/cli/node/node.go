// Package node is `ingot node`: what an operator does about the hosts whose firewall is enforced.
//
// It owns the first identity of a host, and what the API server holds of hosts; what the daemon of the machine itself is asked is package daemon's. It refuses keys that live long: what is carried to a host is good for an hour, and `ingot-node enroll` makes the host's own of it.
package node

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/internal/cli/daemon"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/enroll"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
)

// Command is `ingot node`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{Use: "node", Short: "Hosts whose firewall is enforced", Args: cobra.NoArgs}
	s.AddServerFlags(c)
	var dir string
	c.PersistentFlags().StringVar(&dir, "run-dir", daemon.RunDir, "directory of the control socket of this machine's ingot-node")
	_ = c.MarkPersistentFlagDirname("run-dir")
	c.AddCommand(enrollCommand(s))
	c.AddCommand(daemon.Asking{Dir: func() string { return dir }, Out: s.Out, Elsewhere: endpoints{s}}.Commands()...)
	return c
}

func enrollCommand(s *session.Session) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "enroll NAME",
		Short: "Write a kubeconfig by which a host gets its own identity",
		Long: "Writes a kubeconfig for the host NAME (the spec.node of its HostEndpoints), good for an hour. Carry it to the host over a way that you trust, like SSH, and run\n" +
			"`ingot-node enroll FILE` there: it makes a key that never leaves the host, and renews its certificate from then on. Takes an administrator's rights.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := s.RESTConfig()
			if err != nil {
				return err
			}
			if file == "" {
				file = args[0] + ".kubeconfig"
			}
			id, err := enroll.AsAdministrator(c.Context(), cfg, enroll.NodeProfile(args[0], enroll.FirstLifetime), "enrolled by an administrator with ingot node enroll")
			if err != nil {
				return err
			}
			if err := rest.LoadTLSFiles(cfg); err != nil {
				return fmt.Errorf("read the CA that the kubeconfig names: %w", err)
			}
			if err := kubeconfig.Write(file, kubeconfig.Cluster{Name: "ingot", URL: cfg.Host, CA: cfg.CAData}, id); err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.Out, "%s is written, good for an hour; on host %s:\n\n  ingot-node enroll %s\n", file, args[0], file)
			return err
		},
	}
	c.Flags().StringVar(&file, "file", "", "where to write it (default: NAME.kubeconfig)")
	return c
}
