package hostclaim_test

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
	"github.com/ingotmetal/ingot/internal/controller/controllertest"
	"github.com/ingotmetal/ingot/internal/controller/hostclaim"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// patience is how long a condition may take to come true on a machine whose two cores are shared.
const patience = 3 * time.Minute

// world is a tenant's namespace and one of hosts, under the real API server with its policies and the role's own rights.
type world struct {
	t             *testing.T
	tenant, racks string
	admin         client.Client
	config, role  *rest.Config
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
	suffix := rand.String(6)
	w := &world{t: t, tenant: "tenant-" + suffix, racks: "racks-" + suffix, admin: admin, config: cp.Admin, role: cp.As(t, "controller", "")}
	w.role.QPS = -1
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.tenant, Labels: map[string]string{"tier": "gold"}}})
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.racks}})
	return w
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.admin.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

// start runs the controller until stop, as one process of the role.
func (w *world) start() (stop func()) {
	w.t.Helper()
	return controllertest.Run(w.t, w.role, scheme(w.t), hostclaim.Caches(), func(ctx context.Context, mgr manager.Manager, live client.Client, log *slog.Logger) error {
		return hostclaim.Add(ctx, mgr, hostclaim.Options{Live: live, Log: log, Recheck: 200 * time.Millisecond})
	})
}

// open lets tenants have the hosts of the racks.
func (w *world) open(name string, to metal3.HostClaimNamespaces) {
	w.t.Helper()
	w.create(&metal3.HostDeployPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: name}, Spec: metal3.HostDeployPolicySpec{HostClaimNamespaces: &to}})
}

// host makes an available host whose wipe is proved, as the partition role leaves one.
func (w *world) host(name string, edit func(*metal3.BareMetalHost)) {
	w.t.Helper()
	h := &metal3.BareMetalHost{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: name},
		Spec:       metal3.BareMetalHostSpec{AutomatedCleaningMode: metal3.CleaningModeMetadata, BMC: metal3.BMCDetails{Address: "redfish-virtualmedia://10.0.0.5/redfish/v1/Systems/1", CredentialsName: "bmc"}},
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
	l := &ingot.HostLifecycle{}
	key := client.ObjectKey{Namespace: w.racks, Name: name}
	if err := w.admin.Get(w.t.Context(), key, l); err != nil {
		l = &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: name}}
		w.create(l)
	}
	l.Status.CleanedAt = nil
	if clean {
		l.Status.CleanedAt = ptr.To(metav1.Now())
	}
	if err := w.admin.Status().Update(w.t.Context(), l); err != nil {
		w.t.Fatal(err)
	}
}

// state writes a host's status, as the partition role does.
func (w *world) state(name string, state metal3.ProvisioningState, image string) {
	w.t.Helper()
	w.until("the status of "+name+" is written", func() error {
		h := w.hostNow(name)
		h.Status.Provisioning.State, h.Status.Provisioning.Image.URL, h.Status.OperationalStatus = state, image, metal3.OperationalStatusOK
		h.Status.PoweredOn = h.Spec.Online
		h.Status.Conditions = []metav1.Condition{{Type: metal3.ReadyCondition, Status: metav1.ConditionTrue, Reason: "X", Message: "the BMC 10.0.0.5 says so", LastTransitionTime: metav1.Now()}}
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

func (w *world) claim(name string, edit func(*metal3.HostClaim)) {
	w.t.Helper()
	c := &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.tenant, Name: name}, Spec: metal3.HostClaimSpec{PoweredOn: true}}
	c.Spec.HostSelector.InNamespace = w.racks
	if edit != nil {
		edit(c)
	}
	w.create(c)
}

func (w *world) claimNow(name string) *metal3.HostClaim {
	c := &metal3.HostClaim{}
	if err := w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: w.tenant, Name: name}, c); err != nil {
		return nil
	}
	return c
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

// says waits for a condition of a claim.
func (w *world) says(name, kind string, status metav1.ConditionStatus, reason, words string) {
	w.t.Helper()
	w.until(fmt.Sprintf("claim %s says %s=%s %s %q", name, kind, status, reason, words), func() error {
		c := w.claimNow(name)
		if c == nil {
			return fmt.Errorf("it is gone")
		}
		for _, x := range c.Status.Conditions {
			if x.Type == kind && x.Status == status && x.Reason == reason && strings.Contains(x.Message, words) {
				return nil
			}
		}
		return fmt.Errorf("%+v", c.Status.Conditions)
	})
}

func (w *world) bound(name, host string) {
	w.t.Helper()
	w.says(name, metal3.AssociatedCondition, metav1.ConditionTrue, metal3.BareMetalHostAssociatedReason, w.racks+"/"+host)
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
