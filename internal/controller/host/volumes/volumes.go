// Package volumes is the arms of the host controller's actions on RAID controllers: each asks the BMC once and fills in the result.
//
// It refuses decisions (package volume) and the order of the actions on BMCs (the host controller's). Invariant: no arm asks the BMC for a change more than once.
package volumes

import (
	"context"
	"errors"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// Work is the arm of an action on volumes. Nil: the action is none.
func Work(a journey.Action) func(context.Context, bmc.Session, *journey.ActionResult) error {
	var do func(ctx context.Context, s bmc.Storage, out *journey.ActionResult) error
	switch a := a.(type) {
	case journey.ReadVolumes:
		do = func(ctx context.Context, s bmc.Storage, out *journey.ActionResult) error {
			read, err := s.Read(ctx)
			if err == nil {
				out.Storage = &read
			}
			return err
		}
	case journey.MakeVolume:
		do = func(ctx context.Context, s bmc.Storage, out *journey.ActionResult) error {
			order, err := s.Make(ctx, a.Controller, a.Volume)
			out.Volume = taken(order, err)
			return err
		}
	case journey.DeleteVolume:
		do = func(ctx context.Context, s bmc.Storage, out *journey.ActionResult) error {
			order, err := s.Delete(ctx, a.Controller, a.ID)
			out.Volume = taken(order, err)
			return err
		}
	case journey.FollowVolume:
		do = func(ctx context.Context, s bmc.Storage, out *journey.ActionResult) error {
			p, err := s.Progress(ctx, a.Ticket)
			if err == nil {
				out.Volume = &journey.VolumeReading{State: journey.UpdateState(p.State), Ticket: a.Ticket, Message: p.Message}
			}
			return err
		}
	default:
		return nil
	}
	return func(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
		storage := s.Storage()
		if storage == nil {
			return &bmc.Error{Op: a.Name(), Kind: step.Unsupported, Err: errors.New("this BMC shows no storage controllers"), Fix: "remove spec.raid.hardwareRAIDVolumes; spec.raid.softwareRAIDVolumes needs no controller"}
		}
		return do(ctx, storage, out)
	}
}

func taken(o bmc.VolumeOrder, err error) *journey.VolumeReading {
	if err != nil {
		return nil
	}
	return &journey.VolumeReading{State: journey.UpdateRuns, Ticket: o.Ticket, OnReset: o.OnReset}
}

// Refuse says why a change of a volume may not be done any more, empty when it may; host and record were read just now.
func Refuse(host *metal3.BareMetalHost, record *ingot.HostLifecycleStatus, a journey.Action) string {
	if why := journey.RecordedVolume(record, a); why != "" {
		return why
	}
	return journey.RefuseVolume(host, record)
}
