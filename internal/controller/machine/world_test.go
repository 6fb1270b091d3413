package machine_test

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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/internal/controller/controllertest"
	"github.com/ingotmetal/ingot/internal/controller/hostclaim"
	"github.com/ingotmetal/ingot/internal/controller/machine"
	"github.com/ingotmetal/ingot/internal/controller/quota"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// patience is how long a condition may take to come true on a machine whose two cores are shared.
const patience = 4 * time.Minute

// world is two projects of a tenant and a namespace of hosts, under the real API server with its policies and the role's own rights. The partition role and the address controller are played by the test.
type world struct {
	t *testing.T
	// tenant is the label's value and the tenant's own namespace; a and b are its projects.
	tenant, a, b, racks string
	size, partition     string
	admin               client.Client
	config, role        *rest.Config
	// mesh is what start gives the controller; nil: none.
	mesh *machine.Mesh
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
	admin, err := client.NewWithWatch(cp.Admin, client.Options{Scheme: scheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	x := rand.String(6)
	w := &world{t: t, tenant: "t-" + x, a: "a-" + x, b: "b-" + x, racks: "racks-" + x, size: "c1-" + x, partition: "fra-" + x, admin: admin, config: cp.Admin, role: cp.As(t, "controller", "")}
	w.role.QPS = -1
	for name, labels := range map[string]map[string]string{
		w.tenant: {ingot.TenantLabel: w.tenant},
		w.a:      {ingot.TenantLabel: w.tenant, ingot.ProjectLabel: "a"},
		w.b:      {ingot.TenantLabel: w.tenant, ingot.ProjectLabel: "b"},
		w.racks:  nil,
	} {
		w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
	}
	w.create(&metal3.HostDeployPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: "p"},
		Spec: metal3.HostDeployPolicySpec{HostClaimNamespaces: &metal3.HostClaimNamespaces{HasLabels: []metal3.NameValuePair{{Name: ingot.TenantLabel, Value: w.tenant}}}}})
	w.image("debian-"+version(x), "https://images.test/"+x)
	return w
}

// version makes a number of a random text, so that each world has an image of its own in the one cluster.
func version(x string) string {
	n := 0
	for _, c := range x {
		n = (n*36 + int(c)) % 900_000_000
	}
	return fmt.Sprintf("%d.1", n)
}

// imageName is the world's shorthand: the version's first number.
func (w *world) imageName() string {
	return strings.TrimSuffix("debian-"+version(strings.TrimPrefix(w.tenant, "t-")), ".1")
}

const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func (w *world) image(name, url string) {
	w.t.Helper()
	_, v, _ := strings.Cut(name, "-")
	w.create(&ingot.Image{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ingot.ImageSpec{OS: "debian", Version: v, URL: url, Digest: digest, Format: ingot.ImageRaw,
		Classification: ingot.ImageSupported, Features: []ingot.ImageFeature{ingot.ImageForMachine, ingot.ImageForFirewall}}})
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.admin.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

// start runs both controllers until stop, as one process of the role.
func (w *world) start() (stop func()) {
	w.t.Helper()
	return controllertest.Run(w.t, w.role, scheme(w.t), hostclaim.Caches(), func(ctx context.Context, mgr manager.Manager, live client.Client, log *slog.Logger) error {
		if err := hostclaim.Add(ctx, mgr, hostclaim.Options{Live: live, Log: log, Recheck: 200 * time.Millisecond}); err != nil {
			return err
		}
		if err := machine.Add(ctx, mgr, machine.Options{Live: live, Log: log, Recheck: 500 * time.Millisecond, Mesh: w.mesh}); err != nil {
			return err
		}
		return quota.Add(mgr, quota.Options{Log: log, Every: 300 * time.Millisecond})
	})
}

// host makes an available host of the world's size whose wipe is proved, as the partition role leaves one.
func (w *world) host(name string, edit func(*metal3.BareMetalHost)) {
	w.t.Helper()
	h := &metal3.BareMetalHost{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: name, Labels: map[string]string{ingot.PartitionLabel: w.partition, ingot.SizeLabel: w.size, survey.FailureDomainLabel: "rack-1"}},
		Spec: metal3.BareMetalHostSpec{AutomatedCleaningMode: metal3.CleaningModeMetadata, BootMACAddress: "52:54:00:00:00:01",
			BMC: metal3.BMCDetails{Address: "redfish-virtualmedia://10.0.0.5/redfish/v1/Systems/1", CredentialsName: "bmc"}},
	}
	if edit != nil {
		edit(h)
	}
	w.create(h)
	w.record(name, true)
	w.state(name, metal3.StateAvailable, "")
}

// record writes what the partition role says of the host's disks.
func (w *world) record(name string, clean bool) {
	w.t.Helper()
	w.until("the record of "+name+" is written", func() error {
		l := &ingot.HostLifecycle{}
		if err := w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: w.racks, Name: name}, l); err != nil {
			l = &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: name}}
			if err := w.admin.Create(w.t.Context(), l); err != nil {
				return err
			}
		}
		l.Status.CleanedAt = nil
		if clean {
			l.Status.CleanedAt = ptr.To(metav1.Now())
		}
		return w.admin.Status().Update(w.t.Context(), l)
	})
}

// state writes a host's status, as the partition role does.
func (w *world) state(name string, state metal3.ProvisioningState, image string) {
	w.t.Helper()
	w.until("the status of "+name+" is written", func() error {
		h := &metal3.BareMetalHost{}
		if err := w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: w.racks, Name: name}, h); err != nil {
			return err
		}
		h.Status.Provisioning.State, h.Status.Provisioning.Image.URL, h.Status.OperationalStatus = state, image, metal3.OperationalStatusOK
		h.Status.PoweredOn = h.Spec.Online
		return w.admin.Status().Update(w.t.Context(), h)
	})
}

func (w *world) hostNow(name string) *metal3.BareMetalHost {
	w.t.Helper()
	h := &metal3.BareMetalHost{}
	if err := w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: w.racks, Name: name}, h); err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (w *world) machine(namespace, name string, edit func(*ingot.Machine)) {
	w.t.Helper()
	m := &ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: ingot.MachineSpec{Size: w.size, Partition: w.partition, Image: w.imageName()}}
	if edit != nil {
		edit(m)
	}
	w.create(m)
}

func (w *world) machineNow(namespace, name string) *ingot.Machine {
	m := &ingot.Machine{}
	if err := w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, m); err != nil {
		return nil
	}
	return m
}

// edit changes an object until nobody was faster.
func edit[O client.Object](w *world, o O, namespace, name string, change func(O)) {
	w.t.Helper()
	w.until("edit "+name, func() error {
		if err := w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, o); err != nil {
			return err
		}
		change(o)
		return w.admin.Update(w.t.Context(), o)
	})
}

// phase waits until a machine is in a phase.
func (w *world) phase(namespace, name string, phase ingot.MachinePhase) *ingot.Machine {
	w.t.Helper()
	var m *ingot.Machine
	w.until(fmt.Sprintf("machine %s/%s is %s", namespace, name, phase), func() error {
		if m = w.machineNow(namespace, name); m == nil {
			return fmt.Errorf("it is not there")
		}
		if m.Status.Phase != phase {
			return fmt.Errorf("%+v", m.Status)
		}
		return nil
	})
	return m
}

// says waits for a condition of a machine, with all words in it.
func (w *world) says(namespace, name, kind, reason string, words ...string) {
	w.t.Helper()
	w.until(fmt.Sprintf("machine %s/%s says %s %s %q", namespace, name, kind, reason, words), func() error {
		m := w.machineNow(namespace, name)
		if m == nil {
			return fmt.Errorf("it is gone")
		}
		x := meta.FindStatusCondition(m.Status.Conditions, kind)
		if x == nil || x.Reason != reason {
			return fmt.Errorf("%+v", m.Status)
		}
		for _, word := range words {
			if !strings.Contains(x.Message, word) {
				return fmt.Errorf("%q is not in %q", word, x.Message)
			}
		}
		return nil
	})
}

func (w *world) gone(namespace, name string) {
	w.t.Helper()
	w.until("machine "+name+" is gone", func() error {
		if m := w.machineNow(namespace, name); m != nil {
			return fmt.Errorf("%+v", m.Status)
		}
		return nil
	})
}

func (w *world) until(what string, holds func() error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatalf("not in time: %s: %v", what, err)
		}
	}
}
