package filebacked

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/superblock"
)

// Arrays is the software RAID of a simulated machine from its power-on to its power-off: what the kernel would do with the superblocks that are in the files. It opens arrays as well as disks.
type Arrays struct {
	machine *Machine
	// Partitions reads a disk's table: offset and length by number from 1, 0 for none.
	partitions func(r io.ReaderAt, size int64) ([][2]int64, error)

	mu      sync.Mutex
	running map[string]*array
}

// array is one that runs.
type array struct {
	disk.Array
	super superblock.Super
	// parts are by role; nil for one that is missing.
	parts []*part
	open  bool
}

// part is where a member is in its file.
type part struct {
	disk.Member
	off, length int64
	super       superblock.Super
}

// NewArrays starts a machine's life. Partitions says where the partitions of a disk are.
func NewArrays(m *Machine, partitions func(r io.ReaderAt, size int64) ([][2]int64, error)) *Arrays {
	return &Arrays{machine: m, partitions: partitions, running: map[string]*array{}}
}

// Assemble implements disk.Arrays.
func (a *Arrays) Assemble(ctx context.Context, disks []string) ([]disk.Array, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := map[superblock.UUID][]*part{}
	for _, name := range disks {
		parts, err := a.look(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, p := range parts {
			found[p.super.Array] = append(found[p.super.Array], p)
		}
	}
	uuids := slices.SortedFunc(maps.Keys(found), func(x, y superblock.UUID) int {
		return cmp.Or(cmp.Compare(found[x][0].super.Name, found[y][0].super.Name), cmp.Compare(x.String(), y.String()))
	})
	for _, u := range uuids {
		a.start(found[u])
	}
	return a.list(), nil
}

// look reads a disk's superblocks; a member of an array that runs has none to offer.
func (a *Arrays) look(ctx context.Context, name string) ([]*part, error) {
	if a.memberOf(name, -1) != "" {
		return nil, nil
	}
	d, err := a.machine.Open(ctx, name)
	if err != nil {
		if errors.Is(err, disk.ErrBusy) || errors.Is(err, disk.ErrNotFound) {
			return nil, nil
		}
		return nil, err
	}
	size := d.Geometry().SizeBytes
	places := [][2]int64{{0, size}}
	if p, err := a.partitions(d, size); err == nil {
		places = append(places, p...)
	}
	var out []*part
	for n, place := range places {
		s, err := superblock.Find(io.NewSectionReader(d, place[0], place[1]), place[1])
		if err == nil && s.Role >= 0 {
			out = append(out, &part{disk.Member{Disk: name, Number: n}, place[0], place[1], s})
		}
	}
	return out, d.Close()
}

// start runs an array that has enough members.
func (a *Arrays) start(parts []*part) {
	s := parts[0].super
	r := &array{super: s, parts: make([]*part, s.Members)}
	for _, p := range parts {
		if p.super.Role < s.Members {
			r.parts[p.super.Role] = p
			r.Members = append(r.Members, p.Member)
		}
	}
	r.UUID, r.Level, r.SectorBytes = s.Array.String(), s.Level, 512
	switch s.Level {
	case superblock.RAID1:
		r.SizeBytes = s.DataBytes
	case superblock.RAID0:
		if len(r.Members) < s.Members {
			return
		}
		r.SizeBytes = s.DataBytes / s.ChunkBytes * s.ChunkBytes * int64(s.Members)
	case superblock.RAID10:
		if len(r.Members) < s.Members {
			return // which ones may be missing is the kernel's knowledge
		}
		r.SizeBytes = s.DataBytes / s.ChunkBytes * int64(s.Members) / 2 * s.ChunkBytes
	default:
		return
	}
	for n := 127; n > 0; n-- {
		if name := fmt.Sprintf("/dev/md%d", n); a.running[name] == nil {
			r.Name = name
			a.running[name] = r
			return
		}
	}
}

func (a *Arrays) list() []disk.Array {
	var out []disk.Array
	for _, name := range slices.Sorted(maps.Keys(a.running)) {
		out = append(out, a.running[name].Array)
	}
	return out
}

// memberOf is the array that a place is in: any of a disk's for number -1.
func (a *Arrays) memberOf(name string, number int) string {
	for _, r := range a.running {
		for _, m := range r.Members {
			if m.Disk == name && (number < 0 || m.Number == number || m.Number == 0) {
				return r.Name
			}
		}
	}
	return ""
}

// Stop implements disk.Arrays.
func (a *Arrays) Stop(_ context.Context, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.running[name]
	switch {
	case r == nil:
		return &disk.Error{Op: "stop the array", Disk: name, Kind: disk.ErrNotFound}
	case r.open:
		return &disk.Error{Op: "stop the array", Disk: name, Kind: disk.ErrBusy}
	}
	delete(a.running, name)
	return nil
}

// Open implements disk.Opener, for disks and arrays.
func (a *Arrays) Open(ctx context.Context, name string) (disk.Disk, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !strings.HasPrefix(name, "/dev/md") {
		if in := a.memberOf(name, -1); in != "" {
			return nil, &disk.Error{Op: "open for exclusive writing", Disk: name, Kind: disk.ErrBusy, Err: fmt.Errorf("a part of %s", in)}
		}
		return a.machine.Open(ctx, name)
	}
	r := a.running[name]
	switch {
	case r == nil:
		return nil, &disk.Error{Op: "open", Disk: name, Kind: disk.ErrNotFound}
	case r.open:
		return nil, &disk.Error{Op: "open for exclusive writing", Disk: name, Kind: disk.ErrBusy}
	}
	d := &arrayDisk{arrays: a, array: r, files: make([]disk.Disk, len(r.parts))}
	for i, p := range r.parts {
		if p == nil {
			continue
		}
		f, err := a.file(ctx, p.Member, p.off, p.length)
		if err != nil {
			return nil, errors.Join(err, d.close())
		}
		d.files[i] = f
	}
	r.open = true
	if o := a.machine.Observer; o != nil {
		o.OpenedForWrite(name)
	}
	return d, nil
}

// OpenPartition implements disk.Arrays.
func (a *Arrays) OpenPartition(ctx context.Context, m disk.Member) (disk.Disk, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if in := a.memberOf(m.Disk, m.Number); in != "" {
		return nil, &disk.Error{Op: "open for exclusive writing", Disk: fmt.Sprint(m), Kind: disk.ErrBusy, Err: fmt.Errorf("a part of %s", in)}
	}
	d, err := a.machine.Open(ctx, m.Disk)
	if err != nil {
		return nil, err
	}
	parts, err := a.partitions(d, d.Geometry().SizeBytes)
	if err := errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	if m.Number < 1 || m.Number > len(parts) || parts[m.Number-1][1] == 0 {
		return nil, &disk.Error{Op: "open", Disk: fmt.Sprint(m), Kind: disk.ErrNotFound}
	}
	return a.file(ctx, m, parts[m.Number-1][0], parts[m.Number-1][1])
}

// file opens a part of a disk's file.
func (a *Arrays) file(ctx context.Context, m disk.Member, off, length int64) (disk.Disk, error) {
	silent := &Machine{Disks: a.machine.Disks, Direct: a.machine.Direct, shared: true}
	d, err := silent.Open(ctx, m.Disk)
	if err != nil {
		return nil, err
	}
	return &window{Disk: d, name: fmt.Sprintf("%s partition %d", m.Disk, m.Number), off: off, length: length}, nil
}
