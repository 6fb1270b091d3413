package discovery_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
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
	"github.com/ingotmetal/ingot/internal/controller/discovery"
	"github.com/ingotmetal/ingot/internal/controller/discovery/scan"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

const patience = 3 * time.Minute

// world is a namespace of the partition of the same name, and the controller with the rights of its role.
type world struct {
	t         *testing.T
	namespace string
	// admin makes objects, role is the partition's own client.
	admin, role client.Client
	config      *rest.Config
	stop        func()
	// prober asks for BMCs; nil: nobody does.
	prober scan.Prober
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	cp := controlplanetest.Shared(t)
	w := &world{t: t, namespace: strings.ToLower(t.Name()), config: cp.As(t, "partition", strings.ToLower(t.Name()))}
	var err error
	if w.admin, err = client.New(cp.Admin, client.Options{Scheme: host.Scheme()}); err != nil {
		t.Fatal(err)
	}
	if w.role, err = client.New(w.config, client.Options{Scheme: host.Scheme()}); err != nil {
		t.Fatal(err)
	}
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}})
	cp.BindHosts(t, w.namespace)
	return w
}

// start runs the controller until stop, or until the test ends.
func (w *world) start() {
	w.t.Helper()
	h, err := rest.HTTPClientFor(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	mgr, err := manager.New(w.config, manager.Options{
		Scheme: host.Scheme(), Cache: host.Caches(h), Client: host.CachedClient(h), Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	o := discovery.Options{Partition: w.namespace, Log: slog.New(slog.DiscardHandler), Prober: w.prober, LookEvery: 50 * time.Millisecond}
	if err := discovery.Add(ctx, mgr, o); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("manager: %v", err)
		}
	}
	w.t.Cleanup(w.stop)
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.admin.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

func (w *world) found(name, address, mac string) *ingot.DiscoveredHost {
	w.t.Helper()
	o := &ingot.DiscoveredHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
	o.Spec = ingot.DiscoveredHostSpec{Partition: w.namespace, Source: ingot.SourceList, BMCAddress: address, BootMACAddress: mac, CredentialsName: "bmc"}
	w.create(o)
	return o
}

func (w *world) get(name string) *ingot.DiscoveredHost {
	w.t.Helper()
	o := &ingot.DiscoveredHost{}
	if err := w.admin.Get(w.t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, o); err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *world) hosts() []metal3.BareMetalHost {
	w.t.Helper()
	var all metal3.BareMetalHostList
	if err := w.admin.List(w.t.Context(), &all, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	return all.Items
}

// edit changes an object's spec as an operator does.
func (w *world) edit(name string, change func(*ingot.DiscoveredHostSpec)) error {
	w.t.Helper()
	o := w.get(name)
	before := o.DeepCopy()
	change(&o.Spec)
	return w.admin.Patch(w.t.Context(), o, client.MergeFrom(before))
}

func (w *world) accept(name string, a ingot.DiscoveryAcceptance) {
	w.t.Helper()
	if err := w.edit(name, func(s *ingot.DiscoveredHostSpec) { s.Accept = &a }); err != nil {
		w.t.Fatal(err)
	}
}

// reaches waits for a phase of the object's present generation.
func (w *world) reaches(name string, want ingot.DiscoveryPhase) *ingot.DiscoveredHost {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		o := w.get(name)
		if o.Status.Phase == want && o.Status.ObservedGeneration == o.Generation {
			return o
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatalf("%s does not become %s: %+v", name, want, o.Status)
		}
	}
}

// A found machine waits; accepted it becomes one host with what was said, which outlives a restart and is not made again after it was deleted.
func TestAccepted(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.found("a", "redfish-virtualmedia://10.1.0.5", "52:54:00:01:00:01")
	w.reaches("a", ingot.DiscoveryFound)
	if n := len(w.hosts()); n != 0 {
		t.Fatalf("%d hosts before anybody accepted", n)
	}
	w.accept("a", ingot.DiscoveryAcceptance{Name: "web1", CredentialsName: "web1-bmc"})
	o := w.reaches("a", ingot.DiscoveryAccepted)
	all := w.hosts()
	if len(all) != 1 || all[0].Name != "web1" || all[0].Spec.BMC.CredentialsName != "web1-bmc" || all[0].Spec.BootMACAddress != "52:54:00:01:00:01" || all[0].Labels[ingot.PartitionLabel] != w.namespace {
		t.Fatalf("hosts %+v", all)
	}
	if o.Status.Host == nil || o.Status.Host.UID != string(all[0].UID) || o.Status.Host.UID == "" {
		t.Errorf("status.host %+v, the host is %s", o.Status.Host, all[0].UID)
	}
	if err := w.edit("a", func(s *ingot.DiscoveredHostSpec) { s.Accept.Name = "web2" }); err == nil || !strings.Contains(err.Error(), "a host was made of it") {
		t.Errorf("a change after the host was made: %v", err)
	}
	w.stop()
	if err := w.admin.Delete(t.Context(), &all[0]); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.found("z", "redfish-virtualmedia://10.1.0.6", "")
	w.reaches("z", ingot.DiscoveryFound) // the new process has looked at all there was: one worker, in their order
	if n := len(w.hosts()); n != 0 {
		t.Errorf("%d hosts: the deleted one came back", n)
	}
}

// What was made before a crash is taken for ours, and no second one is made.
func TestCrashBetweenHostAndStatus(t *testing.T) {
	w := newWorld(t)
	o := w.found("a", "redfish-virtualmedia://10.2.0.5", "52:54:00:02:00:01")
	w.accept("a", ingot.DiscoveryAcceptance{})
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "a", Annotations: map[string]string{ingot.DiscoveredFromAnnotation: string(o.UID)}}}
	h.Spec.BMC = metal3.BMCDetails{Address: "redfish-virtualmedia://10.2.0.5", CredentialsName: "bmc"}
	if err := w.role.Create(t.Context(), h); err != nil {
		t.Fatalf("the partition role makes a host as it would: %v", err)
	}
	w.start()
	if o = w.reaches("a", ingot.DiscoveryAccepted); o.Status.Host.UID != string(h.UID) || len(w.hosts()) != 1 {
		t.Errorf("status %+v, %d hosts", o.Status, len(w.hosts()))
	}
}

// Two finds of one machine never become two hosts, and a host that comes or goes changes what its finds say.
func TestDuplicates(t *testing.T) {
	w := newWorld(t)
	w.found("a", "redfish-virtualmedia://10.3.0.5", "52:54:00:03:00:01")
	w.found("b", "ipmi://10.3.0.5", "52:54:00:03:00:02")
	w.accept("a", ingot.DiscoveryAcceptance{})
	w.accept("b", ingot.DiscoveryAcceptance{})
	w.start()
	first, second := "a", "b"
	w.until("one of them is a host", func() bool {
		a, b := w.get("a").Status.Phase, w.get("b").Status.Phase
		if b == ingot.DiscoveryAccepted {
			first, second = "b", "a"
		}
		return a != "" && b != "" && (a == ingot.DiscoveryAccepted) != (b == ingot.DiscoveryAccepted)
	})
	o := w.reaches(second, ingot.DiscoveryRefused)
	if o.Status.DuplicateOf == nil || o.Status.DuplicateOf.Name != first || !strings.Contains(o.Status.Message, "the BMC 10.3.0.5") || len(w.hosts()) != 1 {
		t.Errorf("%+v, %d hosts", o.Status, len(w.hosts()))
	}
	w.found("c", "redfish-virtualmedia://10.3.0.9", "")
	w.reaches("c", ingot.DiscoveryFound)
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "theirs"}}
	h.Spec.BMC = metal3.BMCDetails{Address: "redfish-virtualmedia://10.3.0.9/redfish/v1/Systems/1", CredentialsName: "bmc"}
	w.create(h)
	w.reaches("c", ingot.DiscoveryDuplicate)
	if err := w.admin.Delete(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	w.reaches("c", ingot.DiscoveryFound)
	// The name of a host of somebody else.
	w.create(&metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "taken"}})
	w.accept("c", ingot.DiscoveryAcceptance{Name: "taken"})
	w.reaches("c", ingot.DiscoveryRefused)
	if err := w.edit("c", func(s *ingot.DiscoveredHostSpec) { s.Accept, s.Ignore = nil, true }); err != nil {
		t.Fatal(err)
	}
	w.reaches("c", ingot.DiscoveryIgnored)
}

// What the API server refuses of a host is said in its words, and mended by an edit.
func TestRefusedByTheAPIServer(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.found("a", "gopher://10.4.0.5", "52:54:00:04:00:01")
	w.accept("a", ingot.DiscoveryAcceptance{})
	if o := w.reaches("a", ingot.DiscoveryRefused); !strings.Contains(o.Status.Message, "the scheme 'gopher' is unknown") || o.Status.Host != nil {
		t.Errorf("%+v", o.Status)
	}
	w.accept("a", ingot.DiscoveryAcceptance{BMCAddress: "ipmi://10.4.0.5"})
	w.reaches("a", ingot.DiscoveryAccepted)
}

// The partition role makes hosts of finds, on which nothing is to run, and no others; finds themselves it does not make.
func TestWhatThePartitionMayMake(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change func(*metal3.BareMetalHost)
		says   string
	}{
		"no-origin":   {func(h *metal3.BareMetalHost) { h.Annotations = nil }, "accepted DiscoveredHosts only"},
		"annotations": {func(h *metal3.BareMetalHost) { h.Annotations[ingot.EraseAnnotation] = "metadata" }, "without any annotation but"},
		"image": {func(h *metal3.BareMetalHost) {
			h.Spec.Image = &metal3.Image{URL: "https://images.test/x", Checksum: strings.Repeat("a", 64)}
		}, "nothing is to run on"},
		"user-data": {func(h *metal3.BareMetalHost) { h.Spec.UserData = &corev1.SecretReference{Name: "x"} }, "nothing is to run on"},
		"external":  {func(h *metal3.BareMetalHost) { h.Spec.ExternallyProvisioned = true }, "nothing is to run on"},
	} {
		h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Annotations: map[string]string{ingot.DiscoveredFromAnnotation: "uid"}}}
		c.change(h)
		if err := w.role.Create(t.Context(), h); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	o := &ingot.DiscoveredHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "mine"}, Spec: ingot.DiscoveredHostSpec{Partition: w.namespace, Source: ingot.SourceList, BMCAddress: "ipmi://10.0.0.1"}}
	if err := w.role.Create(t.Context(), o); err == nil {
		t.Error("the partition role made a DiscoveredHost of an operator's list")
	}
	for name, c := range map[string]struct {
		change func(*ingot.DiscoveredHostSpec)
		says   string
	}{
		"nothing": {func(s *ingot.DiscoveredHostSpec) { s.BMCAddress = "" }, "nothing tells this machine from others"},
		"both":    {func(s *ingot.DiscoveredHostSpec) { s.Ignore, s.Accept = true, &ingot.DiscoveryAcceptance{} }, "accept and ignore are both set"},
		"mac":     {func(s *ingot.DiscoveredHostSpec) { s.BootMACAddress = "52-54-00-00-00-01" }, "spec.bootMACAddress"},
		"source":  {func(s *ingot.DiscoveredHostSpec) { s.Source = "rumour" }, "spec.source"},
	} {
		o := &ingot.DiscoveredHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: ingot.DiscoveredHostSpec{Partition: w.namespace, Source: ingot.SourceList, BMCAddress: "ipmi://10.0.0.1"}}
		c.change(&o.Spec)
		if err := w.admin.Create(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
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
			w.t.Fatalf("gave up waiting: %s", what)
		}
	}
}
