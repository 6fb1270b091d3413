package partition

import (
	"context"
	"errors"
	"log/slog"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/enroll"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
)

// firewallIdentities lets the machines of Firewalls in. It vouches for the host whose token was shown, and for nothing else: which Firewall is that host's, the controller role knows.
type firewallIdentities struct {
	hosts  *host.Reconciler
	config *rest.Config
	// server is the API server's URL as firewalls reach it.
	server string
	log    *slog.Logger
}

var _ agentapi.Identities = firewallIdentities{}

// Identity implements agentapi.Identities.
func (f firewallIdentities) Identity(ctx context.Context, namespace, name, tokenHash, keyHash string, csr []byte) (protocol.IdentityResponse, error) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	if err := f.hosts.RedeemFirstBoot(ctx, key, tokenHash, keyHash); err != nil {
		return protocol.IdentityResponse{}, spoken(err)
	}
	cfg := rest.CopyConfig(f.config)
	if err := rest.LoadTLSFiles(cfg); err != nil {
		return protocol.IdentityResponse{}, err
	}
	certificate, err := enroll.ForFirstBoot(ctx, f.config, key.String(), csr)
	if err != nil {
		// Its Firewall may not be known as this host's yet: the machine asks again.
		f.log.Warn("firewall not let in", "machine", key.String(), "err", err)
		return protocol.IdentityResponse{}, errors.Join(agentapi.ErrNotReady, err)
	}
	return protocol.IdentityResponse{CertificatePEM: certificate, Server: f.server, CAPEM: cfg.CAData}, nil
}
