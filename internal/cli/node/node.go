// Package node is `ingot node`: what an operator does about the hosts whose firewall is enforced.
//
// It owns the first identity of a host, and what the API server holds of hosts; what the daemon of the machine itself is asked is package daemon's. It refuses keys that live long: what is carried to a host is good for an hour, and `ingot-node enroll` makes the host's own of it.
package node

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/internal/cli/daemon"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/enroll"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
)

// Command is `ingot node`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{Use: "node", Short: "Hosts whose firewall is enforced", Args: cobra.NoArgs}
	s.AddServerFlags(c)
	var dir string
	c.PersistentFlags().StringVar(&dir, "run-dir", daemon.RunDir, "directory of the control socket of this machine's ingot-node")
	_ = c.MarkPersistentFlagDirname("run-dir")
	c.AddCommand(listCommand(s), enrollCommand(s))
	c.AddCommand(daemon.Asking{Dir: func() string { return dir }, Out: s.Out, Elsewhere: endpoints{s}}.Commands()...)
	return c
}

func enrollCommand(s *session.Session) *cobra.Command {
	var file, firewall string
	c := &cobra.Command{
		Use:   "enroll NAME | enroll --firewall NAMESPACE/NAME",
		Short: "Write a kubeconfig by which a host gets its own identity",
		Long: "Writes a kubeconfig for the host NAME (the spec.node of its HostEndpoints), good for an hour. Carry it to the host over a way that you trust, like SSH, and run\n" +
			"`ingot-node enroll FILE` there: it makes a key that never leaves the host, and renews its certificate from then on. Takes an administrator's rights.\n" +
			"With --firewall it is for a Firewall's machine, which may read that Firewall and no policy of the site.",
		Args: func(c *cobra.Command, args []string) error {
			if firewall != "" {
				return cobra.NoArgs(c, args)
			}
			return cobra.ExactArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := s.RESTConfig()
			if err != nil {
				return err
			}
			name, profile, err := whom(args, firewall)
			if err != nil {
				return err
			}
			if file == "" {
				file = name + ".kubeconfig"
			}
			id, err := enroll.AsAdministrator(c.Context(), cfg, profile, "enrolled by an administrator with ingot node enroll")
			if err != nil {
				return err
			}
			if err := rest.LoadTLSFiles(cfg); err != nil {
				return fmt.Errorf("read the CA that the kubeconfig names: %w", err)
			}
			if err := kubeconfig.Write(file, kubeconfig.Cluster{Name: "ingot", URL: cfg.Host, CA: cfg.CAData}, id); err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.Out, "%s is written, good for an hour; on host %s:\n\n  ingot-node enroll %s\n", file, name, file)
			return err
		},
	}
	c.Flags().StringVar(&file, "file", "", "where to write it (default: NAME.kubeconfig)")
	c.Flags().StringVar(&firewall, "firewall", "", "the Firewall whose machine it is for, as NAMESPACE/NAME")
	return c
}

// whom is the machine that is enrolled.
func whom(args []string, firewall string) (string, pki.Profile, error) {
	if firewall == "" {
		return args[0], enroll.NodeProfile(args[0], enroll.FirstLifetime), nil
	}
	namespace, name, ok := strings.Cut(firewall, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return "", pki.Profile{}, fmt.Errorf("--firewall %q: write NAMESPACE/NAME", firewall)
	}
	return namespace + "." + name, enroll.FirewallProfile(namespace, name, enroll.FirstLifetime), nil
}
