package controlplane

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/certificates/cleaner"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/certificates/signer"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	tokens "k8s.io/kubernetes/pkg/serviceaccount"

	"github.com/ingotmetal/ingot/internal/pki"
)

const (
	// collectorSync is how often the garbage collector looks for new kinds. Upstream's 30 s would leave owner references of a kind that was just installed
	// without effect for so long.
	collectorSync    = 5 * time.Second
	collectorWorkers = 10
	informerResync   = 12 * time.Hour
	controllerQPS    = 200
)

// controllerSet builds upstream's controllers. Each but the tokens controller acts as its own service account in kube-system, so that upstream's bootstrap roles
// bound what it may do.
type controllerSet struct {
	loopback  *rest.Config
	informers informers.SharedInformerFactory
	keys      keyFiles
	rootCA    []byte
	run       []func(context.Context)
}

// startControllers starts them all and returns a function that waits for their end after ctx is cancelled.
func startControllers(ctx context.Context, loopback *rest.Config, keys keyFiles, ca *pki.CA) (wait func(), err error) {
	client, err := kubernetes.NewForConfig(loopback)
	if err != nil {
		return nil, fmt.Errorf("make a client for the controllers: %w", err)
	}
	s := &controllerSet{loopback: loopback, keys: keys, rootCA: ca.CertPEM(), informers: informers.NewSharedInformerFactory(client, informerResync)}
	informersStarted := make(chan struct{})
	err = errors.Join(
		s.addGarbageCollector(ctx, informersStarted),
		s.addNamespaces(ctx),
		s.addServiceAccounts(ctx, client),
		s.addCertificates(ctx),
		s.addRoleAggregation(),
	)
	if err != nil {
		return nil, fmt.Errorf("build the controllers: %w", err)
	}
	s.informers.Start(ctx.Done())
	close(informersStarted)
	var running sync.WaitGroup
	for _, run := range s.run {
		running.Go(func() { run(ctx) })
	}
	return func() {
		running.Wait()
		s.informers.Shutdown()
	}, nil
}

func (s *controllerSet) as(account string) *rest.Config {
	cfg := rest.CopyConfig(s.loopback)
	cfg.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:kube-system:" + account,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"},
	}
	cfg.QPS, cfg.Burst = controllerQPS, 2*controllerQPS
	return cfg
}

func (s *controllerSet) client(account string) (kubernetes.Interface, error) {
	client, err := kubernetes.NewForConfig(s.as(account))
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", account, err)
	}
	return client, nil
}

func (s *controllerSet) add(run func(context.Context)) { s.run = append(s.run, run) }

func (s *controllerSet) addGarbageCollector(ctx context.Context, informersStarted <-chan struct{}) error {
	const account = "generic-garbage-collector"
	client, err := s.client(account)
	if err != nil {
		return err
	}
	meta, err := metadata.NewForConfig(s.as(account))
	if err != nil {
		return fmt.Errorf("make a metadata client for %s: %w", account, err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	factory := informerfactory.NewInformerFactory(s.informers, metadatainformer.NewSharedInformerFactory(meta, informerResync))
	graph := garbagecollector.NewDependencyGraphBuilder(ctx, meta, mapper, garbagecollector.DefaultIgnoredResources(), factory, informersStarted)
	gc, err := garbagecollector.NewComposedGarbageCollector(ctx, client, meta, mapper, graph)
	if err != nil {
		return fmt.Errorf("build the garbage collector: %w", err)
	}
	s.add(func(ctx context.Context) { gc.Run(ctx, collectorWorkers, collectorSync) })
	s.add(func(ctx context.Context) { gc.Sync(ctx, client.Discovery(), collectorSync) })
	s.add(func(ctx context.Context) {
		wait.UntilWithContext(ctx, func(context.Context) { mapper.Reset() }, 30*time.Second)
	})
	return nil
}

func (s *controllerSet) addNamespaces(ctx context.Context) error {
	const account = "namespace-controller"
	client, err := s.client(account)
	if err != nil {
		return err
	}
	meta, err := metadata.NewForConfig(s.as(account))
	if err != nil {
		return fmt.Errorf("make a metadata client for %s: %w", account, err)
	}
	c := namespace.NewNamespaceController(ctx, client, meta, client.Discovery().ServerPreferredNamespacedResources,
		s.informers.Core().V1().Namespaces(), 5*time.Minute, corev1.FinalizerKubernetes)
	s.add(func(ctx context.Context) { c.Run(ctx, 4) })
	return nil
}

func (s *controllerSet) addServiceAccounts(ctx context.Context, root kubernetes.Interface) error {
	logger := klog.FromContext(ctx)
	client, err := s.client("service-account-controller")
	if err != nil {
		return err
	}
	accounts, err := serviceaccount.NewServiceAccountsController(logger, s.informers.Core().V1().ServiceAccounts(), s.informers.Core().V1().Namespaces(),
		client, serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return fmt.Errorf("build the service account controller: %w", err)
	}
	s.add(func(ctx context.Context) { accounts.Run(ctx, 1) })

	key, err := keyutil.PrivateKeyFromFile(s.keys.serviceAccountKey)
	if err != nil {
		return fmt.Errorf("read the service account key: %w", err)
	}
	generator, err := tokens.JWTTokenGenerator(tokens.LegacyIssuer, key)
	if err != nil {
		return fmt.Errorf("build the token generator: %w", err)
	}
	tokenController, err := serviceaccount.NewTokensController(logger, s.informers.Core().V1().ServiceAccounts(), s.informers.Core().V1().Secrets(), root,
		serviceaccount.TokensControllerOptions{TokenGenerator: generator, RootCA: s.rootCA})
	if err != nil {
		return fmt.Errorf("build the tokens controller: %w", err)
	}
	s.add(func(ctx context.Context) { tokenController.Run(ctx, 1) })

	publisherClient, err := s.client("root-ca-cert-publisher")
	if err != nil {
		return err
	}
	publisher, err := rootcacertpublisher.NewPublisher(s.informers.Core().V1().ConfigMaps(), s.informers.Core().V1().Namespaces(), publisherClient, s.rootCA)
	if err != nil {
		return fmt.Errorf("build the root CA publisher: %w", err)
	}
	s.add(func(ctx context.Context) { publisher.Run(ctx, 1) })
	return nil
}

// addCertificates signs approved requests for API clients, which is how a role that runs on another machine gets and renews its identity.
func (s *controllerSet) addCertificates(ctx context.Context) error {
	client, err := s.client("certificate-controller")
	if err != nil {
		return err
	}
	requests := s.informers.Certificates().V1().CertificateSigningRequests()
	caKey := filepath.Join(filepath.Dir(s.keys.serving.CA), "ca.key")
	sign, err := signer.NewKubeAPIServerClientCSRSigningController(ctx, client, requests, s.keys.serving.CA, caKey, pki.RoleLifetime)
	if err != nil {
		return fmt.Errorf("build the certificate signer: %w", err)
	}
	clean := cleaner.NewCSRCleanerController(client.CertificatesV1().CertificateSigningRequests(), requests)
	s.add(func(ctx context.Context) { sign.Run(ctx, 2) })
	s.add(func(ctx context.Context) { clean.Run(ctx, 1) })
	return nil
}

func (s *controllerSet) addRoleAggregation() error {
	client, err := s.client("clusterrole-aggregation-controller")
	if err != nil {
		return err
	}
	c := clusterroleaggregation.NewClusterRoleAggregation(s.informers.Rbac().V1().ClusterRoles(), client.RbacV1())
	s.add(func(ctx context.Context) { c.Run(ctx, 2) })
	return nil
}
