package bmcevent_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/bmcevent"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

const (
	patience    = 3 * time.Minute
	address     = "redfish://10.0.0.5/redfish/v1/Systems/1"
	destination = "https://receiver.test/events"
)

// world is a namespace with one registered host, its BMC in memory, and the controller with the rights of its role.
type world struct {
	t         *testing.T
	namespace string
	admin     client.Client
	bmc       *fake.BMC
}

// Target implements bmcevent.Targets.
func (*world) Target(context.Context, types.NamespacedName) (bmc.Target, error) {
	return bmc.Target{Address: address, Username: "admin", Password: secret.New("secret")}, nil
}

func newWorld(t *testing.T, now func() time.Time) *world {
	t.Helper()
	t.Parallel()
	cp := controlplanetest.Shared(t)
	name := strings.ToLower(t.Name())
	admin, err := client.New(cp.Admin, client.Options{Scheme: host.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, namespace: name, admin: admin}
	bmcs := fake.New()
	if w.bmc, err = bmcs.Add(fake.Config{Address: address, Username: "admin", Password: secret.New("secret")}); err != nil {
		t.Fatal(err)
	}
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	cp.BindHosts(t, name)
	w.addHost()
	role := cp.As(t, "partition", name)
	role.QPS = -1
	h, err := rest.HTTPClientFor(role)
	if err != nil {
		t.Fatal(err)
	}
	live, err := client.New(role, client.Options{HTTPClient: h, Scheme: host.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := manager.New(role, manager.Options{
		Scheme: host.Scheme(), Cache: host.Caches(h), Client: host.CachedClient(h), Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	pool := bmc.NewPool(bmcs, bmc.PoolOptions{})
	_, err = bmcevent.Add(mgr, bmcevent.Options{Partition: name, BMCs: pool, Targets: w, Live: live, Log: slog.New(slog.DiscardHandler), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("manager: %v", err)
		}
		pool.Close(context.WithoutCancel(t.Context()))
	})
	return w
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.admin.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

// addHost makes a host that the partition has registered.
func (w *world) addHost() {
	w.t.Helper()
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "a", Finalizers: []string{metal3.BareMetalHostFinalizer}}}
	h.Spec.BMC = metal3.BMCDetails{Address: address, CredentialsName: "bmc"}
	h.Spec.BootMACAddress = "52:54:00:00:00:01"
	w.create(h)
	l := &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{
		Namespace: w.namespace, Name: "a", Labels: map[string]string{ingot.PartitionLabel: w.namespace},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(h, metal3.GroupVersion.WithKind("BareMetalHost"))},
	}}
	w.create(l)
	l.Status.BMC = &ingot.BMCStatus{Driver: "fake"}
	if err := w.admin.Status().Update(w.t.Context(), l); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) subscribe(name string, change func(*metal3.BMCEventSubscription)) {
	w.t.Helper()
	s := &metal3.BMCEventSubscription{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: metal3.BMCEventSubscriptionSpec{HostName: "a", Destination: destination, Context: "rack 7"}}
	if change != nil {
		change(s)
	}
	w.create(s)
}

func (w *world) get(name string) *metal3.BMCEventSubscription {
	s := &metal3.BMCEventSubscription{}
	if err := w.admin.Get(w.t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, s); err != nil {
		return nil
	}
	return s
}

func (w *world) host() *metal3.BareMetalHost {
	h := &metal3.BareMetalHost{}
	if err := w.admin.Get(w.t.Context(), types.NamespacedName{Namespace: w.namespace, Name: "a"}, h); err != nil {
		return nil
	}
	return h
}

func (w *world) edit(change func(*metal3.BareMetalHost)) {
	w.t.Helper()
	w.until("edit the host", func() bool {
		h := w.host()
		change(h)
		return w.admin.Update(w.t.Context(), h) == nil
	})
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
			w.t.Fatalf("gave up waiting: %s; subscriptions at the BMC: %+v", what, w.bmc.Subscriptions())
		}
	}
}

func (w *world) inForce(name string) string {
	w.t.Helper()
	w.until(name+" is in force", func() bool {
		s := w.get(name)
		return s != nil && s.Status.SubscriptionID != "" && s.Status.Error == "" && slices.Contains(s.Finalizers, metal3.BMCEventSubscriptionFinalizer) &&
			slices.ContainsFunc(w.bmc.Subscriptions(), func(b bmc.Subscription) bool { return b.ID == s.Status.SubscriptionID })
	})
	return w.get(name).Status.SubscriptionID
}

// A subscription comes to the BMC with its headers, is refused a change, and goes from the BMC before it goes itself.
func TestSubscription(t *testing.T) {
	w := newWorld(t, nil)
	w.subscribe("s", func(s *metal3.BMCEventSubscription) {
		s.Spec.HTTPHeadersRef = &corev1.SecretReference{Name: "headers", Namespace: w.namespace}
	})
	w.until("it says what is missing", func() bool { s := w.get("s"); return strings.Contains(s.Status.Error, `no Secret "headers"`) })
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "headers"}, StringData: map[string]string{"X-Token": "t0ken"}})
	w.edit(func(h *metal3.BareMetalHost) { h.Annotations = map[string]string{metal3.PausedAnnotation: ""} })
	w.edit(func(h *metal3.BareMetalHost) { h.Annotations = nil }) // Secrets are not watched; a host's change has its subscriptions looked at
	id := w.inForce("s")
	if got := w.bmc.Subscriptions(); len(got) != 1 || got[0].ID != id || got[0].Destination != destination || got[0].Context != "rack 7" || got[0].Headers["X-Token"].Reveal() != "t0ken" {
		t.Errorf("the BMC has %+v", got)
	}
	s := w.get("s")
	s.Spec.Destination = "https://other.test/"
	if err := w.admin.Update(t.Context(), s); err == nil || !strings.Contains(err.Error(), "cannot be changed") {
		t.Errorf("a change: %v", err)
	}
	w.bmc.FailNext(fake.Fault{Op: "unsubscribe from events", Kind: step.Busy})
	if err := w.admin.Delete(t.Context(), w.get("s")); err != nil {
		t.Fatal(err)
	}
	w.until("it is gone, and from the BMC", func() bool { return w.get("s") == nil && len(w.bmc.Subscriptions()) == 0 })
}

// What the BMC forgot is brought there again, and what a lost answer left there is taken for ours.
func TestSubscriptionIsRepaired(t *testing.T) {
	clock := make(chan time.Duration, 1)
	clock <- 0
	w := newWorld(t, func() time.Time { d := <-clock; clock <- d; return time.Now().Add(d) })
	w.bmc.FailNext(fake.Fault{Op: "subscribe to events", Kind: step.Timeout, After: true})
	w.subscribe("s", nil)
	w.until("the answer is lost", func() bool { s := w.get("s"); return s.Status.Error != "" && len(w.bmc.Subscriptions()) == 1 })
	<-clock
	clock <- time.Minute
	nudge := func() {
		w.edit(func(h *metal3.BareMetalHost) { h.Annotations = map[string]string{metal3.PausedAnnotation: ""} })
		w.edit(func(h *metal3.BareMetalHost) { h.Annotations = nil })
	}
	nudge()
	w.inForce("s")
	if n := len(w.bmc.Subscriptions()); n != 1 {
		t.Errorf("%d subscriptions at the BMC", n)
	}
	w.bmc.ForgetSubscriptions()
	<-clock
	clock <- time.Hour
	nudge()
	w.until("it is at the BMC again", func() bool { return len(w.bmc.Subscriptions()) == 1 })
	w.inForce("s")
}

// Two of the same receiver are two at the BMC. A host that is deleted takes its subscriptions from its BMC, and their objects wait for another host; without a host they go at once.
func TestSubscriptionsOfAHostThatGoes(t *testing.T) {
	w := newWorld(t, nil)
	w.subscribe("s", nil)
	w.subscribe("same", nil)
	if w.inForce("s") == w.inForce("same") || len(w.bmc.Subscriptions()) != 2 {
		t.Errorf("the BMC has %+v", w.bmc.Subscriptions())
	}
	if err := w.admin.Delete(t.Context(), w.host()); err != nil {
		t.Fatal(err)
	}
	w.until("the BMC has none", func() bool {
		s := w.get("s")
		return len(w.bmc.Subscriptions()) == 0 && s.Status.SubscriptionID == "" && strings.Contains(s.Status.Error, "being deleted")
	})
	w.edit(func(h *metal3.BareMetalHost) { h.Finalizers = nil })
	w.until("it says that there is no host", func() bool { return strings.Contains(w.get("s").Status.Error, "no BareMetalHost") })
	if err := w.admin.Delete(t.Context(), w.get("same")); err != nil {
		t.Fatal(err)
	}
	w.until("what has no host goes", func() bool { return w.get("same") == nil })
	w.until("the host's record is collected", func() bool {
		return apierrors.IsNotFound(w.admin.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: "a"}, &ingot.HostLifecycle{}))
	})
	w.addHost()
	w.edit(func(h *metal3.BareMetalHost) { h.Annotations = map[string]string{metal3.PausedAnnotation: ""} })
	w.edit(func(h *metal3.BareMetalHost) { h.Annotations = nil })
	w.inForce("s")
}

// The admission policy says what Metal3's webhook says.
func TestRefusedSubscriptions(t *testing.T) {
	w := newWorld(t, nil)
	for name, c := range map[string]struct {
		change func(*metal3.BMCEventSubscriptionSpec)
		says   string
	}{
		"no-host":        {func(s *metal3.BMCEventSubscriptionSpec) { s.HostName = "" }, "spec.hostName: cannot be empty"},
		"no-destination": {func(s *metal3.BMCEventSubscriptionSpec) { s.Destination = "" }, "spec.destination: cannot be empty"},
		"no-url":         {func(s *metal3.BMCEventSubscriptionSpec) { s.Destination = "receiver" }, "must be an http or https URL"},
		"other-scheme":   {func(s *metal3.BMCEventSubscriptionSpec) { s.Destination = "snmp://receiver/" }, "must be an http or https URL"},
		"no-slash":       {func(s *metal3.BMCEventSubscriptionSpec) { s.Destination = "https://receiver" }, "slash at its end"},
		"password":       {func(s *metal3.BMCEventSubscriptionSpec) { s.Destination = "https://user:pass@receiver/" }, "must not hold a password"},
		"other-secret": {func(s *metal3.BMCEventSubscriptionSpec) {
			s.HTTPHeadersRef = &corev1.SecretReference{Name: "x", Namespace: "kube-system"}
		}, "another namespace"},
	} {
		s := &metal3.BMCEventSubscription{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: metal3.BMCEventSubscriptionSpec{HostName: "a", Destination: destination}}
		c.change(&s.Spec)
		if err := w.admin.Create(t.Context(), s); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}
