package knock

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/ingotmetal/ingot/discovery"
)

// Dial opens a connection; the roles' is bound to a flow of the matrix.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Options are a Prober's.
type Options struct {
	// Redfish and IPMI are the ways to the two services.
	Redfish, IPMI Dial
	// Timeout bounds each of the two exchanges; 0: DefaultTimeout.
	Timeout time.Duration
}

// DefaultTimeout is long for a network and short for a BMC: one that is busy is found by the next pass.
const DefaultTimeout = 3 * time.Second

// Ports are where the services are; 0: 443 and 623.
type Ports struct{ Redfish, IPMI uint16 }

// Prober asks addresses. It may be used by several goroutines.
type Prober struct {
	o    Options
	http *http.Client
}

// New makes a Prober.
func New(o Options) *Prober {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	return &Prober{o: o, http: client(o)}
}

// Probe asks one address. What does not answer, or is something else, is no error: the finding is empty.
func (p *Prober) Probe(ctx context.Context, at netip.Addr, ports Ports) discovery.Finding {
	if ports.Redfish == 0 {
		ports.Redfish = 443
	}
	if ports.IPMI == 0 {
		ports.IPMI = 623
	}
	return discovery.Finding{Address: at, Redfish: p.redfish(ctx, netip.AddrPortFrom(at, ports.Redfish)), IPMI: p.ipmi(ctx, netip.AddrPortFrom(at, ports.IPMI))}
}
