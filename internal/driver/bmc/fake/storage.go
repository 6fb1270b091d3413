package fake

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

// RAID is what a BMC's machine has of RAID controllers.
type RAID struct {
	// Storage is there at first; without a controller the BMC shows none.
	Storage raid.Storage
	// Waits: changes are carried out by the machine's next start. Ignored: they end well and change nothing. Fails is why the next changes fail, empty for none.
	Waits, Ignored bool
	Fails          string
	// OnChange, if not nil, is called after each change that was carried out, with the BMC's lock held.
	OnChange func(raid.Storage)
}

// volumeOrder is one change that the BMC was asked for.
type volumeOrder struct {
	ticket  string
	do      func(raid.Storage) raid.Storage
	state   bmc.UpdateState
	message string
}

// storageState is guarded by BMC.mu.
type storageState struct {
	now    raid.Storage
	orders []*volumeOrder
	// asked are the orders in words.
	asked []string
	fails string
}

// VolumesAsked are the changes that the BMC was asked for, in order.
func (b *BMC) VolumesAsked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.storage.asked)
}

// RAIDStorage is what the controllers have now.
func (b *BMC) RAIDStorage() raid.Storage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.storage.now
}

// SetRAIDStorage changes what the controllers have, as somebody at the machine does.
func (b *BMC) SetRAIDStorage(s raid.Storage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.storage.now = s
}

// FailVolumes makes changes of volumes fail for this reason, empty for no more.
func (b *BMC) FailVolumes(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.storage.fails = why
}

// bootVolumes carries out what waited for the boot. It is called with mu held.
func (b *BMC) bootVolumes() {
	for _, o := range b.storage.orders {
		if o.state == bmc.UpdateWaits {
			b.carryOut(o)
		}
	}
}

func (b *BMC) carryOut(o *volumeOrder) {
	if b.storage.fails != "" {
		o.state, o.message = bmc.UpdateFailed, b.storage.fails
		return
	}
	o.state = bmc.UpdateDone
	if b.config.RAID.Ignored {
		return
	}
	b.storage.now = o.do(b.storage.now)
	if b.config.RAID.OnChange != nil {
		b.config.RAID.OnChange(b.storage.now)
	}
}

func (b *BMC) order(what string, do func(raid.Storage) raid.Storage) bmc.VolumeOrder {
	s := &b.storage
	s.asked = append(s.asked, what)
	o := &volumeOrder{ticket: "volume-" + strconv.Itoa(len(s.orders)+1), do: do, state: bmc.UpdateRuns}
	if b.config.RAID.Waits {
		o.state = bmc.UpdateWaits
	}
	s.orders = append(s.orders, o)
	return bmc.VolumeOrder{Ticket: o.ticket, OnReset: b.config.RAID.Waits}
}

type storage struct{ s *session }

// Read implements bmc.Storage.
func (o storage) Read(ctx context.Context) (out raid.Storage, err error) {
	err = o.s.call(ctx, "read RAID controllers", func() error { out = o.s.b.storage.now; return nil })
	return out, err
}

// Make implements bmc.Storage.
func (o storage) Make(ctx context.Context, controller string, v raid.Made) (out bmc.VolumeOrder, err error) {
	const op = "make RAID volume"
	b := o.s.b
	err = o.s.call(ctx, op, func() error {
		at := slices.IndexFunc(b.storage.now.Controllers, func(c raid.Controller) bool { return c.ID == controller })
		if at < 0 {
			return b.failure(op, step.Invalid, "the BMC shows no controller "+controller, "")
		}
		c := b.storage.now.Controllers[at]
		for _, id := range v.Drives {
			if !slices.ContainsFunc(c.Drives, func(d raid.Drive) bool { return d.ID == id }) {
				return b.failure(op, step.Invalid, "the controller has no drive "+id, "")
			}
			if slices.ContainsFunc(c.Volumes, func(m raid.Made) bool { return slices.Contains(m.Drives, id) }) {
				return b.failure(op, step.Invalid, "the drive "+id+" is in use", "")
			}
		}
		out = b.order(fmt.Sprintf("make %s of %v", v.Level, v.Drives), func(s raid.Storage) raid.Storage {
			next, _ := s.With(controller, v)
			return next
		})
		return nil
	})
	return out, err
}

// Delete implements bmc.Storage.
func (o storage) Delete(ctx context.Context, controller, id string) (out bmc.VolumeOrder, err error) {
	b := o.s.b
	err = o.s.call(ctx, "delete RAID volume", func() error {
		for _, c := range b.storage.now.Controllers {
			if c.ID == controller && slices.ContainsFunc(c.Volumes, func(m raid.Made) bool { return m.ID == id }) {
				out = b.order("delete "+id, func(s raid.Storage) raid.Storage { return s.Without(controller, id) })
			}
		}
		return nil
	})
	return out, err
}

// Progress implements bmc.Storage. A change goes on by being looked at.
func (o storage) Progress(ctx context.Context, ticket string) (out bmc.UpdateProgress, err error) {
	b := o.s.b
	err = o.s.call(ctx, "follow RAID volume", func() error {
		out.State = bmc.UpdateUnknown
		for _, v := range b.storage.orders {
			if v.ticket != ticket {
				continue
			}
			if v.state == bmc.UpdateRuns {
				b.carryOut(v)
			}
			out = bmc.UpdateProgress{State: v.state, Message: v.message}
			if v.state == bmc.UpdateDone {
				out.Percent = 100
			}
		}
		return nil
	})
	return out, err
}
