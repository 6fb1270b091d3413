package controller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	matrixcontroller "github.com/ingotmetal/ingot/internal/controller/matrix"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/test/port"
)

func TestMain(m *testing.M) { controlplanetest.Main(m) }

const patience = 10 * time.Minute

// TestTheRoleLeadsWorksAndEnds: two processes of the role, of which one leads; what it makes of a matrix; the next one goes on where the first was told to stop.
func TestTheRoleLeadsWorksAndEnds(t *testing.T) {
	cp := controlplanetest.Shared(t)
	scheme, err := matrixcontroller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first, second := options(t, cp), options(t, cp)
	stopFirst := start(ctx, t, first)
	until(ctx, t, func() error { return answers(ctx, first.HealthBind, "/readyz", http.StatusOK, "") })
	stopSecond := start(ctx, t, second)
	until(ctx, t, func() error { return answers(ctx, second.HealthBind, "/healthz", http.StatusOK, "") })
	if err := answers(ctx, second.HealthBind, "/readyz", http.StatusServiceUnavailable, "leadership"); err != nil {
		t.Error(err)
	}
	create(ctx, t, admin, "one")
	until(ctx, t, func() error { return has(ctx, admin, "one") })
	if err := answers(ctx, first.HealthBind, "/metrics", http.StatusOK, `ingot_listener_info{address="`+first.HealthBind); err != nil {
		t.Error(err)
	}
	stopFirst()
	until(ctx, t, func() error { return answers(ctx, second.HealthBind, "/readyz", http.StatusOK, "") })
	create(ctx, t, admin, "two")
	until(ctx, t, func() error { return has(ctx, admin, "two") })
	stopSecond()
}

func options(t *testing.T, cp *controlplanetest.Server) Options {
	t.Helper()
	ca, err := pki.OpenCA(filepath.Join(cp.DataDir, "pki"), "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := pki.FilesIn(dir, "tls")
	if err := ca.Issue(files, pki.RoleProfile("controller", "", "127.0.0.1"), time.Now()); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "kubeconfig")
	if err := kubeconfig.WriteRole(config, kubeconfig.Cluster{Name: "test", URL: cp.URL, CA: ca.CertPEM()}, files); err != nil {
		t.Fatal(err)
	}
	return Options{Flags: identity.Flags{Kubeconfig: config, TLS: files, HealthBind: port.Free(t)}, LeaderElect: true, Settle: 10 * time.Millisecond}
}

// start runs the role; stop ends it and fails the test if that is no clean end.
func start(ctx context.Context, t *testing.T, o Options) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o, slog.New(slog.DiscardHandler)) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func until(ctx context.Context, t *testing.T, holds func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(context.Context) (bool, error) {
		if err := holds(); ctx.Err() == nil {
			last = err
			return err == nil, nil
		}
		return false, nil
	})
	if err != nil {
		t.Fatalf("%v: %v", err, last)
	}
}

func answers(ctx context.Context, where, path string, code int, words string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+where+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != code || !strings.Contains(string(text), words) {
		return fmt.Errorf("%s answers %d, want %d with %q: %.2000s", path, response.StatusCode, code, words, text)
	}
	return nil
}

// create gives the API a matrix with one host.
func create(ctx context.Context, t *testing.T, admin client.Client, name string) {
	t.Helper()
	zone, role := matrix.Zone("z-"+name), matrix.Role("r-"+name)
	holds := matrix.Property{State: matrix.Holds, How: "SSH"}
	m := matrix.Matrix{
		Name: name, Zones: []matrix.ZoneDefinition{{Name: zone}}, Roles: []matrix.RoleDefinition{{Name: role}},
		Hosts: []matrix.Host{{Name: name, Interfaces: []matrix.Interface{{Name: "eth0", Zone: zone, Roles: []matrix.Role{role}}}}},
		Rows: []matrix.Row{{
			ID: "1", Name: matrix.FlowName("any-to-" + name), From: matrix.Anybody, To: matrix.Endpoint{Role: role, Zone: zone}, Protocol: matrix.TCP, Ports: matrix.Port(22),
			Application: "SSH", Confidential: holds, Integrity: holds, Authenticated: holds, Trusted: holds, Purpose: "mend it", Management: true,
		}},
	}
	if err := admin.Create(ctx, document.Object(m)); err != nil {
		t.Fatal(err)
	}
}

// has says whether the matrix's endpoint is there.
func has(ctx context.Context, admin client.Client, node string) error {
	var all api.HostEndpointList
	if err := admin.List(ctx, &all); err != nil {
		return err
	}
	for _, e := range all.Items {
		if e.Spec.Node == node {
			return nil
		}
	}
	return errors.New("no HostEndpoint of host " + node)
}

func TestFlagsThatAreMissingAreNamed(t *testing.T) {
	c := Command()
	c.SetArgs([]string{})
	c.SetErr(io.Discard)
	c.SetOut(io.Discard)
	if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "--kubeconfig is required") {
		t.Errorf("started without a kubeconfig: %v", err)
	}
}

// TestAManagementPortThatOurRowLacks: the site's matrix says where hosts are mended; the controller dials there, and says that its own row is another one.
func TestAManagementPortThatOurRowLacks(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var said bytes.Buffer
	m := management{socket.Bind(matrix.Controller, matrix.Builtin(), kernel.Network{}), slog.New(slog.NewTextHandler(&said, nil))}
	c, err := m.Dial(t.Context(), matrix.ControllerToNodeManagement, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(said.String(), "management port that our own row does not have") {
		t.Errorf("nothing is said of the port: %q", said.String())
	}
	if _, err := m.Dial(t.Context(), matrix.ControllerToNodeManagement, "127.0.0.1:no"); err == nil {
		t.Error("a port that is none was dialed")
	}
}
