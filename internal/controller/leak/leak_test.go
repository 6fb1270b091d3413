package leak_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/internal/controller/controllertest"
	"github.com/ingotmetal/ingot/internal/controller/hostclaim"
	"github.com/ingotmetal/ingot/internal/controller/leak"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

const patience = 4 * time.Minute

type world struct {
	t     *testing.T
	admin client.Client
	racks string
	reg   *prometheus.Registry
}

// start runs the detector as the role, with its rights, and a short grace.
func start(t *testing.T) *world {
	t.Helper()
	cp := controlplanetest.Shared(t)
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, metal3.AddToScheme, ingot.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	admin, err := client.New(cp.Admin, client.Options{Scheme: s})
	if err != nil {
		t.Fatal(err)
	}
	role := cp.As(t, "controller", "")
	w := &world{t, admin, "racks-" + rand.String(6), prometheus.NewRegistry()}
	controllertest.Run(t, role, s, nil, func(_ context.Context, mgr manager.Manager, live client.Client, log *slog.Logger) error {
		return leak.Add(mgr, leak.Options{Live: live, Metrics: w.reg, Log: log, Every: 200 * time.Millisecond, Grace: time.Second})
	})
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.racks}})
	return w
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.admin.Create(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

// host makes one that is installed for a claim.
func (w *world) host(name, claim string, annotations map[string]string) {
	w.t.Helper()
	w.create(&metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: name, Annotations: annotations}, Spec: metal3.BareMetalHostSpec{
		BMC: metal3.BMCDetails{Address: "redfish-virtualmedia://10.0.0.5/redfish/v1/Systems/1", CredentialsName: "bmc"}, Image: &metal3.Image{URL: "oci://images.test/a"}, Online: true,
		ConsumerRef: &corev1.ObjectReference{APIVersion: metal3.GroupVersion.String(), Kind: "HostClaim", Namespace: w.racks, Name: claim},
	}})
	w.create(&ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: name}})
	w.state(name, metal3.StateProvisioned, "oci://images.test/a")
}

func (w *world) state(name string, state metal3.ProvisioningState, url string) {
	w.t.Helper()
	w.until("the state of "+name+" is written", func() error {
		h := w.get(name)
		h.Status.Provisioning.State, h.Status.Provisioning.Image.URL, h.Status.OperationalStatus = state, url, metal3.OperationalStatusOK
		return w.admin.Status().Update(w.t.Context(), h)
	})
}

func (w *world) get(name string) *metal3.BareMetalHost {
	w.t.Helper()
	h := &metal3.BareMetalHost{}
	if err := w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: w.racks, Name: name}, h); err != nil {
		w.t.Fatal(err)
	}
	return h
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

// leaks is what the metric says of now, counted what a counter says: found or mended.
func (w *world) leaks(kind string) float64 { return w.metric("ingot_leaks", kind) }

func (w *world) counted(what, kind string) float64 {
	return w.metric("ingot_leaks_"+what+"_total", kind)
}

func (w *world) metric(name, kind string) float64 {
	w.t.Helper()
	all, err := w.reg.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == kind {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

// Hosts of claims that are gone, or that have another host, are wiped and free; one whose claim is there, and one that is locked, stay as they are.
func TestHostsOfNobodyAreTakenBack(t *testing.T) {
	w := start(t)
	claim := &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: "there"}}
	w.create(claim)
	claim.Status.BareMetalHost = &metal3.ObjectReference{Namespace: w.racks, Name: "kept"}
	if err := w.admin.Status().Update(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	w.host("kept", "there", nil)
	w.host("second", "there", nil)
	w.host("locked", "gone", map[string]string{ingot.LockAnnotation: "evidence"})
	w.host("lost", "gone", nil)
	for _, name := range []string{"lost", "second"} {
		w.until("the image of "+name+" is taken off", func() error {
			if h := w.get(name); h.Spec.Image != nil || h.Spec.Online {
				return fmt.Errorf("it has %+v", h.Spec)
			}
			return nil
		})
		w.state(name, metal3.StateAvailable, "")
	}
	w.until("all leaks are told of", func() error {
		var told eventsv1.EventList
		if err := w.admin.List(t.Context(), &told, client.InNamespace(w.racks)); err != nil {
			return err
		}
		found := map[string]bool{}
		for _, e := range told.Items {
			if e.Reason == "Leaked" {
				found[e.Regarding.Name+" "+e.Note] = true
			}
		}
		text := fmt.Sprint(found)
		for _, want := range []string{"lost the host is held for the claim " + w.racks + "/gone, which is gone", "locked the host is", "second the host is held for the claim " + w.racks + "/there, which has host " + w.racks + "/kept"} {
			if !strings.Contains(text, want) {
				return fmt.Errorf("%q is not in %s", want, text)
			}
		}
		return nil
	})
	// The metric is written at the end of a search, in whose middle a leak is told of.
	w.until("the metric says that there are three", func() error {
		if n := w.leaks("host"); n != 3 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	for _, name := range []string{"lost", "second"} {
		if w.get(name).Spec.ConsumerRef == nil {
			t.Errorf("%s was let go of without a proof of its wipe", name)
		}
		w.until("the wipe is recorded", func() error {
			l := &ingot.HostLifecycle{}
			if err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: w.racks, Name: name}, l); err != nil {
				return err
			}
			l.Status.CleanedAt = ptr.To(metav1.Now())
			return w.admin.Status().Update(t.Context(), l)
		})
		w.until(name+" is free", func() error {
			if h := w.get(name); h.Spec.ConsumerRef != nil {
				return fmt.Errorf("it names %+v", h.Spec.ConsumerRef)
			}
			return nil
		})
	}
	w.until("the metric says that one is left", func() error {
		if n := w.leaks("host"); n != 1 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	if found, mended := w.counted("found", "host"), w.counted("mended", "host"); found != 3 || mended != 2 {
		t.Errorf("%v were found, %v mended", found, mended)
	}
	for _, name := range []string{"kept", "locked"} {
		if h := w.get(name); h.Spec.ConsumerRef == nil || h.Spec.Image == nil {
			t.Errorf("%s was touched: %+v", name, h.Spec)
		}
	}
}

// An address that was made for a Machine which is gone goes too; whether we or the cluster's garbage collector come first does not matter. One that stays by itself stays.
func TestAddressesOfNobodyGo(t *testing.T) {
	w := start(t)
	owner := metav1.OwnerReference{APIVersion: ingot.GroupVersion.String(), Kind: "Machine", Name: "gone", UID: "a-uid-of-nobody"}
	w.create(&ingot.IP{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: "made", OwnerReferences: []metav1.OwnerReference{owner}},
		Spec: ingot.IPSpec{Network: ingot.NetworkReference{Name: "n"}, Type: ingot.EphemeralIP}})
	w.create(&ingot.IP{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: "own"}, Spec: ingot.IPSpec{Network: ingot.NetworkReference{Name: "n"}}})
	w.until("the address is gone", func() error {
		var all ingot.IPList
		if err := w.admin.List(t.Context(), &all, client.InNamespace(w.racks)); err != nil {
			return err
		}
		if len(all.Items) != 1 || all.Items[0].Name != "own" {
			return fmt.Errorf("there are %d", len(all.Items))
		}
		return nil
	})
}

// Copies of a claim's Secrets go where the claim is gone, or has no host beside them, and the mark with them. Those of a claim with another host there stay, and so does what is no copy.
func TestCopiesOfNobodyGo(t *testing.T) {
	w := start(t)
	there := &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: "there"}}
	w.create(there)
	there.Status.BareMetalHost = &metal3.ObjectReference{Namespace: w.racks, Name: "other"}
	if err := w.admin.Status().Update(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	copies := map[string]string{}
	for _, claim := range []string{"gone", "there"} {
		sum := sha256.Sum256([]byte(w.racks + "/" + claim))
		for _, part := range []string{"user-data", "image-pull"} {
			name := "hostclaim-" + hex.EncodeToString(sum[:8]) + "-" + part
			copies[claim+" "+part] = name
			w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: name}, Type: hostclaim.SecretType, Data: map[string][]byte{"value": []byte("x")}})
		}
	}
	// A Secret of such a name that is of another type is somebody else's.
	sum := sha256.Sum256([]byte(w.racks + "/gone"))
	foreign := "hostclaim-" + hex.EncodeToString(sum[:8]) + "-meta-data"
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: foreign}})
	w.create(&metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: w.racks, Name: "free", Annotations: map[string]string{survey.CopiesAnnotation: w.racks + "/gone," + w.racks + "/there"}},
		Spec: metal3.BareMetalHostSpec{BMC: metal3.BMCDetails{Address: "redfish-virtualmedia://10.0.0.5/redfish/v1/Systems/1", CredentialsName: "bmc"}}})
	w.until("the copies of the claim that is gone are gone, and the mark says so", func() error {
		if mark := w.get("free").Annotations[survey.CopiesAnnotation]; mark != w.racks+"/there" {
			return fmt.Errorf("the mark is %q", mark)
		}
		return nil
	})
	for what, name := range copies {
		err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: w.racks, Name: name}, &corev1.Secret{})
		if strings.HasPrefix(what, "gone") != apierrors.IsNotFound(err) {
			t.Errorf("the copy of %s: %v", what, err)
		}
	}
	if err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: w.racks, Name: foreign}, &corev1.Secret{}); err != nil {
		t.Errorf("somebody else's Secret: %v", err)
	}
	w.until("the metrics say so", func() error {
		if now, found, mended := w.leaks("secret"), w.counted("found", "secret"), w.counted("mended", "secret"); now != 0 || found < 1 || mended < 1 {
			return fmt.Errorf("%v now, %v found, %v mended", now, found, mended)
		}
		return nil
	})
}
