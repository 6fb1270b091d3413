package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	mib        = 1 << 20
	imageBytes = int64(2 << 30)
	extents    = 24
	diskBytes  = imageBytes + 64*mib
)

type config struct {
	rounds  int
	dir     string
	dataMiB int64
}

// sample is one run.
type sample struct {
	wall, cpu time.Duration
	rssKiB    int64
}

// contest is one line of the result: ours against theirs.
type contest struct {
	name   string
	file   string // ours reads it over HTTP
	theirs []string
	target float64
}

func bench(ctx context.Context, c config) error {
	if c.rounds < 3 {
		return errors.New("at least 3 rounds")
	}
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "ingot-bench-image-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		c.dir = dir
	}
	fmt.Printf("making an image of %d MiB with %d MiB of data\n", imageBytes/mib, c.dataMiB)
	want, err := c.makeImages(ctx)
	if err != nil {
		return err
	}
	base, stop, err := serve(ctx, c.dir)
	if err != nil {
		return err
	}
	defer stop()
	t, err := newTarget(ctx, c.dir)
	if err != nil {
		return err
	}
	defer t.close(context.WithoutCancel(ctx))
	fmt.Printf("target: %s; %d rounds, ours and theirs in turn; ours always downloads over loopback HTTP and verifies SHA-256\n\n", t.what, c.rounds)
	fmt.Printf("%-52s %9s %9s %7s %7s %9s %9s %8s\n", "", "ours s", "theirs s", "ratio", "target", "CPU ours", "theirs", "RSS MiB")
	for _, k := range c.contests(base, t.name) {
		if err := c.run(ctx, k, base, t, want); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return nil
}

func (c config) contests(base, target string) []contest {
	path := func(name string) string { return filepath.Join(c.dir, name) }
	download := func(name string) string { return "curl -sSf -o " + path("download") + " " + base + "/" + name + " && " }
	shell := func(script string) []string { return []string{"bash", "-c", "set -o pipefail; " + script} }
	dd := "dd of=" + target + " oflag=direct iflag=fullblock bs=4M conv=notrunc,fsync status=none"
	convert := func(from string) string {
		return "qemu-img convert -n -f qcow2 -O raw " + from + " " + target + " && sync " + target
	}
	return []contest{
		{"raw.zst: zstd -dc | dd oflag=direct", "disk.raw.zst", shell("zstd -dc " + path("disk.raw.zst") + " | " + dd), 1},
		{"raw.zst: curl | zstd -dc | dd oflag=direct", "disk.raw.zst", shell("curl -sSf " + base + "/disk.raw.zst | zstd -dc | " + dd), 1},
		{"qcow2: qemu-img convert, file on hand", "disk.qcow2", shell(convert(path("disk.qcow2"))), 1.5},
		{"qcow2: curl, then qemu-img convert", "disk.qcow2", shell(download("disk.qcow2") + convert(path("download"))), 1},
		{"qcow2 compressed: qemu-img convert, file on hand", "packed.qcow2", shell(convert(path("packed.qcow2"))), 1.5},
		{"qcow2 compressed: curl, then qemu-img convert", "packed.qcow2", shell(download("packed.qcow2") + convert(path("download"))), 1},
	}
}

func (c config) run(ctx context.Context, k contest, base string, t *target, want string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	sum, err := digest(filepath.Join(c.dir, k.file), -1)
	if err != nil {
		return err
	}
	ourCommand := []string{self, "-write", base + "/" + k.file, "-target", t.name, "-sum", sum}
	var ours, theirs []sample
	for range c.rounds {
		for _, side := range []struct {
			command []string
			into    *[]sample
		}{{ourCommand, &ours}, {k.theirs, &theirs}} {
			if err := t.empty(ctx); err != nil {
				return err
			}
			s, err := measure(ctx, side.command)
			if err != nil {
				return err
			}
			*side.into = append(*side.into, s)
			if got, err := t.digest(); err != nil || got != want {
				return fmt.Errorf("%v wrote something else (digest %s, want %s): %w", side.command, got, want, err)
			}
		}
	}
	a, b := median(ours), median(theirs)
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i].wall.Seconds() / theirs[i].wall.Seconds()
	}
	slices.Sort(ratios)
	rss := int64(0)
	for _, s := range ours {
		rss = max(rss, s.rssKiB)
	}
	fmt.Printf("%-52s %9.2f %9.2f %7.2f %7.2f %9.2f %9.2f %8.1f\n", k.name, a.wall.Seconds(), b.wall.Seconds(), ratios[len(ratios)/2], k.target, a.cpu.Seconds(), b.cpu.Seconds(), float64(rss)/1024)
	return nil
}

func median(s []sample) sample {
	s = slices.Clone(s)
	slices.SortFunc(s, func(a, b sample) int { return int(a.wall - b.wall) })
	return s[len(s)/2]
}

// measure runs a command to its end. The memory is what ours says of itself.
func measure(ctx context.Context, command []string) (sample, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	s := sample{wall: time.Since(began)}
	if err != nil {
		return s, fmt.Errorf("%v: %w: %s", command, err, out.String())
	}
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	for line := range strings.Lines(out.String()) {
		if rest, ok := strings.CutPrefix(line, peakLine); ok {
			_, _ = fmt.Sscanf(rest, "%d", &s.rssKiB)
		}
	}
	return s, nil
}

// makeImages gives the digest of the raw image, which is what every writer must leave on the disk.
func (c config) makeImages(ctx context.Context) (string, error) {
	raw := filepath.Join(c.dir, "disk.raw")
	f, err := os.Create(raw)
	if err != nil {
		return "", err
	}
	err = f.Truncate(imageBytes)
	r := rand.New(rand.NewPCG(1, 2))
	each, apart := c.dataMiB*mib/extents, imageBytes/extents
	for i := range int64(extents) {
		_, writeErr := f.WriteAt(program(r, int(each)), i*apart+2*mib)
		err = errors.Join(err, writeErr)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	packed := filepath.Join(c.dir, "packed.qcow2")
	for _, command := range [][]string{
		{"zstd", "-q", "-3", "-f", raw, "-o", raw + ".zst"},
		{"qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, filepath.Join(c.dir, "disk.qcow2")},
		{"qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", raw, packed},
	} {
		if _, err := measure(ctx, command); err != nil {
			return "", err
		}
	}
	for _, name := range []string{"disk.raw.zst", "disk.qcow2", "packed.qcow2"} {
		st, err := os.Stat(filepath.Join(c.dir, name))
		if err != nil {
			return "", err
		}
		fmt.Printf("  %-14s %5d MiB\n", name, st.Size()/mib)
	}
	return digest(raw, imageBytes)
}

// program is data that packs about as well as an installed system does: words from a large stock, and bytes that do not pack between them.
func program(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+64)
	words := make([][]byte, 4096)
	for i := range words {
		words[i] = make([]byte, 3+r.IntN(12))
		for j := range words[i] {
			words[i][j] = byte(r.Uint32())
		}
	}
	for len(b) < n {
		if r.IntN(8) == 0 {
			for range 16 {
				b = append(b, byte(r.Uint32()))
			}
			continue
		}
		b = append(b, words[r.IntN(len(words))]...)
	}
	return b[:n]
}

func serve(ctx context.Context, dir string) (string, func(), error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }()
	return "http://" + l.Addr().String(), func() { _ = s.Close() }, nil
}

// target is where images go.
type target struct {
	name, what, file string
	loop             bool
}

func newTarget(ctx context.Context, dir string) (*target, error) {
	t := &target{file: filepath.Join(dir, "target")}
	f, err := os.Create(t.file)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(diskBytes), f.Close()); err != nil {
		return nil, err
	}
	t.name, t.what = t.file, "a sparse file with direct I/O (no loop device: "
	out, err := exec.CommandContext(ctx, "losetup", "--find", "--show", "--direct-io=on", t.file).CombinedOutput()
	if err != nil {
		t.what += strings.TrimSpace(string(out)) + ")"
		return t, nil //nolint:nilerr // a machine without loop devices measures on the file itself, and says so
	}
	t.name, t.loop = strings.TrimSpace(string(out)), true
	t.what = "loop device " + t.name + " with direct I/O on a sparse file"
	return t, nil
}

func (t *target) close(ctx context.Context) {
	if t.loop {
		if out, err := exec.CommandContext(ctx, "losetup", "--detach", t.name).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "losetup --detach %s: %v: %s\n", t.name, err, out)
		}
	}
}

// empty makes the target new: no bytes, nothing in caches, everything before it on the disk.
func (t *target) empty(ctx context.Context) error {
	command := []string{"fallocate", "--punch-hole", "--offset", "0", "--length", fmt.Sprint(diskBytes), t.file}
	if t.loop {
		command = []string{"blkdiscard", "-f", t.name}
	}
	if _, err := measure(ctx, command); err != nil {
		return err
	}
	f, err := os.Open(t.file)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (t *target) digest() (string, error) { return digest(t.name, imageBytes) }
