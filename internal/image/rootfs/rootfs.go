// Package rootfs installs an operating system from its root file system, which is a tar archive or a partition image: partitions, file systems, files, fstab and a boot loader on one disk.
//
// It owns the order. It refuses to run anything of the archive: metal-stack's images bring an install.sh that is run in a chroot, grub-install with it, and Ironic did the
// like (CVE-2026-43003); here the boot loader's code is the agent's own, or a signed one that the archive holds as a file, and its configuration is written. What else an
// image wants done, its first boot does, told by the config drive.
//
// The guarantee is that of package image. From the first changed byte on, the first and the last MiB of the disk are zero: the kernel is told of the partitions by ioctls, so
// that file systems are made and filled on a disk that has no table. Only when the digest of the whole archive was right, everything was written back and unmounted, and
// the disk was opened again by itself and found to be the claimed one, tables and boot sector are written, the first page last. Any failure makes both MiB zero again.
//
// A partition image (copy.go) goes through package image into the span of the partition that is to be, so that the first and the last MiB of the file system are kept back until the digest was right, too. Then it is
// mounted and grown. That the agent's kernel mounts what a tenant made is the price of this way, and the reason why an archive is the better one where there is a choice.
//
// Every error is a *step.Failure, except when the context was cancelled.
package rootfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/filesystem/recognize"
	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/volume"
	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/internal/image/archive"
	"github.com/ingotmetal/ingot/step"
)

// Request is what to install.
type Request struct {
	// Disk is the disk's device; Open opens it exclusively after it was found to be the claimed one still.
	Disk string
	Open func(ctx context.Context) (disk.Disk, error)
	// Layout is how the disk is laid out, UEFI how the machine boots.
	Layout filesystem.Layout
	UEFI   bool
	// Filesystem: the image is a file system, which becomes the layout's root; else it is a tar archive. AnyFormat: the root's format in the layout does not count.
	Filesystem, AnyFormat bool
	// Seed makes the identifiers of the disk and its file systems; another one for each installation.
	Seed    string
	Source  image.Source
	Options image.Options
}

// Tools are what it is installed with.
type Tools struct {
	Volumes volume.Maker
	// Loader is the folder with the boot loader's files: see BIOSSectorFile and the others.
	Loader string
}

// PhaseFormatting is the phase of making file systems.
const PhaseFormatting = "making file systems"

// headBytes is how much of the disk's beginning and end decides what firmware and kernel see of it.
const headBytes = 1 << 20

type installer struct {
	r      Request
	tools  Tools
	report func(step.Progress)

	geo    disk.Geometry
	plan   filesystem.Plan
	loader loader
	table  table
	// unpacked is the content of all files.
	unpacked int64
	// found is what a partition image holds.
	found recognize.Found
	// touched: the disk may have been changed.
	touched bool
	// devices are the partitions' own, by number; known those that the kernel was told of; mounted the mount points in order.
	devices map[int]string
	known   []int
	mounted []string
	folder  string
	root    *os.Root
	away    func() error
}

// Install installs. open is the disk, open exclusively; it is closed in any case. report may be nil.
func Install(ctx context.Context, open disk.Disk, r Request, tools Tools, report func(step.Progress)) (step.Written, error) {
	if report == nil {
		report = func(step.Progress) {}
	}
	i := &installer{r: r, tools: tools, report: report, geo: open.Geometry()}
	written, err := i.run(ctx, open)
	if err == nil {
		return written, nil
	}
	// The clean-up is not cut short by the context that may have ended the installation.
	cleanup := context.WithoutCancel(ctx)
	if after := errors.Join(i.release(), i.unboot(cleanup)); after != nil {
		return written, &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("%v; and the disk could not be left without a partition table: %v", describe(ctx, err), after),
			Fix: "see whether the disk works; do not boot the machine from it"}
	}
	return written, describe(ctx, err)
}

func (i *installer) run(ctx context.Context, open disk.Disk) (step.Written, error) {
	err := i.prepare()
	if err != nil {
		return step.Written{}, errors.Join(err, open.Close())
	}
	bring := i.unpack
	if i.r.Filesystem {
		bring = i.copy
	}
	written, err := bring(ctx, open)
	if err != nil {
		return written, err
	}
	i.report(step.Progress{Phase: image.PhaseFinishing})
	if err := i.configure(); err != nil {
		return written, err
	}
	if err := i.release(); err != nil {
		return written, err
	}
	return written, i.commit(ctx)
}

// unpack makes the file systems and unpacks an archive into them. The disk is closed in any case.
func (i *installer) unpack(ctx context.Context, open disk.Disk) (step.Written, error) {
	begun := false
	written, err := image.Read(ctx, i.r.Source, i.r.Options, func(content io.Reader) error {
		begun = true
		return i.fill(ctx, open, content)
	}, i.report)
	written.WrittenBytes = i.unpacked
	if !begun {
		err = errors.Join(err, open.Close())
	}
	return written, err
}

// prepare finds out everything that can be known before the disk is touched.
func (i *installer) prepare() error {
	var err error
	i.plan, err = filesystem.Make(i.r.Layout, filesystem.Target{
		SizeBytes: i.geo.SizeBytes, SectorBytes: i.geo.SectorBytes, UEFI: i.r.UEFI, TailBytes: tailBytes(len(i.r.Options.ConfigDrive)), Seed: i.r.Seed,
	})
	if err != nil {
		return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the filesystem layout does not fit %s: %v; nothing was written", i.r.Disk, err), Fix: "use another layout, or another disk"}
	}
	if problems := filesystem.CheckForImage(i.r.Layout); i.r.Filesystem && len(problems) > 0 {
		return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the filesystem layout is none for a partition image: %v; nothing was written", problems), Fix: "use another layout"}
	}
	if i.table, err = makeTable(i.plan, i.geo, i.r.Seed, len(i.r.Options.ConfigDrive)); err != nil {
		return err
	}
	i.loader, err = readLoader(i.tools.Loader, i.plan, i.r.UEFI, i.geo)
	return err
}

// fill makes the file systems and unpacks the archive into them, once it is known to be one.
func (i *installer) fill(ctx context.Context, open disk.Disk, content io.Reader) error {
	in := bufio.NewReaderSize(content, 64<<10)
	if head, err := in.Peek(512); err != nil || string(head[257:262]) != "ustar" {
		return errors.Join(&step.Failure{Kind: step.Invalid, Message: "the image is no tar archive; nothing was written", Fix: "use a root file system as tar, packed with zstd, gzip or xz; a disk image needs no layout"}, open.Close())
	}
	i.report(step.Progress{Phase: PhaseFormatting})
	if err := errors.Join(i.clear(open), open.Close()); err != nil {
		return err
	}
	if err := i.format(ctx); err != nil {
		return err
	}
	if err := i.mount(); err != nil {
		return err
	}
	sum, err := archive.Unpack(ctx, in, i.root, i.geo.SizeBytes)
	i.unpacked = sum.Bytes
	return err
}

// clear is the first change of the disk: it loses what firmware and kernel see of it.
func (i *installer) clear(open disk.Disk) error {
	i.touched = true
	if err := blank(open); err != nil {
		return err
	}
	return open.RereadPartitions()
}

func (i *installer) format(ctx context.Context) error {
	i.devices = map[int]string{}
	for _, p := range i.plan.Partitions {
		if err := i.tools.Volumes.Remove(i.r.Disk, p.Number); err != nil {
			return err
		}
		device, err := i.tools.Volumes.Add(ctx, i.r.Disk, p.Number, volume.Span{OffBytes: p.OffBytes, SizeBytes: p.SizeBytes})
		if err != nil {
			return err
		}
		i.known = append(i.known, p.Number)
		i.devices[p.Number] = device
	}
	for _, all := range [][]filesystem.Mount{i.plan.Mounts, i.plan.Swaps} {
		for _, m := range all {
			if i.r.Filesystem && m.Path == "/" {
				continue
			}
			if err := i.tools.Volumes.Format(ctx, i.devices[m.Number], volume.Spec{Format: string(m.Format), Label: m.Label, ID: m.ID, Options: m.CreateOptions}); err != nil {
				return err
			}
		}
	}
	return nil
}

// mount mounts everything below a fresh folder. The folders that are mounted on are made now, before anything of the archive is there.
func (i *installer) mount() error {
	var err error
	if i.folder, i.away, err = i.tools.Volumes.Scratch(); err != nil {
		return err
	}
	for _, m := range i.plan.Mounts {
		at := filepath.Join(i.folder, m.Path)
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		if err := i.tools.Volumes.Mount(i.devices[m.Number], at, string(m.Format)); err != nil {
			return err
		}
		i.mounted = append(i.mounted, at)
	}
	i.root, err = os.OpenRoot(i.folder)
	return err
}

// release unmounts everything and makes the kernel forget the partitions. It may be called again.
func (i *installer) release() error {
	var problems []error
	if i.root != nil {
		problems = append(problems, i.root.Close())
		i.root = nil
	}
	for n := len(i.mounted) - 1; n >= 0; n-- {
		if err := i.tools.Volumes.Unmount(i.mounted[n]); err != nil {
			return errors.Join(append(problems, err)...)
		}
		i.mounted = i.mounted[:n]
	}
	if i.away != nil {
		problems = append(problems, i.away())
		i.away = nil
	}
	for _, n := range i.known {
		problems = append(problems, i.tools.Volumes.Remove(i.r.Disk, n))
	}
	i.known = nil
	return errors.Join(problems...)
}

// describe makes a failure of any error.
func describe(ctx context.Context, err error) error {
	var f *step.Failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &step.Failure{Kind: step.Timeout, Message: "install the operating system: its deadline passed"}
	case ctx.Err() != nil:
		return fmt.Errorf("install the operating system: %w", context.Cause(ctx))
	}
	f = &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("install the operating system: %v", err)}
	switch {
	case errors.Is(err, archive.ErrRefused), errors.Is(err, archive.ErrDamaged):
		f.Kind, f.Fix = step.Invalid, "replace the archive"
	case errors.Is(err, errNoSpace):
		f.Kind, f.Fix = step.Invalid, "use a layout with larger partitions"
	}
	return f
}
