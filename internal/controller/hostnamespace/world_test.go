package hostnamespace_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/hostnamespace"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) { controlplanetest.Main(m) }

// patience is how long a condition may take to come true on a machine whose cores are shared.
const patience = 3 * time.Minute

const bindingName = "ingot:partition:host-namespaces"

// world is an operator, a partition and a controller role, each with the rights that are installed.
type world struct {
	t                            *testing.T
	admin, partition, controller client.Client
	role                         *rest.Config
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, metal3.AddToScheme, ingot.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// newWorld: one test at a time, since a controller binds namespaces of all.
func newWorld(t *testing.T) *world {
	t.Helper()
	cp := controlplanetest.Shared(t)
	w := &world{t: t, role: cp.As(t, "controller", "")}
	w.admin, w.partition, w.controller = w.client(cp.Admin), w.client(cp.As(t, "partition", "site1")), w.client(w.role)
	return w
}

func (w *world) client(cfg *rest.Config) client.Client {
	w.t.Helper()
	c, err := client.New(cfg, client.Options{Scheme: scheme(w.t)})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// start runs the controller until stop, or until the test ends.
func (w *world) start() (stop func()) {
	w.t.Helper()
	mgr, err := manager.New(w.role, manager.Options{
		Scheme: scheme(w.t), Logger: logr.Discard(), Cache: cache.Options{ByObject: hostnamespace.Caches()},
		Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Controller: config.Controller{SkipNameValidation: ptr.To(true)}, GracefulShutdownTimeout: ptr.To(20 * time.Second),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := hostnamespace.Add(mgr, w.controller, slog.New(slog.DiscardHandler)); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := mgr.Start(ctx); err != nil && ctx.Err() == nil {
			w.t.Errorf("manager ended: %v", err)
		}
	}()
	stop = func() { cancel(); <-ended }
	w.t.Cleanup(stop)
	return stop
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.admin.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

func (w *world) delete(o client.Object) {
	w.t.Helper()
	if err := w.admin.Delete(w.t.Context(), o); err != nil {
		w.t.Fatalf("delete %T %s: %v", o, o.GetName(), err)
	}
}

// namespace makes one with a Secret in it.
func (w *world) namespace() string {
	w.t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "racks-"}}
	w.create(ns)
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "bmc"}, StringData: map[string]string{"username": "u", "password": "p"}})
	return ns.Name
}

func host(namespace, name string) *metal3.BareMetalHost {
	return &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: metal3.BareMetalHostSpec{Online: true}}
}

// reads says whether the partition role may read the Secret of a namespace, by trying.
func (w *world) reads(namespace string) bool {
	w.t.Helper()
	err := w.partition.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: "bmc"}, &corev1.Secret{})
	if err != nil && !apierrors.IsForbidden(err) {
		w.t.Fatalf("read a Secret as the partition role: %v", err)
	}
	return err == nil
}

func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatal("gave up waiting: ", what)
		}
	}
}

// binding is a namespace's, nil for none.
func (w *world) binding(namespace string) *rbacv1.RoleBinding {
	w.t.Helper()
	b := &rbacv1.RoleBinding{}
	err := w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: bindingName}, b)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}
