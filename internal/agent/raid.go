package agent

import (
	"context"
	"fmt"
	"slices"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image/array"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// configureRAID makes the host's software RAID. It begins from the start each time, so that one that was cut short leaves nothing behind: the disks hold nothing yet.
func (a *agent) configureRAID(ctx context.Context, p protocol.ConfigureRAID, report func(step.Progress)) step.Outcome {
	if a.hardware.Arrays == nil {
		return failed(step.Unsupported, "configure RAID: this machine's agent knows no software RAID", "")
	}
	by := raid.Owner{Owns: p.Owns}
	if p.Erasure != nil {
		by.Erasure = *p.Erasure
	}
	disks, err := a.hardware.Inspector.Disks(ctx)
	if err != nil {
		return failure(fmt.Errorf("list the disks for RAID: %w", err))
	}
	plan, refused := raid.Layout(p.Volumes, disks, by)
	if refused != nil {
		return step.Outcome{Failure: refused}
	}
	used := make([]string, 0, len(plan.Disks))
	for _, d := range plan.Disks {
		used = append(used, d.Disk.Name)
	}
	if err := a.stopArrays(ctx, disks, func(r disk.Array) bool { return touches(r, used) }); err != nil {
		return failure(err)
	}
	made, err := array.Maker{Disks: a.hardware.Disks, Arrays: a.hardware.Arrays, Host: p.Host, Now: a.clock.Now, Report: report}.Make(ctx, plan)
	if err != nil {
		return failure(err)
	}
	for _, m := range made {
		a.logger.Info("Array made", "disk", m.Name, "serial", m.UUID, "level", m.Level, "bytes", m.SizeBytes)
	}
	return step.Outcome{Arrays: made}
}

// disks lists the disks as they are now, and those of the arrays that are wanted. A disk of such an array is marked, since nothing else may be written to it.
func (a *agent) disks(ctx context.Context, wanted []string) ([]step.Disk, error) {
	disks, err := a.hardware.Inspector.Disks(ctx)
	if err != nil || len(wanted) == 0 {
		return disks, err
	}
	running, err := a.assemble(ctx, disks)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(disks)
	for _, uuid := range wanted {
		i := slices.IndexFunc(running, func(r disk.Array) bool { return r.UUID == uuid })
		if i < 0 {
			return nil, &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the software RAID array %s was made on this host and cannot be started", uuid),
				Fix: "look after its disks; the array is made again when the host is cleaned"}
		}
		r := running[i]
		for k := range out {
			if touches(r, []string{out[k].Name}) {
				out[k].MemberOf = r.Name
			}
		}
		out = append(out, step.Disk{
			Name: r.Name, AlternateNames: []string{"/dev/disk/by-id/md-uuid-" + r.UUID}, SerialNumber: r.UUID, Model: fmt.Sprintf("Linux software RAID %d", r.Level),
			SizeBytes: r.SizeBytes, SectorBytes: r.SectorBytes, Array: true,
		})
	}
	return out, nil
}

func (a *agent) assemble(ctx context.Context, disks []step.Disk) ([]disk.Array, error) {
	if a.hardware.Arrays == nil {
		return nil, nil
	}
	var names []string
	for _, d := range disks {
		// A LUN's array may run on another machine.
		if d.Outside() == "" && !d.Removable {
			names = append(names, d.Name)
		}
	}
	running, err := a.hardware.Arrays.Assemble(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("start the software RAID arrays on the disks: %w", err)
	}
	return running, nil
}

// tellArrays starts the arrays that are there and says which; nothing is written by it.
func (a *agent) tellArrays(ctx context.Context, disks []step.Disk) {
	running, err := a.assemble(ctx, disks)
	if err != nil {
		a.logger.Warn("Arrays not started", "err", err)
	}
	for _, r := range running {
		a.logger.Info("Array found", "disk", r.Name, "serial", r.UUID, "level", r.Level, "members", len(r.Members))
	}
}

// stopArrays stops the arrays that hold disks which are to be written as they are; which is nil for all.
func (a *agent) stopArrays(ctx context.Context, disks []step.Disk, which func(disk.Array) bool) error {
	running, err := a.assemble(ctx, disks)
	if err != nil {
		return err
	}
	for _, r := range running {
		if which != nil && !which(r) {
			continue
		}
		if err := a.hardware.Arrays.Stop(ctx, r.Name); err != nil {
			return fmt.Errorf("stop the software RAID array %s: %w", r.UUID, err)
		}
		a.logger.Info("Array stopped", "disk", r.Name, "serial", r.UUID)
	}
	return nil
}

// freeForWriting stops what a former use left running on a disk that an image goes to.
func (a *agent) freeForWriting(ctx context.Context, found step.Disk, own []string) error {
	if found.Array || a.hardware.Arrays == nil {
		return nil
	}
	return a.stopArrays(ctx, []step.Disk{found}, func(r disk.Array) bool { return touches(r, []string{found.Name}) && !slices.Contains(own, r.UUID) })
}

func touches(r disk.Array, disks []string) bool {
	return slices.ContainsFunc(r.Members, func(m disk.Member) bool { return slices.Contains(disks, m.Disk) })
}

func noHints(h *rootdevice.Hints) bool { return h == nil || *h == (rootdevice.Hints{}) }
