package bmc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/step"
)

// Protocols is a Driver that gives each address to the driver of its protocol.
type Protocols map[Protocol]Driver

// Open implements Driver.
func (p Protocols) Open(ctx context.Context, t Target) (Session, error) {
	const op = "connect"
	a, err := ParseAddress(t.Address)
	if err != nil {
		return nil, &Error{Op: op, Address: t.Address, Kind: step.Invalid, Err: err, Fix: "correct spec.bmc.address"}
	}
	d := p[a.Protocol]
	if d == nil {
		return nil, &Error{Op: op, Address: a.String(), Kind: step.Unsupported, Err: fmt.Errorf("there is no driver for %s here", a.Protocol)}
	}
	return d.Open(ctx, t)
}

// Probing is a Driver that finds out what a bare address speaks, which with Metal3 means IPMI. Redfish is asked first, since it can more; what answered is remembered, so that a BMC is
// asked once in a process's life. The way to boot does not change by it: it is the network's.
type Probing struct {
	protocols Protocols
	patience  time.Duration

	mu     sync.Mutex
	speaks map[string]Protocol
}

// NewProbing makes one that has asked nobody.
func NewProbing(p Protocols) *Probing {
	// A port that a firewall swallows answers nothing: IPMI must have its turn before its caller gives up.
	const patience = 10 * time.Second
	return &Probing{protocols: p, patience: patience, speaks: map[string]Protocol{}}
}

// Open implements Driver. A refused login is final, whichever protocol said so: the other one would be a second failed login of the same account.
func (p *Probing) Open(ctx context.Context, t Target) (Session, error) {
	a, err := ParseAddress(t.Address)
	if err != nil || !a.Bare || p.protocols[Redfish] == nil {
		return p.protocols.Open(ctx, t)
	}
	p.mu.Lock()
	known := p.speaks[a.Host]
	p.mu.Unlock()
	if known == IPMI {
		return p.protocols.Open(ctx, t)
	}
	redfish := t
	redfish.Address = Address{Scheme: "redfish", Protocol: Redfish, Host: a.Host}.String()
	asking, cancel := context.WithTimeout(ctx, p.patience)
	if known == Redfish {
		asking = ctx
	}
	s, redfishErr := p.protocols.Open(asking, redfish)
	cancel()
	if kind := KindOf(redfishErr); redfishErr == nil || known == Redfish || kind == step.Denied || kind == step.Busy || ctx.Err() != nil {
		if redfishErr == nil {
			p.learn(a.Host, Redfish)
		}
		return s, redfishErr
	}
	s, err = p.protocols.Open(ctx, t)
	switch {
	case err == nil:
		p.learn(a.Host, IPMI)
	case KindOf(err) == step.Unreachable && KindOf(redfishErr) != step.Unreachable && KindOf(redfishErr) != step.Timeout:
		return nil, redfishErr // nobody speaks IPMI there, and the other one said what is wrong
	}
	return s, err
}

func (p *Probing) learn(host string, speaks Protocol) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.speaks[host] = speaks
}
