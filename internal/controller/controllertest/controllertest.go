// Package controllertest runs controllers in tests as one process of a role does: with the role's own identity and rights, against a real API server.
//
// It owns the manager and its end. It refuses to know what is reconciled: the caller adds that.
package controllertest

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// Add hangs controllers into a manager; live is a client that asks the API server itself.
type Add func(ctx context.Context, mgr manager.Manager, live client.Client, log *slog.Logger) error

// Run runs what add adds until stop, or until the test ends, and returns when the manager was begun. Several may run at once, as several processes would. byObject is what the caches keep, where it is not
// the whole object. With INGOT_TEST_LOG set the controllers' log goes to standard error.
func Run(t testing.TB, role *rest.Config, s *runtime.Scheme, byObject map[client.Object]cache.ByObject, add Add) (stop func()) {
	t.Helper()
	live, err := client.New(role, client.Options{Scheme: s})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("INGOT_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	mgr, err := manager.New(role, manager.Options{
		Scheme: s, Logger: logr.FromSlogHandler(log.Handler()), Cache: cache.Options{ByObject: byObject},
		Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Controller: config.Controller{SkipNameValidation: ptr.To(true)}, GracefulShutdownTimeout: ptr.To(20 * time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := add(ctx, mgr, live, log); err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := mgr.Start(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("manager ended: %v", err)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}
