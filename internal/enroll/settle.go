package enroll

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/secret"
)

// Place is where a node keeps its identity: client.crt, client.key, ca.crt and the kubeconfig that names them.
type Place struct{ Dir string }

// Files are the identity's.
func (p Place) Files() pki.Files { return pki.FilesIn(p.Dir, "client") }

// Kubeconfig is the file for --kubeconfig.
func (p Place) Kubeconfig() string { return filepath.Join(p.Dir, "kubeconfig") }

// Settle turns the kubeconfig that an administrator carried to a host into the node's own identity: a key that never leaves the host, and a certificate for the same name.
// Dial opens connections to the API server; nil: as client-go does. It returns the node's name. The carried file is left alone: it is void within FirstLifetime.
func Settle(ctx context.Context, carried string, p Place, dial func(ctx context.Context, network, address string) (net.Conn, error)) (string, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", carried)
	if err != nil {
		return "", fmt.Errorf("read the carried kubeconfig %s: %w", carried, err)
	}
	if len(cfg.CertData) == 0 || len(cfg.KeyData) == 0 || len(cfg.CAData) == 0 {
		return "", fmt.Errorf("the carried kubeconfig %s has no certificate, key or CA in it: make one with `ingot node enroll`", carried)
	}
	node, err := nodeOf(cfg)
	if err != nil {
		return "", fmt.Errorf("the carried kubeconfig %s: %w", carried, err)
	}
	cfg.Dial = dial
	files := p.Files()
	if err := files.Write(cfg.CertData, secret.New(string(cfg.KeyData)), cfg.CAData); err != nil {
		return "", err
	}
	if err := Renew(ctx, cfg, node, files); err != nil {
		return "", err
	}
	return node, kubeconfig.WriteRole(p.Kubeconfig(), kubeconfig.Cluster{Name: "ingot", URL: cfg.Host, CA: cfg.CAData}, files)
}

// nodeOf is whose certificate a configuration has.
func nodeOf(cfg *rest.Config) (string, error) {
	name, err := pki.CommonName(cfg.CertData)
	if err != nil {
		return "", err
	}
	if _, err := profileOf(name, FirstLifetime); err != nil {
		return "", err
	}
	return name[strings.LastIndexByte(name, ':')+1:], nil
}
