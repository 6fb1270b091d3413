// Package archive unpacks the tar archive of a root file system into a folder, and nowhere else.
//
// It owns what an archive may do: files, folders, links of both kinds, owners, modes, times, sparse files, POSIX ACLs, capabilities and user attributes (PAX headers
// SCHILY.xattr.*). It refuses everything that leads out of the folder, whatever the order of entries: paths with "..", links that are followed out of it (each name is looked
// up below the folder by the kernel, through os.Root), hard links to elsewhere. Archives come here while their digest is still being taken, as root.
//
// Device nodes are not made: those below dev/ are left out, since the kernel makes its own there, and any other is an error. Sockets cannot be in an archive. FIFOs are made.
// Attributes of other kinds (trusted.*, which overlay file systems give meaning to) are an error, as silence would lose them.
//
// Invariants: nothing outside of the folder is created, changed or removed; memory does not grow with the size of files; the number of entries is bounded.
package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The bounds.
const (
	maxEntries   = 5_000_000
	maxNameBytes = 4096
	// zeroRun is the unit in which holes are made.
	zeroRun = 64 << 10
)

// ErrRefused marks an archive that is not unpacked for what it asks.
var ErrRefused = errors.New("refused")

// ErrDamaged marks an archive that cannot be read.
var ErrDamaged = errors.New("not a whole tar archive")

// Summary is what was unpacked.
type Summary struct {
	Entries int
	// Bytes is the content of all files.
	Bytes int64
	// Devices were left out.
	Devices int
}

// Unpack unpacks everything up to the archive's end, and at most limit bytes of content, holes included: a few bytes can describe a hole of exabytes. On an error the
// folder holds what came before it.
func Unpack(ctx context.Context, r io.Reader, root *os.Root, limit int64) (Summary, error) {
	u := unpacker{root: root, limit: limit, zeros: make([]byte, zeroRun), buf: make([]byte, zeroRun)}
	t := tar.NewReader(r)
	for {
		if err := ctx.Err(); err != nil {
			return u.sum, err
		}
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return u.sum, u.finish()
		}
		if err != nil {
			return u.sum, fmt.Errorf("%w: after %d entries: %w", ErrDamaged, u.sum.Entries, err)
		}
		if err := u.entry(h, t); err != nil {
			return u.sum, fmt.Errorf("entry %.200q: %w", h.Name, err)
		}
	}
}

type unpacker struct {
	root       *os.Root
	limit      int64
	sum        Summary
	zeros, buf []byte
	// folders get their times at the end: what is put into them changes them.
	folders []stamp
}

type stamp struct {
	name string
	at   time.Time
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// clean is a name below the folder; "." for the folder itself.
func clean(name string) (string, error) {
	switch {
	case len(name) > maxNameBytes:
		return "", refused("a name of more than %d bytes", maxNameBytes)
	case strings.ContainsRune(name, 0):
		return "", refused("a name with a zero byte")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", refused("the name leads upwards")
		}
	}
	return path.Clean(strings.TrimLeft(name, "/")), nil
}

func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	u.sum.Entries++
	if u.sum.Entries > maxEntries {
		return refused("the archive has more than %d entries", maxEntries)
	}
	name, err := clean(h.Name)
	if err != nil {
		return err
	}
	if h.Size < 0 || h.Size > u.limit-u.sum.Bytes {
		return refused("the archive has more than %d bytes of content", u.limit)
	}
	if h.Uid < 0 || h.Gid < 0 {
		return refused("an owner below zero")
	}
	if name == "." && h.Typeflag != tar.TypeDir {
		return refused("the root of the archive is no folder")
	}
	if err := u.parents(name); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.folder(name, h)
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.file(name, h, content)
	case tar.TypeSymlink:
		return u.symlink(name, h)
	case tar.TypeLink:
		return u.link(name, h)
	case tar.TypeFifo:
		return u.fifo(name, h)
	case tar.TypeChar, tar.TypeBlock:
		if strings.HasPrefix(name, "dev/") {
			u.sum.Devices++
			return nil
		}
		return refused("a device node outside of /dev")
	}
	return refused("an entry of the unknown type %q", string(h.Typeflag))
}

// parents makes the folders above a name where the archive did not.
func (u *unpacker) parents(name string) error {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	if _, err := u.root.Stat(dir); err == nil {
		return nil
	}
	return u.root.MkdirAll(dir, 0o755)
}

// gone takes away what has the name, so that nothing is written through a link; a folder with content stays, and is an error for the caller.
func (u *unpacker) gone(name string) error {
	if err := u.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (u *unpacker) folder(name string, h *tar.Header) error {
	if name != "." {
		info, err := u.root.Lstat(name)
		if err == nil && !info.IsDir() {
			if err := u.gone(name); err != nil {
				return err
			}
			err = fs.ErrNotExist
		}
		if err != nil {
			if err := u.root.Mkdir(name, 0o700); err != nil {
				return err
			}
		}
	}
	d, err := u.root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	err = u.describe(d, h)
	u.folders = append(u.folders, stamp{name, h.ModTime})
	return errors.Join(err, d.Close())
}

func (u *unpacker) file(name string, h *tar.Header, content io.Reader) error {
	if err := u.gone(name); err != nil {
		return err
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	err = u.copy(f, content, h.Size)
	if err == nil {
		err = u.describe(f, h)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	u.sum.Bytes += h.Size
	return u.root.Chtimes(name, h.ModTime, h.ModTime)
}

// copy writes a file's content and leaves holes where it is zero.
func (u *unpacker) copy(f *os.File, content io.Reader, size int64) error {
	at := int64(0)
	for at < size {
		n, err := io.ReadFull(content, u.buf[:min(int64(len(u.buf)), size-at)])
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if !bytes.Equal(u.buf[:n], u.zeros[:n]) {
			if _, err := f.WriteAt(u.buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
	}
	return f.Truncate(size)
}

func (u *unpacker) symlink(name string, h *tar.Header) error {
	if len(h.Linkname) > maxNameBytes || h.Linkname == "" || strings.ContainsRune(h.Linkname, 0) {
		return refused("a link to nothing, or to a name of more than %d bytes", maxNameBytes)
	}
	if err := u.gone(name); err != nil {
		return err
	}
	// Where it leads does not matter: it is never followed out of the folder.
	if err := u.root.Symlink(h.Linkname, name); err != nil {
		return err
	}
	return u.root.Lchown(name, h.Uid, h.Gid)
}

func (u *unpacker) link(name string, h *tar.Header) error {
	to, err := clean(h.Linkname)
	if err != nil {
		return err
	}
	if to == name {
		return nil
	}
	if err := u.gone(name); err != nil {
		return err
	}
	if err := u.root.Link(to, name); err != nil {
		if errors.Is(err, unix.EXDEV) {
			return refused("a hard link from one file system of the layout to another, to %.200q", to)
		}
		return err
	}
	return nil
}

func (u *unpacker) fifo(name string, h *tar.Header) error {
	if err := u.gone(name); err != nil {
		return err
	}
	dir, err := u.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	base := path.Base(name)
	err = unix.Mkfifoat(int(dir.Fd()), base, 0o600)
	if err == nil {
		err = errors.Join(unix.Fchownat(int(dir.Fd()), base, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW), unix.Fchmodat(int(dir.Fd()), base, uint32(h.Mode&0o7777), 0))
	}
	return errors.Join(err, dir.Close())
}

// finish gives folders their times, the deepest first, as they were met.
func (u *unpacker) finish() error {
	for i := len(u.folders) - 1; i >= 0; i-- {
		s := u.folders[i]
		// A later entry may have put something else there.
		if info, err := u.root.Lstat(s.name); err != nil || !info.IsDir() {
			continue
		}
		if err := u.root.Chtimes(s.name, s.at, s.at); err != nil {
			return err
		}
	}
	return nil
}
