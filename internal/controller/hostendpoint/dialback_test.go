package hostendpoint_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/internal/controller/hostendpoint"
	matrixcontroller "github.com/ingotmetal/ingot/internal/controller/matrix"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/test/port"
)

func TestMain(m *testing.M) { controlplanetest.Main(m) }

// listener is a host's management port on loopback. It counts connections, and says what a server of SSH says, or nothing.
type listener struct {
	net.Listener
	mu          sync.Mutex
	connections int
}

func listen(t *testing.T, banner string) *listener {
	t.Helper()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", port.Free(t))
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Listener: inner}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			l.mu.Lock()
			l.connections++
			l.mu.Unlock()
			_, _ = c.Write([]byte(banner))
			go func() { // until the other side has closed it
				_, _ = c.Read(make([]byte, 1))
				_ = c.Close()
			}()
		}
	}()
	return l
}

func (l *listener) port() uint16 { return netip.MustParseAddrPort(l.Addr().String()).Port() }

func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.connections
}

type world struct {
	t           *testing.T
	admin, node client.Client
}

// start runs the controller with its role's rights and its real way to the network. Every endpoint of a matrix is one of m.
func start(t *testing.T, m matrix.Matrix) *world {
	t.Helper()
	cp := controlplanetest.Shared(t)
	scheme, err := matrixcontroller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cfg := cp.As(t, "controller", "")
	mgr, err := manager.New(cfg, manager.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0", Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	live, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	err = hostendpoint.Add(mgr, hostendpoint.Options{
		Live: live, Dial: socket.Bind(matrix.Controller, matrix.Builtin(), kernel.Network{}), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Matrix: func(name string) (matrix.Matrix, bool) { return m, name == m.Name },
	})
	if err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); ended.Wait() })
	w := &world{t: t}
	if w.admin, err = client.New(cp.Admin, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	if w.node, err = client.New(cp.As(t, "node", m.Name), client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	return w
}

// site is a matrix of one host, called like the matrix, with a management port on loopback.
func site(name string, port uint16, application matrix.Application) matrix.Matrix {
	return matrix.Matrix{
		Name: name, Zones: []matrix.ZoneDefinition{{Name: "mgmt"}}, Roles: []matrix.RoleDefinition{{Name: "server"}},
		Hosts: []matrix.Host{{Name: name, Interfaces: []matrix.Interface{{Name: "lo", Zone: "mgmt", Roles: []matrix.Role{"server"}, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}}}},
		Rows: []matrix.Row{{
			ID: "1", Name: "mgmt", From: matrix.Anybody, To: matrix.Endpoint{Role: "server", Zone: "mgmt"}, Protocol: matrix.TCP, Ports: matrix.Port(port), Application: application, Management: true,
		}},
	}
}

// try puts a generation on trial, as the host's ingot-node does with its own identity.
func (w *world) try(name string, generation int64, deadline time.Duration) {
	w.t.Helper()
	e := &api.HostEndpoint{}
	err := w.admin.Get(w.t.Context(), client.ObjectKey{Name: name}, e)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	if err != nil {
		e = &api.HostEndpoint{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{api.MatrixLabel: name}}, Spec: api.HostEndpointSpec{Node: name, InterfaceName: "lo"}}
		if err := w.admin.Create(w.t.Context(), e); err != nil {
			w.t.Fatal(err)
		}
	}
	e.Status = api.HostEndpointStatus{Phase: api.PhaseTrial, Generation: generation, Trial: &api.Trial{Generation: generation, Deadline: metav1.NewMicroTime(time.Now().Add(deadline))}}
	if err := w.node.Status().Update(w.t.Context(), e); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) confirmed(name string) int64 {
	w.t.Helper()
	e := &api.HostEndpoint{}
	if err := w.admin.Get(w.t.Context(), client.ObjectKey{Name: name}, e); err != nil {
		w.t.Fatal(err)
	}
	return e.Status.Confirmed
}

func (w *world) eventually(what string, try func() error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer cancel()
	var last error
	if wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(context.Context) (bool, error) { last = try(); return last == nil, nil }) != nil {
		w.t.Fatalf("wait for %s: %v", what, last)
	}
}

func (w *world) waitConfirmed(name string, generation int64) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("generation %d of %s to be confirmed", generation, name), func() error {
		if got := w.confirmed(name); got != generation {
			return fmt.Errorf("%d is", got)
		}
		return nil
	})
}

func TestTrialsAreConfirmedOverNewConnections(t *testing.T) {
	l := listen(t, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
	w := start(t, site("reached", l.port(), "SSH"))
	w.try("reached", 1, 5*time.Minute)
	w.waitConfirmed("reached", 1)
	first := l.count()
	w.try("reached", 2, 5*time.Minute)
	w.waitConfirmed("reached", 2)
	if l.count() <= first {
		t.Errorf("generation 2 was confirmed without a new connection: %d before, %d now", first, l.count())
	}
}

// TestABannerIsWaitedFor: something in the way that completes any handshake is no server of SSH.
func TestABannerIsWaitedFor(t *testing.T) {
	l := listen(t, "HTTP/1.1 400 Bad Request\r\n\r\n")
	w := start(t, site("mute", l.port(), "SSH"))
	w.try("mute", 1, 5*time.Minute)
	w.eventually("a second try", func() error {
		if l.count() < 2 {
			return fmt.Errorf("%d connections", l.count())
		}
		return nil
	})
	if got := w.confirmed("mute"); got != 0 {
		t.Errorf("generation %d was confirmed by a server that never said SSH", got)
	}
}

// TestAHostThatIsCutOffIsNotConfirmed, and is once it answers within the deadline.
func TestAHostThatIsCutOffIsNotConfirmed(t *testing.T) {
	l := listen(t, "")
	address := l.Addr().String()
	w := start(t, site("cut", l.port(), "HTTPS"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w.try("cut", 1, time.Second)
	over := time.Now().Add(time.Second)
	w.eventually("the end of the trial", func() error {
		if left := time.Until(over); left > 0 {
			return fmt.Errorf("%s left", left)
		}
		return nil
	})
	// Back again, after the deadline: too late for generation 1.
	again, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	w.try("cut", 2, time.Minute)
	w.waitConfirmed("cut", 2)
}

// TestNobodySpeaksForAnother: admission holds nodes to their own endpoints and away from confirmations, and the controller to confirmations.
func TestNobodySpeaksForAnother(t *testing.T) {
	cp := controlplanetest.Shared(t)
	scheme, err := matrixcontroller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	as := func(role, name string) client.Client {
		c, err := client.New(cp.As(t, role, name), client.Options{Scheme: scheme})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	admin, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	e := &api.HostEndpoint{ObjectMeta: metav1.ObjectMeta{Name: "spoken"}, Spec: api.HostEndpointSpec{Node: "spoken", InterfaceName: "eth0"}}
	if err := admin.Create(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e.Status = api.HostEndpointStatus{Phase: api.PhaseTrial, Confirmed: 3}
	if err := admin.Status().Update(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t}
	patch := func(c client.Client, status string) error {
		return c.Status().Patch(t.Context(), e.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"status":`+status+`}`)))
	}
	// Admission policies are taken up a moment after they are stored.
	w.eventually("the policy", func() error {
		if patch(as("node", "other"), `{"phase":"Confirmed"}`) == nil {
			return fmt.Errorf("another host's node was let through")
		}
		return nil
	})
	for _, c := range []struct{ role, name, status, refused string }{
		{"node", "other", `{"phase":"Confirmed"}`, "spec.node"},
		{"node", "spoke", `{"phase":"Confirmed"}`, "spec.node"},
		{"node", "spoken", `{"confirmed":4}`, "status.confirmed"},
		{"node", "spoken", `{"phase":"Trial","confirmed":3,"generation":4}`, ""},
		{"node", "spoken", `{"confirmed":null}`, ""},
		{"node", "spoken", `{"confirmed":3}`, "status.confirmed"},
		{"controller", "", `{"phase":"Confirmed"}`, "status.confirmed only"},
		{"controller", "", `{"revision":"x"}`, "status.confirmed only"},
		{"controller", "", `{"confirmed":4}`, ""},
	} {
		err := patch(as(c.role, c.name), c.status)
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s %s sets %s: %v, want refused %q", c.role, c.name, c.status, err, c.refused)
		}
	}
	if err := as("node", "spoken").Patch(t.Context(), e.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"node":"other"}}`))); err == nil {
		t.Error("a node changed an endpoint's spec")
	}
}
