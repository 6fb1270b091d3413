// Package identity is what every role's process is told in the same words: who it is, where its API server is, and which network its machines are on.
//
// It owns how a role logs, and the flags --kubeconfig, --partition, --tls-cert, --tls-key, --tls-ca, --provisioning-network, --health-bind and --matrix, and what follows from them: a client configuration that
// dials by the matrix, certificates that are taken up again when they are renewed, a network, and the endpoint of health and metrics. It refuses what one role does
// with them.
//
// Invariant: no socket is opened but through socket.Bound.
package identity

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/declared"
	"github.com/ingotmetal/ingot/matrix"
)

// Flags are the words.
type Flags struct {
	Kubeconfig string
	Partition  string
	// TLS is the role's certificate with its key, and the CA that it trusts.
	TLS pki.Files
	// ProvisioningNetwork is "kernel", "kernel:" and an interface, or a netstack.Spec.
	ProvisioningNetwork string
	// HealthBind is a loopback address.
	HealthBind string
	// Matrix is the file of the site's communication matrix; empty: none.
	Matrix string

	log *slog.Logger
}

// Add defines the flags of a role that serves one partition.
func (f *Flags) Add(set *pflag.FlagSet) {
	f.AddCentral(set)
	set.StringVar(&f.Partition, "partition", "", "name of the Partition that is served (required)")
	set.StringVar(&f.ProvisioningNetwork, "provisioning-network", "kernel", `"kernel", "kernel:<interface>", or the lab's network as "lab:<socket>?mac=…&address=…"`)
}

// AddCentral defines the flags of a role that serves all partitions, from the control plane.
func (f *Flags) AddCentral(set *pflag.FlagSet) {
	set.StringVar(&f.Kubeconfig, "kubeconfig", "", "file that says where the API server is and who we are (required)")
	set.StringVar(&f.TLS.Cert, "tls-cert", "", "PEM file of this role's certificate (required)")
	set.StringVar(&f.TLS.Key, "tls-key", "", "PEM file of the certificate's key (required)")
	set.StringVar(&f.TLS.CA, "tls-ca", "", "PEM file of the CA that signed it (required)")
	set.StringVar(&f.HealthBind, "health-bind", "127.0.0.1:0", "loopback address of /healthz, /readyz and /metrics")
	set.StringVar(&f.Matrix, "matrix", "", declared.Usage)
}

// Check says which required flag of a role that serves one partition is missing.
func (f *Flags) Check() error {
	if f.Partition == "" {
		return errors.New("--partition is required")
	}
	return f.CheckCentral()
}

// CheckCentral is Check for a role that serves all partitions.
func (f *Flags) CheckCentral() error {
	for _, one := range []struct{ name, value string }{
		{"kubeconfig", f.Kubeconfig}, {"tls-cert", f.TLS.Cert}, {"tls-key", f.TLS.Key}, {"tls-ca", f.TLS.CA},
	} {
		if one.value == "" {
			return fmt.Errorf("--%s is required", one.name)
		}
	}
	return nil
}

// RESTConfig reads the kubeconfig. Requests are dialed by the matrix and not limited here: the API server's priority and fairness does that better, and client-side
// throttling is what made the field's largest test wait minutes for one call.
func (f *Flags) RESTConfig(b *socket.Bound, flow matrix.FlowName) (*rest.Config, error) {
	c, err := clientcmd.BuildConfigFromFlags("", f.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", f.Kubeconfig, err)
	}
	if !strings.HasPrefix(c.Host, "https://") {
		return nil, fmt.Errorf("kubeconfig %s: the server %q is not https", f.Kubeconfig, c.Host)
	}
	server, err := url.Parse(c.Host)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", f.Kubeconfig, err)
	}
	if err := reachServer(b, flow, server, f.log); err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", f.Kubeconfig, err)
	}
	c.QPS, c.Burst = -1, -1
	c.Dial = b.DialContext(flow)
	return c, nil
}

// Network opens the provisioning network. The closer leaves it.
func (f *Flags) Network(log *slog.Logger) (socket.Network, io.Closer, error) {
	if f.ProvisioningNetwork == "kernel" || f.Link() != "" {
		return kernel.Network{}, nothing{}, nil
	}
	spec, err := netstack.Parse(f.ProvisioningNetwork)
	if err != nil {
		return nil, nil, fmt.Errorf("--provisioning-network: %w", err)
	}
	n, err := netstack.Open(spec, log)
	if err != nil {
		return nil, nil, fmt.Errorf("--provisioning-network: %w", err)
	}
	return n, n, nil
}

// Link is the kernel's interface on the provisioning network; empty where none was named, and in the lab, whose network has one link.
func (f *Flags) Link() string {
	link, _ := strings.CutPrefix(f.ProvisioningNetwork, "kernel:")
	if link == f.ProvisioningNetwork {
		return ""
	}
	return link
}

type nothing struct{}

func (nothing) Close() error { return nil }
