// Command ingot-apiserver is the embedded Kubernetes API with Ingot's and Metal3's kinds installed. It is a program of its own because Kubernetes and etcd are
// most of its size; every other role only talks to it.
//
// When it is ready it prints one line on standard output: "ready" and the URL. Everything else goes to standard error, as JSON.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/controlplane"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/inventory"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/install"
	"github.com/ingotmetal/ingot/internal/issuer"
	"github.com/ingotmetal/ingot/internal/role/declared"
	"github.com/ingotmetal/ingot/matrix"
)

type flags struct {
	dataDir   string
	bind      string
	matrix    string
	policy    string
	auditDir  string
	advertise []string
	memory    int64
	gcPercent int
	verbose   bool
	people    issuer.Options
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ingot-apiserver:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:           "ingot-apiserver",
		Short:         "Run the embedded Kubernetes API",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.dataDir, "data-dir", "", "folder of the store, the keys and the logs (required)")
	cmd.Flags().StringVar(&f.bind, "bind", "127.0.0.1:6443", "address and port to listen on; port 0 takes a free one")
	cmd.Flags().StringVar(&f.matrix, "matrix", "", declared.Usage)
	cmd.Flags().StringVar(&f.policy, "audit-policy", "", "file that says what the audit trail keeps and what is refused when it cannot be written (default: every change and every read of a Secret)")
	cmd.Flags().StringVar(&f.auditDir, "audit-dir", "", "folder of the audit trail (default: audit in the data directory)")
	cmd.Flags().StringSliceVar(&f.advertise, "advertise", nil, "names and addresses that clients know this server by; the first one goes into the kubeconfig")
	cmd.Flags().Int64Var(&f.memory, "memory-limit", 800, "MiB that the garbage collector aims to stay under, as long as what is live leaves it room")
	cmd.Flags().IntVar(&f.gcPercent, "gc-percent", 400, "heap growth in percent that starts a collection, below the memory limit")
	cmd.Flags().BoolVar(&f.verbose, "verbose", false, "log Kubernetes' own informational messages")
	f.people.AddFlags(cmd.Flags())
	_ = cmd.MarkFlagRequired("data-dir")
	return cmd
}

func run(ctx context.Context, f flags) error {
	log := newLogger(f.verbose)
	// With Go's defaults the resident size grows to several times the live heap under bursts of writes.
	debug.SetMemoryLimit(f.memory << 20)
	debug.SetGCPercent(f.gcPercent)
	dir, err := filepath.Abs(f.dataDir)
	if err != nil {
		return fmt.Errorf("find the data directory %q: %w", f.dataDir, err)
	}
	if err := f.people.Complete(); err != nil {
		return err
	}
	configuration, err := f.people.Configuration()
	if err != nil {
		return err
	}
	address, err := netip.ParseAddrPort(f.bind)
	if err != nil {
		return fmt.Errorf("--bind %q: an IP address and a port are needed, like 127.0.0.1:6443: %w", f.bind, err)
	}
	rows, err := declared.Rows(f.matrix)
	if err != nil {
		return err
	}
	policy, err := auditPolicy(f.policy)
	if err != nil {
		return err
	}
	bound := socket.Bind(matrix.APIServer, rows, kernel.Network{})
	listener, err := bound.Listen(ctx, matrix.OperatorToAPIServer, address)
	if err != nil {
		return fmt.Errorf("--bind: %w", err)
	}
	// Beside Kubernetes' own metrics, at the API server's /metrics.
	legacyregistry.RawMustRegister(inventory.New(bound))
	server, err := controlplane.Start(ctx, controlplane.Options{
		DataDir: dir, Listener: listener, Hosts: f.advertise, Prepare: f.prepare, Audit: policy, AuditDir: f.auditDir, Register: legacyregistry.RawMustRegister, Log: log,
		People: controlplane.People{Configuration: configuration, File: f.people.File, Dial: bound.DialContext(matrix.APIServerToIssuer)},
	})
	if err != nil && ctx.Err() != nil {
		log.Info("control plane told to stop while it started", "err", err)
		return nil //nolint:nilerr // who tells it to stop gets an ordinary end; what the interrupted start said is in the log
	}
	if err != nil {
		return err
	}
	log.Info("control plane ready", "endpoint", server.URL)
	fmt.Println("ready", server.URL)
	go releaseWhenIdle(ctx)
	go keepHeadroom(ctx, f.memory<<20)
	err = server.Wait()
	log.Info("control plane stopped", "err", err)
	return err
}

func auditPolicy(file string) (audit.Policy, error) {
	if file == "" {
		return audit.DefaultPolicy(), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return audit.Policy{}, fmt.Errorf("--audit-policy: %w", err)
	}
	p, err := audit.ParsePolicy(text)
	if err != nil {
		return p, fmt.Errorf("--audit-policy %s: %w", file, err)
	}
	return p, nil
}

func (f *flags) prepare(ctx context.Context, cfg *rest.Config) error {
	return install.Apply(ctx, cfg, install.Options{ProviderGroups: f.people.ProviderGroups()})
}

// newLogger is JSON on standard error. Kubernetes says at "info" what matters to its developers only.
func newLogger(verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	upstream := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	klog.SetSlogLogger(upstream.With("part", "kubernetes"))
	return slog.New(slog.NewJSONHandler(os.Stderr, nil))
}
