package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"k8s.io/apiserver/pkg/endpoints/request"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
	aggregatorapiserver "k8s.io/kube-aggregator/pkg/apiserver"
	"k8s.io/kubernetes/pkg/controlplane/apiserver/options"
	generic "k8s.io/kubernetes/pkg/controlplane/apiserver/samples/generic/server"

	"github.com/ingotmetal/ingot/internal/controlplane/auditing"
	"github.com/ingotmetal/ingot/internal/controlplane/fieldowner"
)

// accounts names who signed a service account's token. Nothing fetches it; it only has to stay the same over restarts.
const accounts = "https://kubernetes.default.svc"

// watchersLeave is how long open watches are kept after everything else has ended. Upstream's is the request timeout, a minute.
const watchersLeave = time.Second

// longestToken is the life of a service account's token at most.
const longestToken = 24 * time.Hour

// apiServer is the configured, not yet running API server.
type apiServer struct {
	chain    *aggregatorapiserver.APIAggregator
	loopback *rest.Config
}

func newAPIServer(ctx context.Context, o Options, k keyFiles, a *auditing.Auditor) (*apiServer, error) {
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
	withAudit(&cfg.Aggregator.GenericConfig.Config, a)
	ready, err := cfg.Complete()
	if err != nil {
		return nil, fmt.Errorf("configure the API server: %w", err)
	}
	chain, err := generic.CreateServerChain(ready)
	if err != nil {
		return nil, fmt.Errorf("build the API server: %w", err)
	}
	l := Layout{Dir: o.DataDir}
	chain.GenericAPIServer.Handler.NonGoRestfulMux.HandlePrefix(auditing.Prefix, auditing.Endpoint{Dir: o.auditDir(), PublicKey: l.AuditKey(), Log: o.Log})
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
	// Nobody watches events for long; a cache would keep and decode each of them for nobody. kube-apiserver has the same default.
	opts.Etcd.WatchCacheSizes = []string{"events#0", "events.events.k8s.io#0"}

	fieldowner.Register(opts.Admission.GenericAdmission.Plugins)
	opts.Admission.GenericAdmission.RecommendedPluginOrder = append([]string{fieldowner.Plugin}, opts.Admission.GenericAdmission.RecommendedPluginOrder...)

	opts.Authentication.Anonymous.Allow = false
	opts.Authentication.ClientCert.ClientCA = k.serving.CA
	opts.Authentication.ServiceAccounts.Issuers = []string{accounts}
	opts.Authentication.ServiceAccounts.JWKSURI = accounts + "/openid/v1/jwks"
	opts.Authentication.ServiceAccounts.KeyFiles = []string{k.serviceAccountPub}
	// Nothing here needs Kubernetes' grace of a year for accounts' tokens: a token ends when it says so, and none says more than a day.
	opts.Authentication.ServiceAccounts.MaxExpiration = longestToken
	opts.Authentication.ServiceAccounts.ExtendExpiration = false
	opts.ServiceAccountSigningKeyFile = k.serviceAccountKey
	opts.Authorization.Modes = []string{"RBAC"}
	o.People.apply(opts, l)
	return opts
}

// withAudit gives the outermost server, through whose handlers every request goes, its audit trail.
func withAudit(c *genericapiserver.Config, a *auditing.Auditor) {
	c.AuditBackend, c.AuditPolicyRuleEvaluator = a, a
	chain, long := c.BuildHandlerChainFunc, c.LongRunningFunc
	c.BuildHandlerChainFunc = func(handler http.Handler, c *genericapiserver.Config) http.Handler {
		return chain(a.Guard(handler, c.Serializer), c)
	}
	c.LongRunningFunc = func(r *http.Request, info *request.RequestInfo) bool {
		return long(r, info) || !info.IsResourceRequest && auditing.LongRunning(info.Path)
	}
}

// advertiseIP is what the API server calls itself in discovery. An unspecified address would send it looking for a default route, which a machine
// without a network does not have.
func advertiseIP(ip net.IP) net.IP {
	if ip == nil || ip.IsUnspecified() {
		return net.IPv4(127, 0, 0, 1)
	}
	return ip
}
