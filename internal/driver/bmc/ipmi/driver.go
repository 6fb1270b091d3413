package ipmi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// Dial opens a socket to a BMC. Outside tests it is internal/driver/socket's dialer for matrix.PartitionToBMCIPMI.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Options are the driver's. The zero value of each but Dial is a sound default.
type Options struct {
	// Dial is required.
	Dial Dial
	// CallTimeout bounds the wait for one answer; 0: 2 s. Retries is how often a request without one is sent again; 0: 3.
	CallTimeout time.Duration
	Retries     int
	// IdleTimeout is how long a session may rest before it is opened anew; 0: 45 s.
	IdleTimeout time.Duration
	// CallsPerSecond is the sustained budget of one BMC over all that is sent to it, logins and consoles included; Burst is how many calls it may save up. 0: 4 and 24.
	CallsPerSecond float64
	Burst          int
}

func (o Options) withDefaults() Options {
	o.CallTimeout = orDefault(o.CallTimeout, 2*time.Second)
	o.Retries = orDefault(o.Retries, 3)
	o.IdleTimeout = orDefault(o.IdleTimeout, 45*time.Second)
	o.CallsPerSecond = orDefault(o.CallsPerSecond, 4)
	o.Burst = orDefault(o.Burst, 24)
	return o
}

func orDefault[T int | float64 | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}

// cipherSuites are asked for in this order: 17 is HMAC-SHA256 with AES-128, 3 the same with SHA1 (IPMI 2.0 §22.15.2 and its errata 7).
var cipherSuites = []types.CipherSuiteID{17, 3}

// Driver implements bmc.Driver.
type Driver struct {
	opts    Options
	budgets budgets
}

// New makes a driver.
func New(o Options) (*Driver, error) {
	if o.Dial == nil {
		return nil, errors.New("ipmi driver: no dialer given")
	}
	return &Driver{opts: o.withDefaults()}, nil
}

// Open logs in and reads who the BMC is.
func (d *Driver) Open(ctx context.Context, t bmc.Target) (bmc.Session, error) {
	const op = "connect"
	addr, err := bmc.ParseAddress(t.Address)
	if err != nil {
		return nil, &bmc.Error{Op: op, Address: t.Address, Kind: step.Invalid, Err: err, Fix: "correct spec.bmc.address"}
	}
	if addr.Protocol != bmc.IPMI {
		return nil, &bmc.Error{Op: op, Address: addr.String(), Kind: step.Unsupported, Err: errors.New("this is no IPMI address"), Fix: "use an address like ipmi://" + addr.Host}
	}
	if t.CertificatePin != "" {
		return nil, &bmc.Error{Op: op, Address: addr.String(), Kind: step.Invalid, Err: errors.New("a certificate is pinned, and IPMI shows none"),
			Fix: "use a Redfish address, or remove the host's annotation " + ingot.BMCCertificateAnnotation}
	}
	if err := checkLogin(t); err != nil {
		return nil, &bmc.Error{Op: op, Address: addr.String(), Kind: step.Invalid, Err: err, Fix: "give the BMC a shorter one, and correct the host's BMC Secret"}
	}
	s := &session{
		opts: d.opts, addr: addr, user: t.Username, password: t.Password,
		budget: d.budgets.of(addr.HostPort(), d.opts), lock: make(chan struct{}, 1),
	}
	if err := s.probe(ctx); err != nil {
		_ = s.Close(context.WithoutCancel(ctx)) // the first error is the one to tell
		return nil, s.wrap(op, err)
	}
	return s, nil
}

// The longest names that IPMI has (IPMI 2.0 §22.28, §22.30), in bytes.
const (
	longestUser     = 16
	longestPassword = 20
)

// checkLogin refuses what the protocol would cut off.
func checkLogin(t bmc.Target) error {
	switch {
	case len(t.Username) > longestUser:
		return fmt.Errorf("the user's name has %d bytes, and IPMI knows %d at most", len(t.Username), longestUser)
	case len(t.Password.Reveal()) > longestPassword:
		return fmt.Errorf("the password has %d bytes, and IPMI knows %d at most", len(t.Password.Reveal()), longestPassword)
	}
	return nil
}
