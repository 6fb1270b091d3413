package qcow2_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/internal/image/qcow2"
)

// memory is an output that remembers, and fails on what a disk would fail on.
type memory struct {
	disk []byte
	put  []byte // 1 for each byte that was put out
	off  int64
	n    int
}

func newMemory(size int64) *memory {
	return &memory{disk: bytes.Repeat([]byte{0x55}, int(size)), put: make([]byte, size)}
}

// Space implements qcow2.Output; it is as mean as can be about sizes.
func (m *memory) Space(off, n int64) ([]byte, error) {
	if off < 0 || n < 1 || off+n > int64(len(m.disk)) {
		return nil, errors.New("out of range")
	}
	m.off, m.n = off, int(min(n, 10000))
	return m.disk[off : off+int64(m.n)], nil
}

// Commit implements qcow2.Output.
func (m *memory) Commit(n int) error {
	return m.mark(m.off, int64(n))
}

func (m *memory) mark(off, n int64) error {
	put := m.put[off : off+n]
	if bytes.IndexByte(put, 1) >= 0 {
		return errors.New("put out twice")
	}
	for ones := bytes.Repeat([]byte{1}, 4096); len(put) > 0; {
		put = put[copy(put, ones):]
	}
	return nil
}

// decode runs a whole file through a decoder and gives the disk and the number of passes.
func decode(file []byte, prefetch bool) ([]byte, int, error) {
	h, err := qcow2.ParseHeader(file[:min(len(file), qcow2.HeaderBytes)])
	if err != nil {
		return nil, 0, err
	}
	if h.VirtualBytes > 16<<20 {
		return nil, 0, errors.New("too large for this test")
	}
	d := qcow2.NewDecoder(h, int64(len(file)))
	if prefetch {
		if ok, err := d.Prefetch(bytes.NewReader(file), 1000); err != nil || !ok {
			return nil, 0, err
		}
	}
	out := newMemory(h.VirtualBytes)
	passes := 0
	for more := true; more; {
		if passes++; passes > qcow2.MaxPasses {
			return nil, passes, errors.New("too many passes")
		}
		if more, err = d.Pass(bytes.NewReader(file), out); err != nil {
			return nil, passes, err
		}
	}
	err = d.Holes(func(off, length int64) error {
		clear(out.disk[off : off+length])
		return out.mark(off, length)
	})
	if err == nil && bytes.IndexByte(out.put, 0) >= 0 {
		err = errors.New("a byte was neither put out nor named as a hole")
	}
	return out.disk, passes, err
}

func qemuImg(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "qemu-img", args...).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %v (package qemu-utils): %v: %s", args, err, out)
	}
}

func convert(t testing.TB, raw []byte, options ...string) []byte {
	t.Helper()
	dir, err := os.MkdirTemp("", "qcow2")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	in, out := filepath.Join(dir, "raw"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	qemuImg(t, append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, options...), in, out)...)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// content is random extents between zeros; some of them compress, some do not.
func content(size int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, size)
	for at := 0; at < size; {
		n := min(r.IntN(200<<10)+1, size-at)
		switch r.IntN(3) {
		case 0:
			for i := at; i < at+n; i++ {
				b[i] = byte(r.Uint32())
			}
		case 1:
			for i := at; i < at+n; i++ {
				b[i] = byte(i)
			}
		}
		at += n
	}
	return b
}

func TestRoundTripOfRandomImages(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		raw := content(512*rapid.IntRange(1, 6000).Draw(rt, "sectors"), rapid.Uint64().Draw(rt, "seed"))
		options := rapid.SampledFrom([][]string{
			{}, {"-c"}, {"-c", "-o", "compression_type=zstd"}, {"-o", "compat=0.10"}, {"-c", "-o", "compat=0.10"}, {"-o", "cluster_size=512"},
			{"-c", "-o", "cluster_size=2M"}, {"-o", "cluster_size=4096,lazy_refcounts=on"}, {"-o", "preallocation=full"}, {"-S", "0"}, {"-o", "refcount_bits=1"},
		}).Draw(rt, "options")
		file := convert(t, raw, options...)
		for _, prefetch := range []bool{false, true} {
			got, passes, err := decode(file, prefetch)
			if err != nil || !bytes.Equal(got, raw) {
				rt.Fatalf("%v, prefetch %v: %d bytes, %v", options, prefetch, len(got), err)
			}
			if passes != 1 && (prefetch || !slices.Contains(options, "preallocation=full")) {
				rt.Errorf("%v: %d passes over a file that qemu-img wrote in order", options, passes)
			}
		}
	})
}

// used is an image with a life behind it: written at random by a guest, resized (which moves its L1 table behind the data) and written again.
func used(t testing.TB) (file, raw []byte) {
	t.Helper()
	dir := t.TempDir()
	path, flat := filepath.Join(dir, "used"), filepath.Join(dir, "flat")
	qemuImg(t, "create", "-f", "qcow2", "-o", "cluster_size=512", path, "1M")
	io := func(commands ...string) {
		args := []string{"-f", "qcow2"}
		for _, c := range commands {
			args = append(args, "-c", c)
		}
		if out, err := exec.CommandContext(t.Context(), "qemu-io", append(args, path)...).CombinedOutput(); err != nil {
			t.Fatalf("qemu-io (package qemu-utils): %v: %s", err, out)
		}
	}
	io("write -P 1 900k 64k", "write -P 2 0 64k", "discard 920k 16k", "write -P 3 400k 8k", "write -z 10k 20k")
	qemuImg(t, "resize", path, "3M")
	io("write -P 4 2900k 64k", "write -P 5 0 4k", "write -P 6 922k 4k", "write -P 7 2100k 100k")
	qemuImg(t, "convert", "-O", "raw", path, flat)
	file, err1 := os.ReadFile(path)
	raw, err2 := os.ReadFile(flat)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return file, raw
}

func TestAnImageWithTablesBehindItsData(t *testing.T) {
	file, raw := used(t)
	got, passes, err := decode(file, false)
	if err != nil || !bytes.Equal(got, raw) {
		t.Fatalf("in %d passes: %v", passes, err)
	}
	if passes < 2 {
		t.Errorf("%d pass: the image does not have its tables behind the data, so that this test shows nothing", passes)
	}
	got, passes, err = decode(file, true)
	if err != nil || passes != 1 || !bytes.Equal(got, raw) {
		t.Errorf("with tables read ahead: %d passes, %v", passes, err)
	}
}

func TestTablesThatChangeBetweenPrefetchAndPass(t *testing.T) {
	raw := content(4<<20, 3)
	file := convert(t, raw)
	h, err := qcow2.ParseHeader(file[:qcow2.HeaderBytes])
	if err != nil {
		t.Fatal(err)
	}
	l2 := int64(binary.BigEndian.Uint64(file[h.L1Offset:])) & 0x00fffffffffffe00
	for name, at := range map[string]int64{"L1": h.L1Offset, "L2": l2} {
		d := qcow2.NewDecoder(h, int64(len(file)))
		if ok, err := d.Prefetch(bytes.NewReader(file), 10); !ok || err != nil {
			t.Fatal(ok, err)
		}
		other := bytes.Clone(file)
		other[at+7] ^= 1
		if _, err := d.Pass(bytes.NewReader(other), newMemory(h.VirtualBytes)); !errors.Is(err, qcow2.ErrCorrupt) {
			t.Errorf("%s: %v; want ErrCorrupt", name, err)
		}
	}
}

func TestHostileFiles(t *testing.T) {
	file := convert(t, content(4<<20, 5))
	packed := convert(t, content(4<<20, 5), "-c")
	be := binary.BigEndian
	l1 := int64(be.Uint64(file[40:]))
	l2 := int64(be.Uint64(file[l1:])) & 0x00fffffffffffe00
	packedL1 := int64(be.Uint64(packed[40:]))
	packedL2 := int64(be.Uint64(packed[packedL1:])) & 0x00fffffffffffe00
	first := be.Uint64(file[l2:])
	for first == 0 {
		l2 += 8
		first = be.Uint64(file[l2:])
	}
	for name, c := range map[string]struct {
		base []byte
		edit func(b []byte)
		want error
	}{
		"backing file":            {file, func(b []byte) { be.PutUint64(b[8:], 200) }, qcow2.ErrUnsupported},
		"encrypted":               {file, func(b []byte) { be.PutUint32(b[32:], 1) }, qcow2.ErrUnsupported},
		"snapshots":               {file, func(b []byte) { be.PutUint32(b[60:], 1) }, qcow2.ErrUnsupported},
		"version 1":               {file, func(b []byte) { be.PutUint32(b[4:], 1) }, qcow2.ErrUnsupported},
		"version 4":               {file, func(b []byte) { be.PutUint32(b[4:], 4) }, qcow2.ErrUnsupported},
		"clusters of 256":         {file, func(b []byte) { be.PutUint32(b[20:], 8) }, qcow2.ErrCorrupt},
		"clusters of 4 GiB":       {file, func(b []byte) { be.PutUint32(b[20:], 32) }, qcow2.ErrCorrupt},
		"a disk of 0 bytes":       {file, func(b []byte) { be.PutUint64(b[24:], 0) }, qcow2.ErrCorrupt},
		"a disk of 2^63 bytes":    {file, func(b []byte) { be.PutUint64(b[24:], 1<<63) }, qcow2.ErrCorrupt},
		"a disk of 2^60 bytes":    {file, func(b []byte) { be.PutUint64(b[24:], 1<<60) }, qcow2.ErrUnsupported},
		"L1 too short":            {file, func(b []byte) { be.PutUint32(b[36:], 0) }, qcow2.ErrCorrupt},
		"L1 in the header":        {file, func(b []byte) { be.PutUint64(b[40:], 0) }, qcow2.ErrCorrupt},
		"L1 misaligned":           {file, func(b []byte) { be.PutUint64(b[40:], 1<<16+1) }, qcow2.ErrCorrupt},
		"L1 behind the file":      {file, func(b []byte) { be.PutUint64(b[40:], 1<<40) }, qcow2.ErrCorrupt},
		"data in another file":    {file, func(b []byte) { b[79] |= 4 }, qcow2.ErrUnsupported},
		"marked corrupt":          {file, func(b []byte) { b[79] |= 2 }, qcow2.ErrCorrupt},
		"subclusters":             {file, func(b []byte) { b[79] |= 16 }, qcow2.ErrUnsupported},
		"unknown feature":         {file, func(b []byte) { b[72] |= 1 }, qcow2.ErrUnsupported},
		"unknown compression":     {file, func(b []byte) { b[79] |= 8; b[104] = 7 }, qcow2.ErrUnsupported},
		"header length 0":         {file, func(b []byte) { be.PutUint32(b[100:], 0) }, qcow2.ErrCorrupt},
		"L1 entry reserved bits":  {file, func(b []byte) { b[l1+7] |= 1 }, qcow2.ErrCorrupt},
		"L2 is the header":        {file, func(b []byte) { be.PutUint64(b[l1:], 512) }, qcow2.ErrCorrupt},
		"L2 is the L1":            {file, func(b []byte) { be.PutUint64(b[l1:], uint64(l1)) }, qcow2.ErrCorrupt},
		"L2 behind the file":      {file, func(b []byte) { be.PutUint64(b[l1:], 1<<50) }, qcow2.ErrCorrupt},
		"L2 entry reserved bits":  {file, func(b []byte) { b[l2+7] |= 2 }, qcow2.ErrCorrupt},
		"data misaligned":         {file, func(b []byte) { b[l2+6] |= 2 }, qcow2.ErrCorrupt},
		"data in the L2":          {file, func(b []byte) { be.PutUint64(b[l2:], uint64(l2)&^0xffff) }, qcow2.ErrCorrupt},
		"data in the header":      {file, func(b []byte) { be.PutUint64(b[l2:], 1<<62>>20) }, qcow2.ErrCorrupt},
		"data behind the file":    {file, func(b []byte) { be.PutUint64(b[l2:], 1<<50) }, qcow2.ErrCorrupt},
		"one cluster used twice":  {file, func(b []byte) { be.PutUint64(b[l2+80:], first) }, qcow2.ErrCorrupt},
		"packed behind the file":  {packed, func(b []byte) { be.PutUint64(b[packedL2:], 1<<62|1<<40) }, qcow2.ErrCorrupt},
		"packed in the header":    {packed, func(b []byte) { be.PutUint64(b[packedL2:], 1<<62|72) }, qcow2.ErrCorrupt},
		"packed of an L2 table":   {packed, func(b []byte) { be.PutUint64(b[packedL2:], 1<<62|uint64(packedL2)) }, qcow2.ErrCorrupt},
		"packed and copied":       {packed, func(b []byte) { b[packedL2] |= 0xc0 }, qcow2.ErrCorrupt},
		"cut off in the L1 table": {file[:l1+4], func([]byte) {}, qcow2.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(c.base)
			c.edit(b)
			for _, prefetch := range []bool{false, true} {
				if _, _, err := decode(b, prefetch); !errors.Is(err, c.want) {
					t.Errorf("prefetch %v: %v; want %v", prefetch, err, c.want)
				}
			}
		})
	}
}

func TestTwoTablesInOne(t *testing.T) {
	file := convert(t, content(8<<20, 6), "-o", "cluster_size=4096") // an L2 table maps 2 MiB
	l1 := binary.BigEndian.Uint64(file[40:])
	copy(file[l1+8:l1+16], file[l1:l1+8])
	for _, prefetch := range []bool{false, true} {
		if _, _, err := decode(file, prefetch); !errors.Is(err, qcow2.ErrCorrupt) || !strings.Contains(err.Error(), "share") {
			t.Errorf("prefetch %v: %v", prefetch, err)
		}
	}
}

// FuzzDecode holds that any bytes end in a whole disk or an error, and that reading tables ahead makes no difference to the disk.
func FuzzDecode(f *testing.F) {
	raw := content(100<<10, 9)
	for _, options := range [][]string{{"-o", "cluster_size=512"}, {"-c", "-o", "cluster_size=4096"}, {"-o", "cluster_size=4096,compat=0.10"}, {"-c", "-o", "cluster_size=4096,compression_type=zstd"}} {
		f.Add(convert(f, raw, options...))
	}
	file, _ := used(f)
	f.Add(file)
	f.Fuzz(func(t *testing.T, file []byte) {
		if h, err := qcow2.ParseHeader(file[:min(len(file), qcow2.HeaderBytes)]); err == nil && h.VirtualBytes > 3<<20 {
			return // nothing new, only slower
		}
		plain, _, err := decode(file, false)
		ahead, _, aheadErr := decode(file, true)
		if err == nil && aheadErr == nil && !bytes.Equal(plain, ahead) {
			t.Error("reading the tables ahead gives another disk")
		}
	})
}
