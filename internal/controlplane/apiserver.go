package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"k8s.io/client-go/rest"
	aggregatorapiserver "k8s.io/kube-aggregator/pkg/apiserver"
	"k8s.io/kubernetes/pkg/controlplane/apiserver/options"
	generic "k8s.io/kubernetes/pkg/controlplane/apiserver/samples/generic/server"
)

// issuer names who signed a service account's token. Nothing fetches it; it only has to stay the same over restarts.
const issuer = "https://kubernetes.default.svc"

// watchersLeave is how long open watches are kept after everything else has ended. Upstream's is the request timeout, a minute.
const watchersLeave = time.Second

// apiServer is the configured, not yet running API server.
type apiServer struct {
	chain    *aggregatorapiserver.APIAggregator
	loopback *rest.Config
}

func newAPIServer(ctx context.Context, o Options, k keyFiles) (*apiServer, error) {
	opts := apiServerOptions(o, k)
	completed, err := opts.Complete(ctx, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("complete the API server's options: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return nil, fmt.Errorf("check the API server's options: %w", errors.Join(errs...))
	}
	cfg, err := generic.NewConfig(completed)
	if err != nil {
		return nil, fmt.Errorf("configure the API server: %w", err)
	}
	// Upstream's sample says 3, which makes each new kind wait 5 s for the other servers to notice it. We are one.
	cfg.APIExtensions.ExtraConfig.MasterCount = 1
	ready, err := cfg.Complete()
	if err != nil {
		return nil, fmt.Errorf("configure the API server: %w", err)
	}
	chain, err := generic.CreateServerChain(ready)
	if err != nil {
		return nil, fmt.Errorf("build the API server: %w", err)
	}
	// Requests under way are waited for before; what is left are watches, which end when their client wants.
	chain.GenericAPIServer.ShutdownTimeout = watchersLeave
	return &apiServer{chain: chain, loopback: cfg.ControlPlane.Generic.LoopbackClientConfig}, nil
}

func apiServerOptions(o Options, k keyFiles) *options.Options {
	l := Layout{Dir: o.DataDir}
	opts := generic.NewOptions()

	addr := o.Listener.Addr().(*net.TCPAddr)
	opts.SecureServing.Listener = o.Listener
	opts.SecureServing.BindAddress = addr.IP
	opts.SecureServing.BindPort = addr.Port
	opts.SecureServing.ServerCert.CertKey.CertFile = k.serving.Cert
	opts.SecureServing.ServerCert.CertKey.KeyFile = k.serving.Key
	opts.SecureServing.MinTLSVersion = "VersionTLS12"
	opts.GenericServerRunOptions.AdvertiseAddress = advertiseIP(addr.IP)

	opts.Etcd.StorageConfig.Transport.ServerList = []string{"unix://" + l.EtcdSocket()}
	opts.Etcd.EncryptionProviderConfigFilepath = k.encryption

	opts.Authentication.Anonymous.Allow = false
	opts.Authentication.ClientCert.ClientCA = k.serving.CA
	opts.Authentication.ServiceAccounts.Issuers = []string{issuer}
	opts.Authentication.ServiceAccounts.JWKSURI = issuer + "/openid/v1/jwks"
	opts.Authentication.ServiceAccounts.KeyFiles = []string{k.serviceAccountPub}
	opts.ServiceAccountSigningKeyFile = k.serviceAccountKey
	opts.Authorization.Modes = []string{"RBAC"}

	opts.Audit.PolicyFile = k.auditPolicy
	opts.Audit.LogOptions.Path = l.AuditLog()
	opts.Audit.LogOptions.MaxSize = 100 // MB each
	opts.Audit.LogOptions.MaxBackups = 10
	return opts
}

// advertiseIP is what the API server calls itself in discovery. An unspecified address would send it looking for a default route, which a machine
// without a network does not have.
func advertiseIP(ip net.IP) net.IP {
	if ip == nil || ip.IsUnspecified() {
		return net.IPv4(127, 0, 0, 1)
	}
	return ip
}
