// Package installed finds on a disk the system that was installed there, and what its boot loader would start.
//
// It owns the way from a disk to a kernel, ramdisks and command line: partition tables, ext4, and the places of configurations. It refuses to mount: the file system is a tenant's, and is read by a program in user
// space, so that a malformed one can do no more than fail. It refuses to write, and file systems other than ext4 (XFS, btrfs, LVM): a system on those is started by the firmware.
//
// Invariants: what is read is bounded.
package installed

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/ingotmetal/ingot/bootentry"
	"github.com/ingotmetal/ingot/internal/agent/installed/ext4"
	"github.com/ingotmetal/ingot/internal/image/partition"
)

// The bounds of what is read.
const (
	MaxKernelBytes = 128 << 20
	MaxInitrdBytes = 1 << 30
	// maxEntries bounds the files of loader/entries.
	maxEntries = 256
)

// System is an installed system.
type System struct {
	bootentry.Entry
	files *ext4.FileSystem
}

// Find looks at every partition of a disk, and at the disk itself, for a boot loader's configuration. Of several the first is taken.
func Find(disk io.ReaderAt, size int64) (*System, error) {
	var problems []error
	for _, span := range spans(disk, size) {
		files, err := ext4.Open(io.NewSectionReader(disk, span.Off, span.Length), span.Length)
		if err != nil {
			if !errors.Is(err, ext4.ErrNone) {
				problems = append(problems, err)
			}
			continue
		}
		found := read(files)
		if found.GRUB == "" && len(found.Entries) == 0 {
			continue
		}
		e, err := bootentry.Choose(found)
		if err == nil {
			return &System{Entry: e, files: files}, nil
		}
		problems = append(problems, err)
	}
	if len(problems) == 0 {
		return nil, errors.New("no ext4 file system of the disk has grub.cfg or entries of the Boot Loader Specification")
	}
	return nil, errors.Join(problems...)
}

// spans are the places where a file system may begin.
func spans(disk io.ReaderAt, size int64) []partition.Span {
	for _, sector := range []int{512, 4096} {
		if table, err := partition.ReadGPT(disk, size, sector); err == nil {
			var out []partition.Span
			for _, p := range table.Partitions() {
				out = append(out, p.Span)
			}
			return out
		}
		if table, err := partition.ReadMBR(disk, size, sector); err == nil {
			return append(table.Spans(), table.Logical(disk)...)
		}
	}
	return []partition.Span{{Length: size}}
}

// read reads the configurations. A file system for /boot alone has them without that folder.
func read(files *ext4.FileSystem) bootentry.Files {
	var out bootentry.Files
	for _, dir := range []string{"boot/grub", "boot/grub2", "grub", "grub2"} {
		if out.GRUB = text(files, path.Join(dir, "grub.cfg")); out.GRUB != "" {
			out.Environment = text(files, path.Join(dir, "grubenv"))
			break
		}
	}
	for _, dir := range []string{"boot/loader/entries", "loader/entries"} {
		names, err := files.Names(dir)
		if err != nil || len(names) > maxEntries {
			continue
		}
		out.Entries = map[string]string{}
		for _, n := range names {
			if strings.HasSuffix(n, ".conf") {
				out.Entries[n] = text(files, path.Join(dir, n))
			}
		}
		break
	}
	return out
}

// text is a small file's content; empty where there is none.
func text(files *ext4.FileSystem, name string) string {
	f, _, err := files.Open(name)
	if err != nil {
		return ""
	}
	content, err := io.ReadAll(io.LimitReader(f, bootentry.MaxConfig+1))
	if err != nil {
		return ""
	}
	return string(content)
}

// WriteKernel copies the kernel.
func (s *System) WriteKernel(to io.Writer) error { return s.copyFile(to, s.Kernel, MaxKernelBytes) }

// WriteInitrd copies the initial ramdisks, one behind the other, each on a multiple of 4 bytes as the kernel wants it.
func (s *System) WriteInitrd(to io.Writer) error {
	c := &counter{Writer: to}
	for _, name := range s.Initrds {
		if err := s.copyFile(c, name, MaxInitrdBytes-c.n); err != nil {
			return err
		}
		if _, err := c.Write(make([]byte, (4-c.n%4)%4)); err != nil {
			return err
		}
	}
	return nil
}

func (s *System) copyFile(to io.Writer, name string, limit int64) error {
	f, size, err := s.files.Open(name)
	switch {
	case err != nil:
		return fmt.Errorf("the installed system: %w", err)
	case size == 0 || size > limit:
		return fmt.Errorf("the installed system: %s has %d bytes; from 1 to %d are taken", name, size, limit)
	}
	if _, err := io.Copy(to, f); err != nil {
		return fmt.Errorf("read %s of the installed system: %w", name, err)
	}
	return nil
}

type counter struct {
	io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}
