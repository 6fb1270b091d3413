package host_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
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

	"github.com/go-logr/logr"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/lifecycle"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// patience is how long a condition may take to come true on a machine whose two cores are shared.
const patience = 3 * time.Minute

// world is a partition with its own name, one namespace, BMCs in memory and agents that are goroutines, around reconcilers that come and go.
type world struct {
	t         *testing.T
	partition string
	namespace string
	admin     client.Client
	role      *rest.Config
	bmcs      *fake.Driver
	log       *slog.Logger

	// ahead moves the reconcilers' clock: back-offs last minutes.
	ahead atomic.Int64
	// wrap changes a reconciler's options before it starts.
	wrap func(*host.Options)
	// wrapClient changes the manager's client.
	wrapClient func(client.Client) client.Client

	mu      sync.Mutex
	current *host.Reconciler
	stop    func()
	// hardware is what BMCs that are added say of their machines, lacks what they cannot.
	hardware bmc.Hardware
	lacks    []bmc.Capability
	// bios changes the firmware of BMCs that are added.
	bios func(*fake.Config)

	// machines by the address of their BMC.
	machines map[string]*machine
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return newWorldOn(t, controlplanetest.Shared(t))
}

// newWorldOn is a world on an API server of its own.
func newWorldOn(t *testing.T, cp *controlplanetest.Server) *world {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	name = name[max(0, len(name)-40):]
	name = strings.Trim(name, "-") + "-" + hex.EncodeToString([]byte(fmt.Sprint(time.Now().UnixNano()%1000)))
	admin, err := client.New(cp.Admin, client.Options{Scheme: host.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, partition: name, namespace: name, admin: admin, role: cp.As(t, "partition", name), bmcs: fake.New(), machines: map[string]*machine{},
		log: slog.New(slog.DiscardHandler),
	}
	if os.Getenv("INGOT_TEST_LOG") != "" {
		w.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	w.role.QPS = -1
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}})
	cp.BindHosts(t, w.namespace)
	w.create(&ingot.Partition{
		ObjectMeta: metav1.ObjectMeta{Name: w.partition},
		Spec: ingot.PartitionSpec{ProvisioningNetwork: ingot.ProvisioningNetwork{
			CIDR: "10.9.0.0/24", RangeStart: "10.9.0.10", RangeEnd: "10.9.0.200", DHCPMode: ingot.DHCPServer, BootServer: "10.9.0.2",
		}},
	})
	t.Cleanup(func() {
		w.kill()
		w.endMachines()
	})
	return w
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.admin.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// advance moves the clock and has the hosts looked at.
func (w *world) advance(d time.Duration) { w.ahead.Add(int64(d)) }

// start runs a reconciler until stop.
func (w *world) start() {
	w.t.Helper()
	h, err := rest.HTTPClientFor(w.role)
	if err != nil {
		w.t.Fatal(err)
	}
	live, err := client.New(w.role, client.Options{HTTPClient: h, Scheme: host.Scheme()})
	if err != nil {
		w.t.Fatal(err)
	}
	mgr, err := manager.New(w.role, manager.Options{
		Scheme: host.Scheme(), Cache: host.Caches(h), Client: host.CachedClient(h), Logger: logr.FromSlogHandler(w.log.Handler()),
		Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Controller: config.Controller{SkipNameValidation: ptr.To(true)}, GracefulShutdownTimeout: ptr.To(20 * time.Second),
		NewClient: func(c *rest.Config, o client.Options) (client.Client, error) {
			made, err := client.New(c, o)
			if err != nil || w.wrapClient == nil {
				return made, err
			}
			return w.wrapClient(made), nil
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	o := host.Options{
		Config: host.Config{
			Partition: w.partition, AgentEndpoint: "https://10.9.0.2:8443", MediaEndpoint: "https://10.9.0.2:8445", CABundle: []byte("CA"),
			FirstBootKey: secret.New("a key of the partition, at least 32 bytes"), BMCTimeout: 30 * time.Second, BMCActions: 16, ProgressEvery: time.Second,
		},
		BMCs: perCall{w.bmcs}, Live: live, Workers: 4, Log: w.log, Decide: lifecycle.Decide, Now: w.now, Metrics: prometheus.NewRegistry(),
	}
	if w.wrap != nil {
		w.wrap(&o)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	r, err := host.Add(ctx, mgr, o)
	if err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := mgr.Start(ctx); err != nil && ctx.Err() == nil {
			w.t.Errorf("manager ended: %v", err)
		}
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current, w.stop = r, func() { cancel(); <-ended }
}

// kill ends the reconciler; what it had in memory is gone.
func (w *world) kill() {
	w.mu.Lock()
	stop := w.stop
	w.current, w.stop = nil, nil
	w.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (w *world) reconciler() *host.Reconciler {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current
}

// perCall opens a session for each action, so that every action meets the faults of a login too.
type perCall struct{ driver bmc.Driver }

func (p perCall) Use(ctx context.Context, t bmc.Target, do func(bmc.Session) error) error {
	s, err := p.driver.Open(ctx, t)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close(context.WithoutCancel(ctx)) }()
	return do(s)
}

// addHost makes a machine with its BMC, its Secret and its host. edit may change the host before it is created.
func (w *world) addHost(name string, edit func(*metal3.BareMetalHost)) *machine {
	w.t.Helper()
	m := w.addMachine(name)
	w.addHostFor(m, edit)
	return m
}

// addHostFor makes Secret and host of a machine that is there.
func (w *world) addHostFor(m *machine, edit func(*metal3.BareMetalHost)) {
	w.t.Helper()
	w.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: m.name + "-bmc"},
		StringData: map[string]string{"username": "admin", "password": "secret"},
	})
	w.createHost(m, edit)
}

func (w *world) createHost(m *machine, edit func(*metal3.BareMetalHost)) {
	w.t.Helper()
	h := &metal3.BareMetalHost{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: m.name, Labels: map[string]string{ingot.PartitionLabel: w.partition}},
		Spec: metal3.BareMetalHostSpec{
			Online: true, BootMACAddress: m.mac, BootMode: metal3.UEFI, AutomatedCleaningMode: metal3.CleaningModeMetadata,
			BMC: metal3.BMCDetails{Address: m.address, CredentialsName: m.name + "-bmc"},
		},
	}
	if edit != nil {
		edit(h)
	}
	w.create(h)
}

func (w *world) machine(name string) *machine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.machines[name]
}

// setSecret replaces a Secret's content.
func (w *world) setSecret(name string, data map[string]string) {
	w.t.Helper()
	w.until("write Secret "+name, func() bool {
		s := &corev1.Secret{}
		if err := w.admin.Get(w.t.Context(), w.key(name), s); err != nil {
			w.t.Fatal(err)
		}
		s.Data, s.StringData = nil, data
		return w.admin.Update(w.t.Context(), s) == nil
	})
}

// withImage asks for an image.
func withImage(h *metal3.BareMetalHost) {
	h.Spec.Image = &metal3.Image{URL: "https://images.test/debian.raw.zst", Checksum: strings.Repeat("ab", 32), ChecksumType: metal3.SHA256, DiskFormat: ptr.To("raw")}
	h.Spec.RootDeviceHints = &metal3.RootDeviceHints{SerialNumber: "ROOT"}
}

func (w *world) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: w.namespace, Name: name}
}

func (w *world) host(name string) *metal3.BareMetalHost {
	h := &metal3.BareMetalHost{}
	if err := w.admin.Get(w.t.Context(), w.key(name), h); err != nil {
		return nil
	}
	return h
}

func (w *world) record(name string) *ingot.HostLifecycle {
	l := &ingot.HostLifecycle{}
	if err := w.admin.Get(w.t.Context(), w.key(name), l); err != nil {
		return &ingot.HostLifecycle{}
	}
	return l
}

// edit changes a host as a person would.
func (w *world) edit(name string, change func(*metal3.BareMetalHost)) {
	w.t.Helper()
	w.until("edit "+name, func() bool {
		h := w.host(name)
		if h == nil {
			w.t.Fatalf("host %s is gone", name)
		}
		change(h)
		return w.admin.Update(w.t.Context(), h) == nil
	})
}

func annotate(key, value string) func(*metal3.BareMetalHost) {
	return func(h *metal3.BareMetalHost) {
		if h.Annotations == nil {
			h.Annotations = map[string]string{}
		}
		h.Annotations[key] = value
	}
}

// nudge has a host looked at, as any edit does.
func (w *world) nudge(name string) {
	w.edit(name, annotate("test/nudge", fmt.Sprint(time.Now().UnixNano())))
}

// until waits for a condition. Polling the API from outside is how users of it wait, too.
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
			w.t.Fatalf("gave up waiting: %s\n%s", what, w.describe())
		}
	}
}

func (w *world) untilState(name string, s metal3.ProvisioningState) {
	w.t.Helper()
	w.until(fmt.Sprintf("%s is %q", name, s), func() bool {
		h := w.host(name)
		return h != nil && h.Status.Provisioning.State == s
	})
}

func (w *world) untilGone(name string) {
	w.t.Helper()
	w.until(name+" is gone", func() bool { return w.host(name) == nil })
}

// describe says where all hosts are, for failed tests.
func (w *world) describe() string {
	var b strings.Builder
	var all metal3.BareMetalHostList
	if err := w.admin.List(context.Background(), &all, client.InNamespace(w.namespace)); err != nil {
		return err.Error()
	}
	for _, h := range all.Items {
		l := &ingot.HostLifecycle{}
		_ = w.admin.Get(context.Background(), client.ObjectKeyFromObject(&h), l)
		fmt.Fprintf(&b, "%s: state %q, error %q %q, powered %v, record: stage %s, %+v, step %+v, boot %+v, failure %+v\n", h.Name, h.Status.Provisioning.State,
			h.Status.ErrorType, h.Status.ErrorMessage, h.Status.PoweredOn, l.Status.Stage, l.Status.Outcome, l.Status.Step, l.Status.Boot, l.Status.Failure)
		for _, e := range l.Status.Timeline {
			fmt.Fprintf(&b, "    %s %s %s %s %s\n", e.StartedAt.Format(time.TimeOnly), e.Stage, e.Step, e.Result, e.Message)
		}
	}
	return b.String()
}

func hashText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
