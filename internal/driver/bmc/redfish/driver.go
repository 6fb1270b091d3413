// Package redfish is the BMC driver for DMTF Redfish (DSP0266, schemas of DSP8010).
//
// It owns what is said to a Redfish service: login, probing, power, boot override, virtual media, inventory, console log, following tasks, and the
// vendors' quirks as a table. It refuses decisions: what to boot, when to try again, and what a failure means for a host are the caller's.
//
// It takes its vocabulary (reset types, boot sources, task states, error bodies) from gofish, but reads resources through its own narrow views. gofish decodes a whole
// resource into one struct, so one unexpected value in a property that nobody asked for loses all of it; its client is bound to one context for
// its life, reads bodies without bound and drops the Location of a task (gofish 0.20.0). The lab's BMC simulator is tested with gofish's own client.
//
// Invariants: every HTTP request, redirects included, takes one call from the BMC's budget first; no request leaves for another host than the
// address names, whatever links and redirects say; a body is read up to a bound; a change of power is sent at most once per call of Do; neither
// password nor session token is in any error or log line.
package redfish

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// Dial opens a connection to a BMC. Outside tests it is internal/driver/socket's dialer for matrix.PartitionToBMC.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Options are the driver's. The zero value of each but Dial is a sound default.
type Options struct {
	// Dial is required, unless Transport is given.
	Dial   Dial
	Logger *slog.Logger
	// DialSSH reaches the SSH servers of BMCs whose serial console is there; nil: no serial console is opened. Outside tests it is the same as Dial.
	DialSSH Dial
	// CallsPerSecond is the sustained budget of one BMC, which many BMCs need to stay alive; 0: 4. Burst is how many calls it may save up; 0: 24, enough
	// for one probe. Concurrency is how many requests one BMC gets at a time; 0: 2.
	CallsPerSecond float64
	Burst          int
	Concurrency    int
	// CallTimeout bounds one HTTP request with its body, without the wait for the budget; 0: 30 s.
	CallTimeout time.Duration
	// MaxBodyBytes bounds an answer; 0: 4 MiB.
	MaxBodyBytes int64
	// PollInterval is how often a task, or a medium that is on its way, is looked at; 0: 2 s. FollowTimeout bounds how long; 0: 5 min.
	PollInterval  time.Duration
	FollowTimeout time.Duration
	// IdleTimeout closes unused connections; 0: 30 s.
	IdleTimeout time.Duration
	// Transport replaces the whole network, for tests.
	Transport http.RoundTripper
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.CallsPerSecond = orDefault(o.CallsPerSecond, 4)
	o.Burst = orDefault(o.Burst, 24)
	o.Concurrency = orDefault(o.Concurrency, 2)
	o.CallTimeout = orDefault(o.CallTimeout, 30*time.Second)
	o.MaxBodyBytes = orDefault(o.MaxBodyBytes, 4<<20)
	o.PollInterval = orDefault(o.PollInterval, 2*time.Second)
	o.FollowTimeout = orDefault(o.FollowTimeout, 5*time.Minute)
	o.IdleTimeout = orDefault(o.IdleTimeout, 30*time.Second)
	return o
}

func orDefault[T int | int64 | float64 | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}

// Driver implements bmc.Driver for Redfish.
type Driver struct {
	opts    Options
	budgets budgets
	// settle waits as long as a quirk says that the BMC needs; tests replace it.
	settle func(ctx context.Context, d time.Duration) error
	quirks []Quirk
}

// New makes a driver.
func New(o Options) (*Driver, error) {
	if o.Dial == nil && o.Transport == nil {
		return nil, errors.New("redfish driver: no dialer given")
	}
	return &Driver{opts: o.withDefaults(), settle: sleep, quirks: Quirks()}, nil
}

// Open logs in and probes what the BMC can do.
func (d *Driver) Open(ctx context.Context, t bmc.Target) (bmc.Session, error) {
	const op = "connect"
	addr, err := bmc.ParseAddress(t.Address)
	if err != nil {
		return nil, &bmc.Error{Op: op, Address: t.Address, Kind: step.Invalid, Err: err, Fix: "correct spec.bmc.address"}
	}
	if addr.Protocol != bmc.Redfish {
		return nil, &bmc.Error{
			Op: op, Address: addr.String(), Kind: step.Unsupported, Err: errors.New("this is no Redfish address"),
			Fix: "use the BMC's Redfish address, for example redfish-virtualmedia://" + addr.Host,
		}
	}
	c, err := newClient(d, addr, t)
	if err != nil {
		return nil, wrap(op, addr.String(), err)
	}
	s, err := probe(ctx, c, d.quirks)
	if err != nil {
		// The first error is the one to tell; a session that stays behind ends by itself.
		_ = c.logout(context.WithoutCancel(ctx))
		return nil, c.wrap(op, err)
	}
	return s, nil
}

// Stats says how much a BMC was called, by the host and port that bmc.Address.HostPort gives.
func (d *Driver) Stats(hostPort string) Stats { return d.budgets.stats(hostPort) }

// ForgetBudget drops the counters and the budget of a BMC that is gone.
func (d *Driver) ForgetBudget(hostPort string) { d.budgets.forget(hostPort) }
