package components

import (
	"context"
	"errors"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// Work is the arm of an action on components: it does it on a session and fills in the result. Nil: the action is not on components.
func (k *Keeper) Work(host *metal3.BareMetalHost, a journey.Action, now func() time.Time) func(context.Context, bmc.Session, *journey.ActionResult) error {
	switch a := a.(type) {
	case journey.ReadComponents:
		return func(ctx context.Context, s bmc.Session, _ *journey.ActionResult) error {
			var read []bmc.Component
			if c := s.Components(); c != nil {
				var err error
				if read, err = c.Read(ctx); err != nil {
					return err
				}
			}
			return k.Save(ctx, host, read, now())
		}
	case journey.StartUpdate:
		return func(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
			c, err := componentsOf(s)
			if err != nil {
				return err
			}
			out.Update, err = k.start(ctx, c, a)
			return err
		}
	case journey.FollowUpdate:
		return func(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
			c, err := componentsOf(s)
			if err != nil {
				return err
			}
			out.Update, err = look(ctx, c, a)
			return err
		}
	}
	return nil
}

// look asks how far an update is, after it was found where there is no ticket.
func look(ctx context.Context, c bmc.Components, a journey.FollowUpdate) (*journey.UpdateReading, error) {
	ticket := a.Ticket
	if ticket == "" {
		image, _ := firmware.ImageOf(a.URL)
		found, err := c.Find(ctx, image.URL)
		if err != nil {
			return nil, err
		}
		if ticket = found; ticket == "" {
			return &journey.UpdateReading{State: journey.UpdateUnknown}, nil
		}
	}
	p, err := c.Progress(ctx, ticket)
	if err != nil {
		return nil, err
	}
	return &journey.UpdateReading{State: journey.UpdateState(p.State), Ticket: ticket, Percent: p.Percent, Message: p.Message}, nil
}

func componentsOf(s bmc.Session) (bmc.Components, error) {
	if c := s.Components(); c != nil {
		return c, nil
	}
	return nil, &bmc.Error{Op: "update firmware", Kind: step.Unsupported, Err: errors.New("this BMC has no service for updates of firmware"), Fix: "empty spec.updates of the host's HostFirmwareComponents"}
}
