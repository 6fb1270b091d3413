// Command image measures how fast an image reaches a disk, against the tools that others use for it, and prints ratios.
//
// It owns the making of the images, the order (ours and theirs in turn, so that a busy host slows both) and the check of what was written. It refuses to judge: targets are
// printed beside the ratios. Ours runs as a child process, so that its memory can be measured, and always downloads over HTTP from the parent, digest and all; theirs read a
// file on hand unless the line says that the download counts.
//
// The target is a loop device with direct I/O where this user may make one, else a file; both are sparse and emptied before each run.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/driver/disk/linux"
	"github.com/ingotmetal/ingot/internal/image"
)

func main() {
	var c config
	var child, target, sum string
	flag.IntVar(&c.rounds, "rounds", 5, "rounds, at least 3")
	flag.StringVar(&c.dir, "dir", "", "folder for images and target; empty: a temporary one")
	flag.Int64Var(&c.dataMiB, "data", 600, "MiB of data in the image of 2 GiB")
	flag.StringVar(&child, "write", "", "internal: write this URL")
	flag.StringVar(&target, "target", "", "internal: to this disk")
	flag.StringVar(&sum, "sum", "", "internal: with this digest")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if child != "" {
		err = write(ctx, child, target, sum)
	} else {
		err = bench(ctx, c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "image bench:", err)
		os.Exit(1)
	}
}

// write is the child: what the agent does.
func write(ctx context.Context, url, target, sum string) error {
	var opener disk.Opener = linux.Opener{}
	st, err := os.Stat(target)
	if err != nil {
		return err
	}
	if st.Mode().IsRegular() {
		opener = &filebacked.Machine{Disks: map[string]filebacked.Spec{target: {Path: target}}, Direct: true}
	}
	d, err := opener.Open(ctx, target)
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := image.Write(ctx, image.Source{URL: url, Checksum: sum}, d, image.Options{Transport: http.DefaultTransport}, nil); err != nil {
		return err
	}
	return reportMemory()
}

// peakLine is how the child tells its peak memory. The parent cannot ask: what wait4(2) gives counts the parent's own memory, from between fork and exec.
const peakLine = "VmHWM:"

func reportMemory() error {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, peakLine) {
			fmt.Print(line)
		}
	}
	return nil
}

// digest is the SHA-256 of the first size bytes of a file; size -1: of all.
func digest(name string, size int64) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var r io.Reader = f
	if size >= 0 {
		r = io.LimitReader(f, size)
	}
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
