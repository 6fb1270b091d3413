package agentimage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"

	"github.com/ingotmetal/ingot/internal/agent/coldplug"
)

// empty are the folders that the agent mounts on or writes to.
var empty = []string{"dev", "etc", "etc/ssl", "etc/ssl/certs", "ingot", "lib", "lib/modules", "proc", "run", "sys", "tmp"}

// RootsFile is where the ramdisk has the certificates of public CAs, for image servers; Go looks there by itself.
const RootsFile = "etc/ssl/certs/ca-certificates.crt"

// writeRamdisk packs the ramdisk. Owner, time and order of the entries are fixed.
func writeRamdisk(file, agent, certificates string, extra []packed, m moduleSet) error {
	program, err := os.ReadFile(agent)
	if err != nil {
		return err
	}
	roots, err := readRoots(certificates)
	if err != nil {
		return err
	}
	index, err := json.Marshal(m.index)
	if err != nil {
		return err
	}
	return writeAtomically(file, func(w io.Writer) error {
		// One encoder goroutine: the result must not depend on the number of processors.
		counted := &counter{Writer: w}
		z, err := zstd.NewWriter(counted, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return err
		}
		a := archive{cpio.NewWriter(z)}
		for _, dir := range empty {
			err = errors.Join(err, a.add(dir, cpio.TypeDir|0o755, nil))
		}

		err = errors.Join(err, a.add("init", cpio.TypeReg|0o755, program), a.add(RootsFile, cpio.TypeReg|0o444, roots), a.add(coldplug.IndexPath, cpio.TypeReg|0o444, index))
		for _, p := range extra {
			err = errors.Join(err, a.add(p.name, cpio.FileMode(p.mode), p.content))
		}
		for _, module := range m.index.Modules {
			err = errors.Join(err, a.add(filepath.Join(coldplug.ModuleDir, module.File), cpio.TypeReg|0o444, m.files[module.File]))
		}
		return errors.Join(err, a.w.Close(), z.Close(), pad(counted))
	})
}

// counter counts what is written.
type counter struct {
	io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// alignment is that of the archives which a boot loader puts one behind the other; the kernel finds the next only on a multiple of 4 and skips zeros.
const alignment = 512

func pad(c *counter) error {
	_, err := c.Write(make([]byte, (alignment-c.n%alignment)%alignment))
	return err
}

// archive is a newc archive under way.
type archive struct{ w *cpio.Writer }

func (a archive) add(name string, mode cpio.FileMode, content []byte) error {
	h := &cpio.Header{Name: name, Mode: mode, Size: int64(len(content)), Links: 1}
	if err := a.w.WriteHeader(h); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	if _, err := a.w.Write(content); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	return nil
}

// readRoots joins the CA certificates of the unpacked package ca-certificates.
func readRoots(tree string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(tree, "usr/share/ca-certificates/mozilla/*.crt"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("the package ca-certificates unpacked in %s has no certificates", tree)
	}
	slices.Sort(files)
	var all bytes.Buffer
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		all.Write(bytes.TrimSpace(data))
		all.WriteByte('\n')
	}
	return all.Bytes(), nil
}
