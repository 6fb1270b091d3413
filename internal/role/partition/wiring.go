package partition

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/config"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/ipmi"
	"github.com/ingotmetal/ingot/internal/driver/bmc/redfish"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/matrix"
)

// The leader election's times: a dead leader is replaced after leaseTime at the latest, one that stops in good order at once.
const (
	leaseTime    = 15 * time.Second
	renewTime    = 10 * time.Second
	retryTime    = 2 * time.Second
	shutdownTime = 20 * time.Second
)

func managerOptions(o Options, h *http.Client, log *slog.Logger) manager.Options {
	logger := logr.FromSlogHandler(log.Handler())
	ctrllog.SetLogger(logger)
	return manager.Options{
		Scheme: host.Scheme(), Logger: logger,
		Cache: host.Caches(h), Client: host.CachedClient(h),
		Metrics:                       metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:        "0",
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              "partition-" + o.Partition,
		LeaderElectionNamespace:       ingot.SystemNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 ptr.To(leaseTime), RenewDeadline: ptr.To(renewTime), RetryPeriod: ptr.To(retryTime),
		GracefulShutdownTimeout: ptr.To(shutdownTime),
		// There is one controller here; the check is per process, and a test runs several roles in one.
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	}
}

// bmcs is the way to BMCs: one session each, within the budget.
func (p *process) bmcs() (*bmc.Pool, error) {
	overRedfish, err := redfish.New(redfish.Options{Dial: p.bound.DialContext(matrix.PartitionToBMC), DialSSH: p.bound.DialContext(matrix.PartitionToBMC), Logger: p.log, CallsPerSecond: p.o.BMCCallsPerSecond})
	if err != nil {
		return nil, err
	}
	overIPMI, err := ipmi.New(ipmi.Options{Dial: p.bound.DialContext(matrix.PartitionToBMCIPMI), CallsPerSecond: p.o.BMCCallsPerSecond})
	if err != nil {
		return nil, err
	}
	return bmc.NewPool(bmc.NewProbing(bmc.Protocols{bmc.Redfish: overRedfish, bmc.IPMI: overIPMI}), bmc.PoolOptions{Concurrency: 1}), nil
}

// The sessions' ends. BMCs commonly end a session by themselves after 30 min without a call (Redfish, SessionService.SessionTimeout); many have places for four.
const (
	sessionIdle   = 5 * time.Minute
	sessionSweep  = time.Minute
	logoutTimeout = 10 * time.Second
)

// closeSessions logs out of BMCs that are not talked to any more, and of all at the end.
func closeSessions(pool *bmc.Pool) manager.RunnableFunc {
	return func(ctx context.Context) error {
		t := time.NewTicker(sessionSweep)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				pool.CloseIdle(ctx, sessionIdle)
			case <-ctx.Done():
				last, cancel := context.WithTimeout(context.WithoutCancel(ctx), logoutTimeout)
				defer cancel()
				pool.Close(last)
				return nil
			}
		}
	}
}

// listen opens one of the flags' addresses.
func listen(ctx context.Context, b *socket.Bound, flow matrix.FlowName, flag, addr string) (net.Listener, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("%s %q: an address with a port is needed, like 10.0.0.2:8443", flag, addr)
	}
	l, err := b.Listen(ctx, flow, a)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}

func (p *process) agentEndpoint() string { return endpoint(p.o.AgentEndpoint, p.agents) }

func (p *process) operatorEndpoint() string { return endpoint(p.o.OperatorEndpoint, p.operators) }

func endpoint(given string, l net.Listener) string {
	if given != "" {
		return given
	}
	return "https://" + l.Addr().String()
}

// transient: the API server is not there yet, or not all of it. Everything else is told to the operator at once.
func transient(err error) bool {
	var network net.Error
	return errors.As(err, &network) || apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) || apierrors.IsTimeout(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsInternalError(err)
}
