package size_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/controllertest"
	"github.com/ingotmetal/ingot/internal/controller/size"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// patience is how long a condition may take to come true on a machine whose two cores are shared.
const patience = 3 * time.Minute

type world struct {
	t     *testing.T
	racks string
	admin client.Client
	role  *rest.Config
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

func newWorld(t *testing.T) *world {
	t.Helper()
	cp := controlplanetest.Shared(t)
	admin, err := client.New(cp.Admin, client.Options{Scheme: scheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, racks: "racks-" + rand.String(6), admin: admin, role: cp.As(t, "controller", "")}
	w.role.QPS = -1
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.racks}})
	return w
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.admin.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

// start runs the controllers with the role's own rights until the test ends.
func (w *world) start() {
	w.t.Helper()
	controllertest.Run(w.t, w.role, scheme(w.t), size.Caches(), func(_ context.Context, mgr manager.Manager, live client.Client, log *slog.Logger) error {
		return size.Add(mgr, size.Options{Live: live, Log: log, Settle: 50 * time.Millisecond})
	})
}

// host makes one that comes out of its inspection, as the partition role leaves it: the hardware first, then the record, then the host's state.
func (w *world) host(name string, memoryGiB int, gpus ...string) {
	w.t.Helper()
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: name}}
	w.create(h)
	// Sizes count the hosts of all namespaces.
	w.t.Cleanup(func() {
		for _, o := range []client.Object{h, &metal3.HardwareData{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: name}}} {
			if err := w.admin.Delete(context.WithoutCancel(w.t.Context()), o); client.IgnoreNotFound(err) != nil {
				w.t.Error(err)
			}
		}
	})
	w.state(h, metal3.StateInspecting)
	w.create(&metal3.HardwareData{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: name}, Spec: metal3.HardwareDataSpec{HardwareDetails: hardware(memoryGiB)}})
	l := &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: name}}
	w.create(l)
	w.inspected(l, gpus...)
	w.state(h, metal3.StateAvailable)
}

func hardware(memoryGiB int) *metal3.HardwareDetails {
	return &metal3.HardwareDetails{CPU: metal3.CPU{Count: 16, Model: "EPYC", Flags: []string{"aes"}}, RAMMebibytes: memoryGiB << 10, Storage: []metal3.Storage{{Name: "/dev/sda", Type: metal3.SSD, SizeBytes: 480e9}}}
}

func (w *world) inspected(l *ingot.HostLifecycle, gpus ...string) {
	w.t.Helper()
	l.Status.Hardware = &ingot.HardwareStatus{InspectedAt: metav1.Now()}
	for _, g := range gpus {
		l.Status.Hardware.GPUs = append(l.Status.Hardware.GPUs, ingot.GPU{Model: g})
	}
	if err := w.admin.Status().Update(w.t.Context(), l); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) state(h *metal3.BareMetalHost, to metal3.ProvisioningState) {
	w.t.Helper()
	w.becomes(fmt.Sprintf("host %s is written as %s", h.Name, to), func() (bool, string) {
		if err := w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(h), h); err != nil {
			return false, err.Error()
		}
		h.Status.OperationalStatus, h.Status.Provisioning.State = metal3.OperationalStatusOK, to
		if err := w.admin.Status().Update(w.t.Context(), h); err != nil {
			return false, err.Error() // the controller wrote the label meanwhile
		}
		return true, ""
	})
}

// size makes one whose machines have 16 cores, an SSD and this much memory.
func (w *world) size(name string, least, most int64, more ...ingot.SizeConstraint) *ingot.Size {
	w.t.Helper()
	gib := func(n int64) *resource.Quantity { return resource.NewQuantity(n<<30, resource.BinarySI) }
	s := &ingot.Size{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ingot.SizeSpec{Constraints: append([]ingot.SizeConstraint{
		{Type: ingot.SizeCores, Min: resource.NewQuantity(16, resource.DecimalSI), Max: resource.NewQuantity(16, resource.DecimalSI)},
		{Type: ingot.SizeMemory, Min: gib(least), Max: gib(most)}, {Type: ingot.SizeDisks, Medium: "SSD"},
	}, more...)}}
	w.create(s)
	w.t.Cleanup(func() {
		if err := w.admin.Delete(context.WithoutCancel(w.t.Context()), s); client.IgnoreNotFound(err) != nil {
			w.t.Error(err)
		}
	})
	return s
}

// becomes waits until something is said of the objects.
func (w *world) becomes(what string, holds func() (bool, string)) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for {
		ok, have := holds()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			w.t.Fatalf("%s: %s", what, have)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (w *world) hostHas(name, want string) {
	w.t.Helper()
	w.becomes(fmt.Sprintf("host %s has the size %q", name, want), func() (bool, string) {
		h := &metal3.BareMetalHost{}
		if err := w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: w.racks, Name: name}, h); err != nil {
			return false, err.Error()
		}
		got, labelled := h.Labels[ingot.SizeLabel]
		return got == want && labelled == (want != ""), fmt.Sprint(h.Labels)
	})
}

func (w *world) sizeSays(name, reason string, hosts, ambiguous int32, words string) {
	w.t.Helper()
	w.becomes(fmt.Sprintf("size %s: %s, %d hosts, %d ambiguous, %q", name, reason, hosts, ambiguous, words), func() (bool, string) {
		s := &ingot.Size{}
		if err := w.admin.Get(w.t.Context(), client.ObjectKey{Name: name}, s); err != nil {
			return false, err.Error()
		}
		c := meta.FindStatusCondition(s.Status.Conditions, "Ready")
		return c != nil && c.Reason == reason && c.ObservedGeneration == s.Generation && s.Status.Hosts == hosts && s.Status.Ambiguous == ambiguous && strings.Contains(c.Message, words), fmt.Sprintf("%+v", s.Status)
	})
}

// TestSizesOfHosts is the life of labels and statuses, in one site, since sizes are in no namespace.
func TestSizesOfHosts(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.host("small", 32)
	w.host("large", 64)
	w.host("gpu", 32, "NVIDIA 10de:20b0")
	w.size("m1", 31, 32)
	large := w.size("m2", 63, 64)
	w.hostHas("small", "m1")
	w.hostHas("large", "m2")
	w.sizeSays("m1", "Ready", 1, 0, "1 host have this size")
	w.size("g1", 31, 32, ingot.SizeConstraint{Type: ingot.SizeGPUs, Identifier: "nvidia *", Min: resource.NewQuantity(1, resource.DecimalSI)})
	w.hostHas("gpu", "g1")

	// Somebody else writes the label, and takes it away.
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: "small"}}
	for _, labels := range []string{`{"ingot.dev/size": "g1"}`, `{"ingot.dev/size": null, "rack": "7"}`} {
		if err := w.admin.Patch(t.Context(), h, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":`+labels+`}}`))); err != nil {
			t.Fatal(err)
		}
		w.hostHas("small", "m1")
	}
	if err := w.admin.Get(t.Context(), client.ObjectKeyFromObject(h), h); err != nil || h.Labels["rack"] != "7" {
		t.Errorf("an operator's label: %v, %v", h.Labels, err)
	}

	// A size that matches the same machines: they have none, and both sizes say why.
	wide := w.size("wide", 1, 32)
	w.hostHas("small", "")
	w.sizeSays("m1", "Overlaps", 0, 1, "the size wide matches some of the same machines")
	w.sizeSays("wide", "Overlaps", 0, 1, "the size m1 matches")
	if err := w.admin.Delete(t.Context(), wide); err != nil {
		t.Fatal(err)
	}
	w.hostHas("small", "m1")
	w.sizeSays("m1", "Ready", 1, 0, "")

	// Other hardware.
	data := &metal3.HardwareData{}
	if err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: w.racks, Name: "small"}, data); err != nil {
		t.Fatal(err)
	}
	if err := w.admin.Delete(t.Context(), data); err != nil {
		t.Fatal(err)
	}
	w.hostHas("small", "")
	w.create(&metal3.HardwareData{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: "small"}, Spec: metal3.HardwareDataSpec{HardwareDetails: hardware(64)}})
	w.hostHas("small", "m2")
	w.sizeSays("m2", "Ready", 2, 0, "2 hosts have")

	// A GPU that inspection finds beside hardware that stays the same.
	l := &ingot.HostLifecycle{}
	if err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: w.racks, Name: "large"}, l); err != nil {
		t.Fatal(err)
	}
	if err := w.admin.Get(t.Context(), client.ObjectKeyFromObject(l), h); err != nil {
		t.Fatal(err)
	}
	w.state(h, metal3.StateInspecting)
	w.inspected(l, "AMD 1002:740f")
	w.state(h, metal3.StateAvailable)
	w.hostHas("large", "")

	// A size that goes.
	if err := w.admin.Delete(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	w.hostHas("small", "")
}

// TestOthersLabelsAreNotTheControllers: the role may write the size, and no other label.
func TestOthersLabelsAreNotTheControllers(t *testing.T) {
	w := newWorld(t)
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: "host", Labels: map[string]string{"rack": "7"}}}
	w.create(h)
	role, err := client.New(w.role, client.Options{Scheme: scheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	for labels, allowed := range map[string]bool{`{"ingot.dev/size": "m1"}`: true, `{"ingot.dev/size": null}`: true, `{"rack": "8"}`: false, `{"rack": null}`: false, `{"tier": "gold"}`: false} {
		err := role.Patch(t.Context(), h.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":`+labels+`}}`)), client.DryRunAll)
		if (err == nil) != allowed || err != nil && !strings.Contains(err.Error(), "metadata.labels") {
			t.Errorf("%s: %v", labels, err)
		}
	}
}
