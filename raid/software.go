package raid

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// The levels of software RAID.
const (
	Striped  = "0"
	Mirrored = "1"
	// MirroredStripes is md's raid10 with two near copies.
	MirroredStripes = "1+0"
)

const (
	mib = 1 << 20
	gib = 1 << 30
	// BootBytes is the partition for the firmware on each disk of the first volume, as large as in Ironic.
	BootBytes = 550 * mib
	// BootPartition is its number.
	BootPartition = 1
	// HeadBytes at the beginning of a member are the array's superblock and room for a bitmap.
	HeadBytes = mib
	// ChunkBytes is how much goes to one member before the next has its turn, where a level stripes.
	ChunkBytes = 512 << 10
	// tableBytes at both ends of a disk are its partition tables'.
	tableBytes = mib
	// maxVolumes is Metal3's.
	maxVolumes = 2
)

// Volume is one software RAID volume as a host asks for it.
type Volume struct {
	Level string `json:"level"`
	// SizeBytes is a whole number of GiB; 0: as much as there is.
	SizeBytes int64 `json:"sizeBytes,omitempty"`
	// Disks say which ones, one hint a disk; none: all of the machine's own.
	Disks []rootdevice.Hints `json:"disks,omitempty"`
}

// Owner is what a host says of its disks: those outside of the machine that are its own, and those that are kept.
type Owner struct {
	Owns    []step.Outside
	Erasure step.Erasure
}

// Plan is where everything goes.
type Plan struct {
	// Disks are those that are used, by name.
	Disks []DiskPlan
	// Arrays are in the order of the volumes.
	Arrays []ArrayPlan
}

// DiskPlan is one disk's partition table.
type DiskPlan struct {
	Disk       step.Disk
	Partitions []Partition
}

// Partition is one of a disk, numbered from 1 in their order.
type Partition struct {
	// Volume is the index of the volume that it is a member of, -1 for the firmware's.
	Volume      int
	Off, Length int64
}

// ArrayPlan is one array.
type ArrayPlan struct {
	Volume int
	Level  string
	// Members are in the array's order.
	Members []Member
	// MemberBytes is what each holds of the array's data, behind HeadBytes; SizeBytes what can be used of the array.
	MemberBytes, SizeBytes int64
}

// Member is a partition of a disk.
type Member struct {
	Disk   string
	Number int
}

// Check says what is wrong with volumes whatever the disks.
func Check(volumes []Volume) *step.Failure {
	wrong := func(format string, args ...any) *step.Failure {
		return &step.Failure{Kind: step.Invalid, Message: "spec.raid.softwareRAIDVolumes: " + fmt.Sprintf(format, args...), Fix: "correct spec.raid"}
	}
	if len(volumes) > maxVolumes {
		return wrong("%d volumes, at most %d are possible", len(volumes), maxVolumes)
	}
	for i, v := range volumes {
		switch {
		case !slices.Contains([]string{Striped, Mirrored, MirroredStripes}, v.Level):
			return wrong("volume %d has level %q: 0, 1 or 1+0 are possible", i+1, v.Level)
		case i == 0 && v.Level != Mirrored:
			return wrong("the first volume has level %q: it is the root device, which has to be level 1", v.Level)
		case v.SizeBytes < 0 || v.SizeBytes > 1<<60:
			return wrong("volume %d has %d bytes", i+1, v.SizeBytes)
		case len(v.Disks) > 0 && len(v.Disks) < fewest(v.Level):
			return wrong("volume %d names %d disks, level %s needs %d", i+1, len(v.Disks), v.Level, fewest(v.Level))
		}
	}
	return nil
}

func fewest(level string) int {
	if level == MirroredStripes {
		return 4
	}
	return 2
}

// Layout places volumes on disks.
func Layout(volumes []Volume, disks []step.Disk, by Owner) (Plan, *step.Failure) {
	if f := Check(volumes); f != nil {
		return Plan{}, f
	}
	usable := ofOwner(disks, by)
	members := make([][]step.Disk, len(volumes))
	for i, v := range volumes {
		var f *step.Failure
		if members[i], f = choose(i, v, usable); f != nil {
			return Plan{}, f
		}
	}
	l := layout{volumes: volumes, members: members, free: map[string]int64{}}
	for _, d := range usable {
		l.free[d.Name] = d.SizeBytes/mib*mib - 2*tableBytes
	}
	sizes, f := l.sizes()
	if f != nil {
		return Plan{}, f
	}
	return l.place(usable, sizes), nil
}

// ofOwner are the disks that may be a part of a volume, by name.
func ofOwner(disks []step.Disk, by Owner) []step.Disk {
	var out []step.Disk
	for _, d := range disks {
		if d.Owned(by.Owns) && !d.ReadOnly && !d.Array && !by.Erasure.Keeps(d) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b step.Disk) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// choose finds a volume's disks: the first of those left that each hint means, or all.
func choose(i int, v Volume, usable []step.Disk) ([]step.Disk, *step.Failure) {
	out := usable
	if len(v.Disks) > 0 {
		left := slices.Clone(usable)
		out = nil
		for n, h := range v.Disks {
			d, f := rootdevice.Choose(left, &h, 0, step.Outsides()...)
			if f != nil {
				f.Message = fmt.Sprintf("spec.raid.softwareRAIDVolumes: volume %d, physicalDisks %d: %s", i+1, n+1, f.Message)
				f.Fix = "correct spec.raid; the host's HardwareData lists its disks"
				return nil, f
			}
			left = slices.DeleteFunc(left, func(x step.Disk) bool { return x.Name == d.Name })
			out = append(out, d)
		}
		slices.SortFunc(out, func(a, b step.Disk) int { return cmp.Compare(a.Name, b.Name) })
	}
	if len(out) < fewest(v.Level) {
		return nil, &step.Failure{Kind: step.Invalid, Fix: "correct spec.raid, or add disks",
			Message: fmt.Sprintf("spec.raid.softwareRAIDVolumes: volume %d of level %s needs %d disks, and the machine has %d that may be used", i+1, v.Level, fewest(v.Level), len(out))}
	}
	return out, nil
}

// layout is a plan in the making.
type layout struct {
	volumes []Volume
	members [][]step.Disk
	// free is what is left of each disk.
	free map[string]int64
}

// sizes gives the partition size of each volume: those with a size first, then what is left.
func (l layout) sizes() ([]int64, *step.Failure) {
	out := make([]int64, len(l.volumes))
	if len(l.volumes) > 0 {
		for _, d := range l.members[0] {
			l.free[d.Name] -= BootBytes
		}
	}
	order := make([]int, 0, len(l.volumes))
	for i := range l.volumes {
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(whole(l.volumes[a]), whole(l.volumes[b])) })
	for _, i := range order {
		v, least := l.volumes[i], int64(1<<62)
		for _, d := range l.members[i] {
			least = min(least, l.free[d.Name])
		}
		need := HeadBytes + partOf(v, len(l.members[i]))
		if v.SizeBytes == 0 {
			need = least
		}
		if need > least || least < HeadBytes+gib {
			return nil, &step.Failure{Kind: step.Invalid, Fix: "correct spec.raid: smaller volumes, other disks, or only one volume without a size on a disk",
				Message: fmt.Sprintf("spec.raid.softwareRAIDVolumes: volume %d does not fit: the smallest of its disks has %d MiB left, and it needs %d", i+1, max(least, 0)/mib, max(need, HeadBytes+gib)/mib)}
		}
		out[i] = need
		for _, d := range l.members[i] {
			l.free[d.Name] -= need
		}
	}
	return out, nil
}

// whole is 1 for a volume that takes what is left.
func whole(v Volume) int {
	if v.SizeBytes == 0 {
		return 1
	}
	return 0
}

// partOf is what one of n members holds of a volume with a size, in whole MiB.
func partOf(v Volume, n int) int64 {
	part := v.SizeBytes
	switch v.Level {
	case Striped:
		part = (part + int64(n) - 1) / int64(n)
	case MirroredStripes:
		part = (2*part + int64(n) - 1) / int64(n)
	}
	return (part + mib - 1) / mib * mib
}

func (l layout) place(usable []step.Disk, sizes []int64) Plan {
	var p Plan
	for i, v := range l.volumes {
		data := sizes[i] - HeadBytes
		a := ArrayPlan{Volume: i, Level: v.Level, MemberBytes: data, SizeBytes: data}
		n := int64(len(l.members[i]))
		switch v.Level {
		case Striped:
			a.SizeBytes = data * n
		case MirroredStripes:
			// Whole chunks, each of them twice.
			a.SizeBytes = data / ChunkBytes * n / 2 * ChunkBytes
		}
		p.Arrays = append(p.Arrays, a)
	}
	for _, d := range usable {
		at, parts := int64(tableBytes), []Partition(nil)
		add := func(volume int, length int64) {
			parts = append(parts, Partition{Volume: volume, Off: at, Length: length})
			at += length
		}
		for i := range l.volumes {
			if !slices.ContainsFunc(l.members[i], func(m step.Disk) bool { return m.Name == d.Name }) {
				continue
			}
			if i == 0 {
				add(-1, BootBytes)
			}
			add(i, sizes[i])
			p.Arrays[i].Members = append(p.Arrays[i].Members, Member{d.Name, len(parts)})
		}
		if len(parts) > 0 {
			p.Disks = append(p.Disks, DiskPlan{d, parts})
		}
	}
	return p
}
