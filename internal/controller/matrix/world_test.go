package matrix_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	matrixcontroller "github.com/ingotmetal/ingot/internal/controller/matrix"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/matrix/document"
)

func TestMain(m *testing.M) { controlplanetest.Main(m) }

// settle is short, so that tests are.
const settle = 50 * time.Millisecond

// world is an API server, with an administrator's client and a controller that has the role's own rights.
type world struct {
	t     *testing.T
	cp    *controlplanetest.Server
	admin client.Client
	calls atomic.Int64
}

func newWorld(t *testing.T, cp *controlplanetest.Server) *world {
	t.Helper()
	scheme, err := matrixcontroller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, cp: cp, admin: admin}
}

// counted counts the requests of a configuration.
func (w *world) counted(cfg *rest.Config) *rest.Config {
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(q *http.Request) (*http.Response, error) {
			w.calls.Add(1)
			return next.RoundTrip(q)
		})
	})
	return cfg
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

// start runs a controller until stop is called, which waits for its end.
func (w *world) start(elect bool) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	mgr := w.manager(elect)
	ended.Go(func() {
		if err := mgr.Start(ctx); err != nil && ctx.Err() == nil {
			w.t.Errorf("controller: %v", err)
		}
	})
	stop = func() { cancel(); ended.Wait() }
	w.t.Cleanup(stop)
	return stop
}

func (w *world) manager(elect bool) manager.Manager {
	w.t.Helper()
	cfg := w.counted(w.cp.As(w.t, "controller", ""))
	scheme, err := matrixcontroller.Scheme()
	if err != nil {
		w.t.Fatal(err)
	}
	mgr, err := manager.New(cfg, manager.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		LeaderElection: elect, LeaderElectionID: "controller", LeaderElectionNamespace: ingot.SystemNamespace, LeaderElectionReleaseOnCancel: true,
		// The lease is given up at the end, so that nobody waits for it to run out; a busy machine does not lose it.
		LeaseDuration: ptr.To(4 * time.Minute), RenewDeadline: ptr.To(3 * time.Minute), RetryPeriod: ptr.To(500 * time.Millisecond),
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	live, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(w.t.Output(), nil))
	if _, err := matrixcontroller.Add(mgr, matrixcontroller.Options{Live: live, Log: log, Settle: settle}); err != nil {
		w.t.Fatal(err)
	}
	return mgr
}

// eventually repeats what fails until it works, or the test's patience ends.
func (w *world) eventually(what string, try func() error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer cancel()
	var last error
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(context.Context) (bool, error) {
		last = try()
		return last == nil, nil
	})
	if err != nil {
		w.t.Fatalf("wait for %s: %v", what, last)
	}
}

// apply makes the objects of a matrix's text those in the API.
func (w *world) apply(text string) {
	w.t.Helper()
	objects, err := document.Read([]byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(objects...)
}

func (w *world) put(objects ...*ingot.CommunicationMatrix) {
	w.t.Helper()
	for _, o := range objects {
		there := &ingot.CommunicationMatrix{}
		err := w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(o), there)
		switch {
		case client.IgnoreNotFound(err) != nil:
			w.t.Fatal(err)
		case err != nil:
			err = w.admin.Create(w.t.Context(), o.DeepCopy())
		default:
			there.Spec, there.Annotations = o.Spec, o.Annotations
			err = w.admin.Update(w.t.Context(), there)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) matrix(name string) *ingot.CommunicationMatrix {
	w.t.Helper()
	m := &ingot.CommunicationMatrix{}
	if err := w.admin.Get(w.t.Context(), client.ObjectKey{Name: name}, m); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// condition waits until a matrix has a condition for its present generation.
func (w *world) condition(name, kind string, want metav1.ConditionStatus, reason string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%s of matrix %s to be %s", kind, name, reason), func() error {
		m := w.matrix(name)
		c := meta.FindStatusCondition(m.Status.Conditions, kind)
		if c == nil || c.ObservedGeneration != m.Generation || c.Status != want || c.Reason != reason {
			return fmt.Errorf("it is %+v", c)
		}
		return nil
	})
}

// made are the objects of a matrix by kind and name.
func (w *world) made(name string) map[string]client.Object {
	w.t.Helper()
	all := map[string]client.Object{}
	of := client.MatchingLabels{api.MatrixLabel: name}
	var policies api.GlobalNetworkPolicyList
	var sets api.GlobalNetworkSetList
	var endpoints api.HostEndpointList
	for _, list := range []client.ObjectList{&policies, &sets, &endpoints} {
		if err := w.admin.List(w.t.Context(), list, of); err != nil {
			w.t.Fatal(err)
		}
	}
	for i := range policies.Items {
		all["GlobalNetworkPolicy/"+policies.Items[i].Name] = &policies.Items[i]
	}
	for i := range sets.Items {
		all["GlobalNetworkSet/"+sets.Items[i].Name] = &sets.Items[i]
	}
	for i := range endpoints.Items {
		all["HostEndpoint/"+endpoints.Items[i].Name] = &endpoints.Items[i]
	}
	return all
}

// event waits for an event about an object.
func (w *world) event(reason, about string) {
	w.t.Helper()
	w.eventually("event "+reason+" about "+about, func() error {
		var list corev1.EventList
		if err := w.admin.List(w.t.Context(), &list); err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Reason == reason && e.InvolvedObject.Name == about {
				return nil
			}
		}
		return fmt.Errorf("none among %d events", len(list.Items))
	})
}
