// Package tiny makes disk images of a few MiB that look like an operating system's to everything but a processor: boot code, GPT, an EFI system partition and a root partition with data and
// holes in them.
//
// It is what simulated machines are provisioned with, where a real system would only cost time. It refuses to boot. Invariant: the same options give the same bytes.
package tiny

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/klauspost/compress/zstd"

	"github.com/ingotmetal/ingot/internal/image/partition"
)

const mib = 1 << 20

// Options are the image's.
type Options struct {
	// SizeBytes is a whole number of MiB, at least 4.
	SizeBytes int64
	// DataBytes of random content are spread over the root partition; 0: a quarter of the image.
	DataBytes int64
	// Seed tells images apart.
	Seed uint64
}

// Raw makes the disk image.
func Raw(o Options) ([]byte, error) {
	if o.SizeBytes < 4*mib || o.SizeBytes%mib != 0 {
		return nil, fmt.Errorf("a tiny image of %d bytes: not a whole number of MiB, at least 4", o.SizeBytes)
	}
	if o.DataBytes == 0 {
		o.DataBytes = o.SizeBytes / 4
	}
	b := make([]byte, o.SizeBytes)
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], o.Seed)
	g := partition.NewGPT(partition.DeriveGUID([]byte("tiny image"), seed[:]), o.SizeBytes, 512)
	g.SetBootCode(append([]byte{0xeb, 0x63, 0x90}, "Ingot tiny image: there is no system here"...))
	root := partition.Span{Off: 2 * mib, Length: o.SizeBytes - 3*mib}
	_, err1 := g.AddAt(partition.EFISystem(), "esp", partition.Span{Off: mib, Length: mib})
	_, err2 := g.AddAt(partition.LinuxFilesystem(), "root", root)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(o.Seed, o.Seed))
	for left := o.DataBytes; left > 0; {
		n := min(left, 256<<10, root.Length)
		at := root.Off + r.Int64N(root.Length-n+1)
		for i := at; i+8 <= at+n; i += 8 {
			binary.LittleEndian.PutUint64(b[i:], r.Uint64())
		}
		left -= n
	}
	for _, p := range g.Encode() {
		copy(b[p.Off:], p.Data)
	}
	return b, nil
}

// Zstd packs an image.
func Zstd(raw []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		return nil, err
	}
	return w.EncodeAll(raw, nil), w.Close()
}

const cluster = 64 << 10

// Qcow2 makes a qcow2 file (version 3, clusters of 64 KiB) of an image of at most 512 MiB: header, refcounts, L1, L2, data, each in its clusters.
func Qcow2(raw []byte) ([]byte, error) {
	if len(raw) > cluster/8*cluster || len(raw)%cluster != 0 {
		return nil, fmt.Errorf("a tiny qcow2 image of %d bytes: not whole clusters of 64 KiB, at most 512 MiB", len(raw))
	}
	const refTable, refBlock, l1, l2, data = 1, 2, 3, 4, 5
	be := binary.BigEndian
	b := make([]byte, data*cluster)
	copy(b, "QFI\xfb")
	be.PutUint32(b[4:], 3)
	be.PutUint32(b[20:], 16)
	be.PutUint64(b[24:], uint64(len(raw)))
	be.PutUint32(b[36:], 1)
	be.PutUint64(b[40:], l1*cluster)
	be.PutUint64(b[48:], refTable*cluster)
	be.PutUint32(b[56:], 1)
	be.PutUint32(b[96:], 4) // refcounts of 16 bits
	be.PutUint32(b[100:], 104)
	be.PutUint64(b[refTable*cluster:], refBlock*cluster)
	be.PutUint64(b[l1*cluster:], l2*cluster|1<<63)
	for i := 0; i < len(raw)/cluster; i++ {
		content := raw[i*cluster:][:cluster]
		if bytes.Equal(content, make([]byte, cluster)) {
			continue
		}
		at := len(b)
		b = append(b, content...)
		be.PutUint64(b[l2*cluster+8*i:], uint64(at)|1<<63)
	}
	for i := 0; i < len(b)/cluster; i++ {
		be.PutUint16(b[refBlock*cluster+2*i:], 1)
	}
	return b, nil
}
