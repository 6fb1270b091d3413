package bmc

import (
	"context"
	"fmt"

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
