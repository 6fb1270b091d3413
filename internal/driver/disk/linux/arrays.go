package linux

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/directio"
	"github.com/ingotmetal/ingot/internal/driver/disk/superblock"
)

// The requests of linux/raid/md_u.h: _IOW and _IO of the major number 9.
const (
	mdSetArrayInfo = 0x40480923
	mdAddNewDisk   = 0x40140921
	mdRunArray     = 0x400c0930
	mdStopArray    = 0x932
)

// firstArray is the minor number of the first array that is started; the next ones count down, as mdadm does.
const firstArray = 127

// Arrays makes the kernel's md driver start and stop arrays. It is asked by ioctl and sysfs: a member's superblock says all that the kernel needs to know.
type Arrays struct {
	Opener
	// Module loads a kernel module by name; nil: they are there.
	Module func(name string)
}

func (a Arrays) sys(parts ...string) string {
	return filepath.Join(append([]string{cmp.Or(a.SysRoot, "/sys")}, parts...)...)
}

// candidate is a place with a superblock.
type candidate struct {
	member disk.Member
	super  superblock.Super
	device uint64
}

// Assemble implements disk.Arrays.
func (a Arrays) Assemble(ctx context.Context, disks []string) ([]disk.Array, error) {
	running, err := a.list()
	if err != nil {
		return nil, err
	}
	found := map[superblock.UUID][]candidate{}
	for _, name := range disks {
		for _, m := range a.places(name) {
			c, err := a.examine(m)
			if err != nil || c.super.Role < 0 || slices.ContainsFunc(running, func(r disk.Array) bool { return r.UUID == c.super.Array.String() }) {
				continue
			}
			found[c.super.Array] = append(found[c.super.Array], c)
		}
	}
	if len(found) == 0 {
		return running, nil
	}
	if err := a.prepare(found); err != nil {
		return nil, err
	}
	uuids := make([]superblock.UUID, 0, len(found))
	for u := range found {
		uuids = append(uuids, u)
	}
	// The lowest name first, so that the root device has the same number at each boot.
	slices.SortFunc(uuids, func(x, y superblock.UUID) int {
		return cmp.Or(cmp.Compare(found[x][0].super.Name, found[y][0].super.Name), cmp.Compare(x.String(), y.String()))
	})
	for _, u := range uuids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		// One that cannot be started is not there; its members are disks like others.
		_ = a.start(found[u])
	}
	return a.list()
}

// prepare loads what is needed and makes the kernel start arrays without writing to them.
func (a Arrays) prepare(found map[superblock.UUID][]candidate) error {
	if a.Module != nil {
		a.Module("md_mod")
		for _, cs := range found {
			a.Module(fmt.Sprintf("raid%d", cs[0].super.Level))
		}
	}
	if err := os.WriteFile(a.sys("module/md_mod/parameters/start_ro"), []byte("1"), 0); err != nil {
		return fmt.Errorf("have arrays started without writing to them: %w", err)
	}
	return nil
}

// places are a disk and its partitions, by what the kernel knows of it.
func (a Arrays) places(name string) []disk.Member {
	out := []disk.Member{{Disk: name}}
	base := strings.ReplaceAll(strings.TrimPrefix(name, "/dev/"), "/", "!")
	files, err := filepath.Glob(a.sys("class/block", base, base+"*", "partition"))
	if err != nil {
		return out
	}
	for _, f := range files {
		// The pattern for sda finds sdaa1 as well.
		m := disk.Member{Disk: name, Number: number(f)}
		if m.Number > 0 && filepath.Base(filepath.Dir(f)) == strings.ReplaceAll(strings.TrimPrefix(node(m), "/dev/"), "/", "!") {
			out = append(out, m)
		}
	}
	return out
}

func number(file string) int {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return n
}

// node is the device of a member: a partition of a disk whose name ends in a digit has a "p" before its number.
func node(m disk.Member) string {
	switch {
	case m.Number == 0:
		return m.Disk
	case m.Disk != "" && m.Disk[len(m.Disk)-1] >= '0' && m.Disk[len(m.Disk)-1] <= '9':
		return fmt.Sprintf("%sp%d", m.Disk, m.Number)
	}
	return fmt.Sprintf("%s%d", m.Disk, m.Number)
}

// examine reads a place without claiming it.
func (a Arrays) examine(m disk.Member) (candidate, error) {
	f, err := os.OpenFile(node(m), unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return candidate{}, err
	}
	d := &Device{directio.File{F: f, Name: node(m), Direct: true}}
	defer func() { _ = d.Close() }()
	if err := d.measure(); err != nil {
		return candidate{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(d.fd(), &st); err != nil {
		return candidate{}, err
	}
	s, err := superblock.Find(d, d.Geo.SizeBytes)
	return candidate{m, s, st.Rdev}, err
}

// start makes a device and gives it the members, the newest state first, since the kernel takes the array's shape from it.
func (a Arrays) start(members []candidate) error {
	slices.SortStableFunc(members, func(x, y candidate) int { return cmp.Compare(y.super.Events, x.super.Events) })
	minor := firstArray
	for ; minor > 0; minor-- {
		if _, err := os.Stat(a.sys("block", fmt.Sprintf("md%d", minor))); errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	name := fmt.Sprintf("/dev/md%d", minor)
	if err := os.WriteFile(a.sys("module/md_mod/parameters/new_array"), fmt.Appendf(nil, "md%d", minor), 0); err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	f, err := os.OpenFile(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	fd := int(f.Fd())
	// Only the version: with no members named in it the kernel reads the superblocks.
	info := [18]int32{1, int32(members[0].super.Minor)}
	err = ioctl(fd, mdSetArrayInfo, unsafe.Pointer(&info[0]))
	for _, m := range members {
		if err != nil {
			break
		}
		add := [5]int32{0, int32(unix.Major(m.device)), int32(unix.Minor(m.device))}
		if e := ioctl(fd, mdAddNewDisk, unsafe.Pointer(&add[0])); e != nil && m.super.Events == members[0].super.Events {
			err = fmt.Errorf("add %s: %w", node(m.member), e)
		}
	}
	if err == nil {
		err = ioctl(fd, mdRunArray, nil)
	}
	if err != nil {
		return errors.Join(&disk.Error{Op: "start the array", Disk: name, Kind: directio.Kind(err), Err: err}, ioctl(fd, mdStopArray, nil))
	}
	// Members are brought into step by the system that the image holds: here it would take the disks' time from the write, and never get to its end. A level without it refuses.
	_ = os.WriteFile(a.sys("block", filepath.Base(name), "md/sync_action"), []byte("frozen"), 0)
	return nil
}

// list is what runs, by the kernel's word.
func (a Arrays) list() ([]disk.Array, error) {
	dirs, err := filepath.Glob(a.sys("block", "md*", "md"))
	if err != nil {
		return nil, err
	}
	var out []disk.Array
	for _, dir := range dirs {
		level, striped := strings.CutPrefix(a.text(dir, "level"), "raid")
		n, err := strconv.Atoi(level)
		if state := a.text(dir, "array_state"); !striped || err != nil || state == "clear" || state == "inactive" {
			continue
		}
		base := filepath.Base(filepath.Dir(dir))
		r := disk.Array{Name: "/dev/" + base, Level: n}
		sectors, err := strconv.ParseInt(a.text(filepath.Dir(dir), "size"), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read the size of %s: %w", r.Name, err)
		}
		r.SizeBytes = sectors * 512
		r.SectorBytes, _ = strconv.Atoi(a.text(filepath.Dir(dir), "queue/logical_block_size"))
		if r.Members, err = a.members(dir); err != nil {
			return nil, err
		}
		for _, m := range r.Members {
			if c, err := a.examine(m); err == nil {
				r.UUID = c.super.Array.String()
				break
			}
		}
		out = append(out, r)
	}
	return out, nil
}

func (a Arrays) text(parts ...string) string {
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (a Arrays) members(dir string) ([]disk.Member, error) {
	links, err := filepath.Glob(filepath.Join(dir, "dev-*", "block"))
	if err != nil {
		return nil, err
	}
	var out []disk.Member
	for _, l := range links {
		real, err := filepath.EvalSymlinks(l)
		if err != nil {
			return nil, fmt.Errorf("find the members of %s: %w", dir, err)
		}
		m := disk.Member{Disk: "/dev/" + strings.ReplaceAll(filepath.Base(real), "!", "/")}
		if n := number(filepath.Join(real, "partition")); n > 0 {
			m = disk.Member{Disk: "/dev/" + strings.ReplaceAll(filepath.Base(filepath.Dir(real)), "!", "/"), Number: n}
		}
		out = append(out, m)
	}
	return out, nil
}

// Stop implements disk.Arrays.
func (a Arrays) Stop(ctx context.Context, name string) error {
	if _, err := os.Stat(a.sys("block", strings.TrimPrefix(name, "/dev/"), "md")); err != nil {
		return &disk.Error{Op: "stop the array", Disk: name, Kind: disk.ErrNotFound, Err: err}
	}
	f, err := openPatiently(ctx, name, cmp.Or(a.Patience, busyWait))
	if err != nil {
		return &disk.Error{Op: "stop the array", Disk: name, Kind: directio.Kind(err), Err: err}
	}
	err = ioctl(int(f.Fd()), mdStopArray, nil)
	if err := errors.Join(err, f.Close()); err != nil {
		return &disk.Error{Op: "stop the array", Disk: name, Kind: directio.Kind(err), Err: err}
	}
	return nil
}

// OpenPartition implements disk.Arrays.
func (a Arrays) OpenPartition(ctx context.Context, m disk.Member) (disk.Disk, error) {
	name := node(m)
	f, err := openPatiently(ctx, name, cmp.Or(a.Patience, busyWait))
	if err != nil {
		return nil, &disk.Error{Op: "open for exclusive writing", Disk: name, Kind: directio.Kind(err), Err: err}
	}
	d := &Device{directio.File{F: f, Name: name, Direct: true}}
	if err := d.measure(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}
