package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/inventory"
	"github.com/ingotmetal/ingot/matrix"
)

// Health serves /healthz (the process answers), /readyz (ready says nil) and /metrics on a loopback address until ctx ends. The metrics have the process's listeners, to be
// compared with the matrix (package inventory).
type Health struct {
	Flow    matrix.FlowName
	Bind    string
	Metrics prometheus.Gatherer
	Ready   func() error
	Log     *slog.Logger
}

// Start serves until ctx ends.
func (h Health) Start(ctx context.Context, b *socket.Bound) error {
	addr, err := netip.ParseAddrPort(h.Bind)
	if err != nil || !addr.Addr().IsLoopback() {
		return fmt.Errorf("--health-bind %q: a loopback address with a port is needed, like 127.0.0.1:9100", h.Bind)
	}
	l, err := b.Listen(ctx, matrix.HealthOf(b.Role()), addr)
	if err != nil {
		return err
	}
	listeners := prometheus.NewRegistry()
	listeners.MustRegister(inventory.New(b))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.Gatherers{h.Metrics, listeners}, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := h.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	h.Log.Info("health endpoint open", "address", l.Addr().String())
	return Serve(ctx, &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, func(s *http.Server) error { return s.Serve(l) })
}

// stopGrace is how long requests under way may take when the process stops.
const stopGrace = 5 * time.Second

// Serve runs an HTTP server until ctx ends, then lets requests under way finish.
func Serve(ctx context.Context, s *http.Server, serve func(*http.Server) error) error {
	ended := make(chan error, 1)
	go func() { ended <- serve(s) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if err := s.Shutdown(grace); err != nil {
		_ = s.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
