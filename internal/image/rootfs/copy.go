package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/filesystem/recognize"
	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/step"
)

// PhaseGrowing is the phase of making a partition image's file system as large as its partition.
const PhaseGrowing = "growing the file system"

// copy brings a partition image to where its partition will be, makes the other file systems, and mounts them all. The disk is closed in any case.
func (i *installer) copy(ctx context.Context, open disk.Disk) (step.Written, error) {
	root := i.rootPartition()
	w := &window{Disk: open, at: root.OffBytes, geo: disk.Geometry{SizeBytes: root.SizeBytes, SectorBytes: i.geo.SectorBytes}, first: sync.OnceValue(func() error { return i.clear(open) })}
	o := i.r.Options
	o.ConfigDrive, o.Judge = nil, i.judge
	written, err := image.Write(ctx, i.r.Source, w, o, i.report)
	if err != nil {
		var f *step.Failure
		if errors.As(err, &f) {
			f.Message = fmt.Sprintf("partition %s of %s, %d bytes: %s", root.Name, i.r.Disk, root.SizeBytes, f.Message)
		}
		return written, errors.Join(err, open.Close())
	}
	if i.found.SizeBytes > written.ImageBytes {
		return written, errors.Join(&step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the image has %d bytes, and its file system says that it has %d: it was cut off when it was made", written.ImageBytes, i.found.SizeBytes),
			Fix: "replace the image by one that is whole"}, open.Close())
	}
	if err := errors.Join(open.RereadPartitions(), open.Close()); err != nil {
		return written, err
	}
	i.plan.Becomes(i.found.Format, i.found.ID)
	i.report(step.Progress{Phase: PhaseFormatting})
	if err := i.format(ctx); err != nil {
		return written, err
	}
	return written, i.mountImage(ctx)
}

// rootPartition is the one of the root file system.
func (i *installer) rootPartition() filesystem.Planned {
	root, _ := i.plan.Holding("/")
	return i.plan.Partitions[root.Number-1]
}

// judge refuses what is no root of this layout.
func (i *installer) judge(head []byte) error {
	found, err := recognize.Look(head)
	var r *recognize.Refusal
	if errors.As(err, &r) {
		return &step.Failure{Kind: step.Invalid, Message: r.Message, Fix: r.Fix}
	}
	if root, _ := i.plan.Holding("/"); err == nil && !i.r.AnyFormat && found.Format != root.Format {
		return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the image is %s, and the layout's root is %s", found.Format, root.Format), Fix: "use a layout whose root is " + string(found.Format)}
	}
	if size := i.rootPartition().SizeBytes; err == nil && found.SizeBytes > size {
		return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the image's file system has %d bytes, and the partition of the root %d", found.SizeBytes, size), Fix: "use a layout with a larger root, a larger disk, or a smaller image"}
	}
	i.found = found
	return err
}

// mountImage grows and mounts the image's file system, and mounts the others in it. The image's folders are a tenant's: nothing is mounted by way of a link, nor where it would hide files.
func (i *installer) mountImage(ctx context.Context) error {
	var err error
	if i.folder, i.away, err = i.tools.Volumes.Scratch(); err != nil {
		return err
	}
	for _, m := range i.plan.Mounts {
		device, at := i.devices[m.Number], filepath.Join(i.folder, m.Path)
		if m.Path == "/" {
			if err := i.grow(ctx, device, m); err != nil {
				return err
			}
		} else if err := i.place(m); err != nil {
			return err
		}
		if err := i.tools.Volumes.Mount(device, at, string(m.Format)); err != nil {
			return err
		}
		i.mounted = append(i.mounted, at)
		if i.root != nil {
			continue
		}
		if i.root, err = os.OpenRoot(i.folder); err != nil {
			return err
		}
	}
	return nil
}

// grow makes the image's file system as large as its partition.
func (i *installer) grow(ctx context.Context, device string, m filesystem.Mount) error {
	i.report(step.Progress{Phase: PhaseGrowing})
	if err := i.tools.Volumes.Grow(ctx, device, i.folder, string(m.Format)); err != nil && ctx.Err() == nil {
		return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the image's file system cannot be made as large as its partition: %v", err), Fix: "see what fsck says of the image, and make it anew"}
	}
	return ctx.Err()
}

// place makes sure that a file system can be mounted at its path: all of it is folders, and the last one is empty. An image may have files where the EFI system partition goes: a boot loader of the machine that it was made on.
func (i *installer) place(m filesystem.Mount) error {
	wrong := func(format string, args ...any) error {
		return &step.Failure{Kind: step.Invalid, Message: "the image has " + fmt.Sprintf(format, args...) + ", where the layout mounts another file system", Fix: "use a layout without it, or another image"}
	}
	name := ""
	for part := range strings.SplitSeq(strings.TrimPrefix(m.Path, "/"), "/") {
		name = filepath.Join(name, part)
		info, err := i.root.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err := i.root.Mkdir(name, 0o755); err != nil {
				return err
			}
		case err != nil:
			return err
		case !info.IsDir():
			return wrong("no folder at /%s", name)
		}
	}
	if esp := i.plan.EFI(); esp != nil && esp.Number == m.Number {
		return nil
	}
	dir, err := i.root.Open(name)
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(2)
	if err := errors.Join(err, dir.Close()); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if slices.ContainsFunc(names, func(n string) bool { return n != "lost+found" }) {
		return wrong("files in /%s", name)
	}
	return nil
}

// window is a part of a disk as a disk of its own. Its first change is preceded by first. It belongs to who opened the disk: it is not closed, and the kernel is told nothing of its content.
type window struct {
	disk.Disk

	at    int64
	geo   disk.Geometry
	first func() error
}

// Geometry implements disk.Disk.
func (w *window) Geometry() disk.Geometry { return w.geo }

// ReadAt implements io.ReaderAt.
func (w *window) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > w.geo.SizeBytes {
		return 0, &disk.Error{Op: fmt.Sprintf("read %d bytes at %d of", len(p), off), Disk: "the partition", Kind: disk.ErrOutOfRange}
	}
	n, err := w.Disk.ReadAt(p[:min(int64(len(p)), w.geo.SizeBytes-off)], w.at+off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// WriteAt implements io.WriterAt.
func (w *window) WriteAt(p []byte, off int64) (int, error) {
	if err := w.change("write", off, int64(len(p))); err != nil {
		return 0, err
	}
	return w.Disk.WriteAt(p, w.at+off)
}

// Erase implements disk.Disk.
func (w *window) Erase(how disk.Erasure, off, length int64) error {
	if err := w.change("erase", off, length); err != nil {
		return err
	}
	return w.Disk.Erase(how, w.at+off, length)
}

func (w *window) change(op string, off, length int64) error {
	if err := disk.CheckRange(op, "the partition", w.geo, off, length); err != nil {
		return err
	}
	return w.first()
}

// RereadPartitions implements disk.Disk.
func (*window) RereadPartitions() error { return nil }

// Close implements disk.Disk.
func (*window) Close() error { return nil }
