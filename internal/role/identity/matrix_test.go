package identity_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/matrix"
)

func flagsFor(t *testing.T, server string) *identity.Flags {
	t.Helper()
	dir := t.TempDir()
	f := &identity.Flags{Kubeconfig: filepath.Join(dir, "kubeconfig"), TLS: pki.FilesIn(dir, "tls")}
	for _, file := range []string{f.TLS.Cert, f.TLS.Key} {
		if err := os.WriteFile(file, []byte("PEM"), 0o600); err != nil { // looked for and not parsed before the first connection
			t.Fatal(err)
		}
	}
	if err := kubeconfig.WriteRole(f.Kubeconfig, kubeconfig.Cluster{Name: "c", URL: server}, f.TLS); err != nil {
		t.Fatal(err)
	}
	return f
}

// The kubeconfig's port is dialed, with a warning that has the row; no other port is.
func TestTheKubeconfigsPortIsDialed(t *testing.T) {
	for server, c := range map[string]struct {
		dialed string
		warns  bool
	}{
		"https://192.0.2.1":        {"192.0.2.1:443", true},
		"https://192.0.2.1:16443/": {"192.0.2.1:16443", true},
		"https://192.0.2.1:6443":   {"192.0.2.1:6443", false},
		"https://127.0.0.1:1234":   {"127.0.0.1:1234", false},
		"https://localhost:1234":   {"localhost:1234", false},
	} {
		t.Run(server, func(t *testing.T) {
			var said bytes.Buffer
			f := flagsFor(t, server)
			b, err := f.Bind(matrix.Boot, slog.New(slog.NewTextHandler(&said, nil)))
			if err != nil {
				t.Fatal(err)
			}
			config, err := f.RESTConfig(b, matrix.BootToAPIServer)
			if err != nil {
				t.Fatal(err)
			}
			// Nothing is dialed in truth: the context has ended.
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := config.Dial(ctx, "tcp", c.dialed); errors.Is(err, socket.ErrNotInMatrix) {
				t.Errorf("dial %s: %v", c.dialed, err)
			}
			if _, err := config.Dial(ctx, "tcp", "192.0.2.1:22"); !errors.Is(err, socket.ErrNotInMatrix) {
				t.Errorf("dial port 22: %v", err)
			}
			if warned := strings.Contains(said.String(), "name: boot-to-apiserver"); warned != c.warns {
				t.Errorf("log %q, want a warning: %v", said.String(), c.warns)
			}
		})
	}
}

func TestBadServersAreRefused(t *testing.T) {
	for _, server := range []string{"http://192.0.2.1", "https://192.0.2.1:99999"} {
		f := flagsFor(t, server)
		b, err := f.Bind(matrix.Boot, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.RESTConfig(b, matrix.BootToAPIServer); err == nil || !strings.Contains(err.Error(), f.Kubeconfig) {
			t.Errorf("%s: %v", server, err)
		}
	}
}

func TestBindTakesTheSitesPorts(t *testing.T) {
	f := &identity.Flags{Matrix: filepath.Join(t.TempDir(), "none.yaml")}
	if _, err := f.Bind(matrix.Boot, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the file: %v", err)
	}
}

// The health endpoint's metrics list the process's listeners, itself among them.
func TestHealthShowsTheListeners(t *testing.T) {
	var f identity.Flags
	b, err := f.Bind(matrix.Partition, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	opened := &firstLine{seen: make(chan struct{})}
	h := identity.Health{Flow: matrix.HealthOfPartition, Bind: "127.0.0.1:0", Metrics: prometheus.NewRegistry(),
		Ready: func() error { return nil }, Log: slog.New(slog.NewTextHandler(opened, nil))}
	go func() { ended <- h.Start(ctx, b) }()
	select {
	case <-opened.seen:
	case err := <-ended:
		t.Fatalf("health endpoint ended: %v", err)
	}
	listeners := b.Listeners()
	if len(listeners) != 1 {
		t.Fatalf("listeners %v", listeners)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listeners[0].Address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	want := `ingot_listener_info{address="` + listeners[0].Address + `",flow="partition-health",protocol="tcp"} 1`
	if err != nil || !strings.Contains(string(text), want) {
		t.Errorf("metrics %q, %v; want %s", text, err, want)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// firstLine tells when the log's first line was written.
type firstLine struct{ seen chan struct{} }

func (l *firstLine) Write(p []byte) (int, error) {
	close(l.seen)
	return len(p), nil
}
