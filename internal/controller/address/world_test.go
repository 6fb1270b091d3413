package address_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	clusteripam "sigs.k8s.io/cluster-api/api/ipam/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address"
	"github.com/ingotmetal/ingot/internal/controller/controllertest"
	"github.com/ingotmetal/ingot/internal/controller/quota"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// patience is how long a condition may take to come true on a machine whose two cores are shared.
const patience = 4 * time.Minute

// world is a namespace and a VRF of its own under the real API server, with the role's own rights.
type world struct {
	t         *testing.T
	namespace string
	vrf       string
	admin     client.Client
	role      *rest.Config
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, ingot.AddToScheme, metal3.AddToScheme, address.AddToScheme} {
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
	name := "address-" + rand.String(6)
	w := &world{t: t, namespace: name, vrf: name, admin: admin, role: cp.As(t, "controller", "")}
	w.role.QPS = -1
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	return w
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.admin.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

// start runs the controllers until stop, as one process of the role.
func (w *world) start() (stop func()) {
	w.t.Helper()
	return controllertest.Run(w.t, w.role, scheme(w.t), nil, func(ctx context.Context, mgr manager.Manager, live client.Client, log *slog.Logger) error {
		_, err := address.Add(ctx, mgr, address.Options{Live: live, Log: log, Pace: 20 * time.Millisecond, Sweep: time.Second})
		return err
	})
}

// countQuotas runs what says on Quotas how they stand.
func (w *world) countQuotas() {
	w.t.Helper()
	controllertest.Run(w.t, w.role, scheme(w.t), nil, func(_ context.Context, mgr manager.Manager, _ client.Client, log *slog.Logger) error {
		return quota.Add(mgr, quota.Options{Log: log, Every: 100 * time.Millisecond})
	})
}

func (w *world) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: w.namespace, Name: name}
}

// pool makes an IPPool from first to last of a /24 in the world's VRF.
func (w *world) pool(name, first, last string, edit func(*metal3ipam.IPPool)) *metal3ipam.IPPool {
	w.t.Helper()
	p := &metal3ipam.IPPool{ObjectMeta: w.meta(name)}
	p.Annotations = map[string]string{address.VRFAnnotation: w.vrf}
	p.Spec.NamePrefix = name
	a := netip.MustParseAddr(first)
	subnet, _ := a.Prefix(24)
	p.Spec.Pools = []metal3ipam.Pool{{Start: ptr.To(metal3ipam.IPAddressStr(first)), End: ptr.To(metal3ipam.IPAddressStr(last)), Subnet: ptr.To(metal3ipam.IPSubnetStr(subnet.String())), Prefix: 24}}
	if edit != nil {
		edit(p)
	}
	w.create(p)
	return p
}

func (w *world) ipClaim(name, pool string, annotations map[string]string) {
	w.t.Helper()
	c := &metal3ipam.IPClaim{ObjectMeta: w.meta(name)}
	c.Annotations = annotations
	c.Spec.Pool.Name = pool
	w.create(c)
}

func (w *world) addressClaim(name, group, kind, pool string) {
	w.t.Helper()
	c := &clusteripam.IPAddressClaim{ObjectMeta: w.meta(name)}
	c.Spec.PoolRef = clusteripam.IPPoolReference{APIGroup: group, Kind: kind, Name: pool}
	w.create(c)
}

func (w *world) get(o client.Object, name string) error {
	return w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, o)
}

func (w *world) delete(o client.Object, name string) {
	w.t.Helper()
	o.SetNamespace(w.namespace)
	o.SetName(name)
	if err := w.admin.Delete(w.t.Context(), o); client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
}

// claimed waits for a Metal3 claim's address object.
func (w *world) claimed(name string) *metal3ipam.IPAddress {
	w.t.Helper()
	a := &metal3ipam.IPAddress{}
	w.until("IPClaim "+name+" has an address", func() error {
		c := &metal3ipam.IPClaim{}
		if err := w.get(c, name); err != nil {
			return err
		}
		if c.Status.Address == nil {
			return fmt.Errorf("status %+v", c.Status)
		}
		return w.get(a, c.Status.Address.Name)
	})
	return a
}

// bound waits for the address object of a claim of Cluster API.
func (w *world) bound(name string) *clusteripam.IPAddress {
	w.t.Helper()
	a := &clusteripam.IPAddress{}
	w.until("IPAddressClaim "+name+" has an address", func() error {
		c := &clusteripam.IPAddressClaim{}
		if err := w.get(c, name); err != nil {
			return err
		}
		if c.Status.AddressRef.Name == "" || !meta.IsStatusConditionTrue(c.Status.Conditions, "Ready") {
			return fmt.Errorf("status %+v", c.Status)
		}
		return w.get(a, c.Status.AddressRef.Name)
	})
	return a
}

func (w *world) network(name string, spec ingot.NetworkSpec) {
	w.t.Helper()
	if spec.Parent == nil && spec.VRF == "" {
		spec.VRF = w.vrf
	}
	w.create(&ingot.Network{ObjectMeta: w.meta(name), Spec: spec})
}

func (w *world) networkSays(name, reason string) *ingot.Network {
	w.t.Helper()
	n := &ingot.Network{}
	w.until("network "+name+" says "+reason, func() error {
		if err := w.get(n, name); err != nil {
			return err
		}
		return says(n.Status.Conditions, reason, n.Generation)
	})
	return n
}

func (w *world) ip(name string, spec ingot.IPSpec) {
	w.t.Helper()
	w.create(&ingot.IP{ObjectMeta: w.meta(name), Spec: spec})
}

func (w *world) ipSays(name, reason string) *ingot.IP {
	w.t.Helper()
	o := &ingot.IP{}
	w.until("IP "+name+" says "+reason, func() error {
		if err := w.get(o, name); err != nil {
			return err
		}
		return says(o.Status.Conditions, reason, o.Generation)
	})
	return o
}

func says(conditions []metav1.Condition, reason string, generation int64) error {
	c := meta.FindStatusCondition(conditions, ingot.ReadyCondition)
	if c == nil || c.Reason != reason || c.ObservedGeneration != generation || (c.Status == metav1.ConditionTrue) != (reason == ingot.ReasonAllocated) {
		return fmt.Errorf("conditions %+v", conditions)
	}
	return nil
}

// recorded are the holders by address of this world's VRF; an address that rests is left out.
func (w *world) recorded() map[string]ingot.RecordedAddress {
	w.t.Helper()
	var list ingot.AddressRecordList
	if err := w.admin.List(w.t.Context(), &list); err != nil {
		w.t.Fatal(err)
	}
	all := map[string]ingot.RecordedAddress{}
	for _, r := range list.Items {
		for _, a := range r.Spec.Addresses {
			if r.Spec.VRF != w.vrf || a.Until != nil {
				continue
			}
			if by, twice := all[a.Address]; twice {
				w.t.Fatalf("%s is recorded for %s and %s", a.Address, by.Claim, a.Claim)
			}
			all[a.Address] = a
		}
	}
	return all
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

func (w *world) freed(what string, addresses ...string) {
	w.t.Helper()
	w.until(what, func() error {
		all := w.recorded()
		for _, a := range addresses {
			if by, held := all[a]; held {
				return fmt.Errorf("%s is still recorded for %s", a, by.Claim)
			}
		}
		return nil
	})
}
