// Package image brings an operating-system image from an HTTP(S) server to a disk: fetched, verified, unpacked and written in one stream.
//
// It owns the order of these things and what a disk may hold at each moment. It refuses local files, other schemes and running anything of the image; the parts that
// understand bytes are its sub-packages (fetch, checksum, compression, qcow2, partition).
//
// The guarantee. The first and the last MiB of the disk hold the boot sector, the partition tables of both kinds and their copies, and the boot records of ISO images. Write makes
// them zero before anything else, keeps what the image has for them in memory while the rest is written, and writes them only after the digest of the
// whole file, as it was downloaded, was found right and everything else was flushed. So:
//
//   - from the first changed byte to the right digest, the disk has no boot sector and no partition table, neither of this image nor of a former one, whenever the
//     machine loses power or the agent is killed;
//   - when Write fails for any reason, it makes both zero again before it returns, and says so if even that failed;
//   - what is not in the image is not on the disk: within the image's size each byte is the image's, zeros included. A zero run of at least 64 KiB is made by telling
//     the device to unmap it where the device promises zeros after that, else by writing zeros. Nothing is skipped in the hope that it is zero already.
//
// The pipeline: one goroutine downloads into chunks that two others use at the same time, the hash and the unpacker; the unpacker fills 4 MiB buffers, aligned for direct
// I/O, that one more goroutine writes. Memory does not depend on the size of the image: 6 MiB of chunks, 16 MiB of buffers, 2 MiB held back, and the
// window of the compression. A process that does nothing else stays under 64 MiB with the usual windows of up to 8 MiB; the largest that is accepted has 64 MiB.
//
// Every error is a *step.Failure, except when the context was cancelled.
package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image/checksum"
	"github.com/ingotmetal/ingot/internal/image/compression"
	"github.com/ingotmetal/ingot/internal/image/fetch"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/internal/image/qcow2"
	"github.com/ingotmetal/ingot/step"
)

// Format is how a disk is laid out in a file.
type Format string

// The formats. An empty Format is told by the content.
const (
	Raw   Format = "raw"
	Qcow2 Format = "qcow2"
)

// Source is what to write.
type Source struct {
	// URL is http or https; see package fetch for where it may lead.
	URL string
	// Format is what the file must be once it is unpacked. A raw image that looks like qcow2 is refused.
	Format Format
	// Checksum is hex, or the http(s) URL of a sums file that lists the last element of URL's path.
	Checksum string
	// ChecksumType is md5, sha256, sha512, auto or empty for auto.
	ChecksumType string
}

// Options are how to write it.
type Options struct {
	// Transport makes the connections. Required. Its dialer should ask fetch.Policy.Address about the addresses that names resolve to.
	Transport http.RoundTripper
	// ConfigDrive is put into a partition of its own at the disk's end; empty for none.
	ConfigDrive []byte
	// Judge looks at the image's beginning, at most 1 MiB of it, and refuses what it returns an error for, a *step.Failure; nil: every image will do. It sees a raw image before anything is written, and each image once more before
	// that beginning is on the target.
	Judge func(head []byte) error
	// Retry bounds what is done about dropped connections.
	Retry fetch.Retry
	// Now is the clock of the progress; nil: time.Now.
	Now func() time.Time
}

// The phases in the progress.
const (
	PhaseChecksum  = "reading the checksum"
	PhaseWriting   = "writing"
	PhaseVerifying = "verifying"
	PhaseFinishing = "writing partition table and config drive"
)

// Write writes the image. progress may be nil; it is called from the calling goroutine a few times a second.
func Write(ctx context.Context, source Source, target disk.Disk, o Options, progress func(step.Progress)) (step.Written, error) {
	w := &writer{source: source, target: target, o: o, fetch: fetch.Client{Transport: o.Transport, Retry: o.Retry}}
	w.meter = newMeter(o.Now, progress)
	err := w.run(ctx)
	if err == nil {
		return w.written, nil
	}
	if wipeErr := w.unboot(); wipeErr != nil {
		err = &step.Failure{
			Kind: step.Internal, Message: fmt.Sprintf("%v; and the disk's boot sector and partition tables could not be wiped after that: %v", describe(ctx, err), wipeErr),
			Fix: "see whether the disk works; do not boot the machine from it",
		}
	}
	return w.written, describe(ctx, err)
}

// describe makes a failure of any error.
func describe(ctx context.Context, err error) error {
	var f *step.Failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &step.Failure{Kind: step.Timeout, Message: "write the image: its deadline passed"}
	case ctx.Err() != nil:
		return fmt.Errorf("write the image: %w", context.Cause(ctx))
	}
	f = &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("write the image: %v", err)}
	switch {
	case errors.Is(err, compression.ErrUnsupported), errors.Is(err, qcow2.ErrUnsupported):
		f.Kind, f.Fix = step.Unsupported, "convert the image to raw, packed with zstd"
	case errors.Is(err, qcow2.ErrCorrupt), errors.Is(err, partition.ErrCorrupt), errors.Is(err, errDamaged):
		f.Kind, f.Fix = step.Invalid, "replace the image by one that is whole"
	}
	return f
}

// errDamaged marks what an unpacker could not read.
var errDamaged = errors.New("the image is damaged")

// digest finds out what the file's digest must be.
func (w *writer) digest(ctx context.Context) (checksum.Digest, error) {
	invalid := func(err error) error {
		return &step.Failure{
			Kind: step.Invalid, Message: fmt.Sprintf("checksum of %s: %v", fileName(w.source.URL), err),
			Fix: "give the digest in hex, or the URL of a sums file that lists the image",
		}
	}
	algorithm, err := checksum.ParseAlgorithm(w.source.ChecksumType)
	if err != nil {
		return checksum.Digest{}, invalid(err)
	}
	if w.source.Checksum == "" {
		return checksum.Digest{}, invalid(errors.New("none is given"))
	}
	if !isURL(w.source.Checksum) {
		d, err := checksum.Parse(w.source.Checksum, algorithm)
		if err != nil {
			return checksum.Digest{}, invalid(err)
		}
		return d, nil
	}
	w.meter.phase(PhaseChecksum, 0)
	sums, err := w.fetch.Small(ctx, w.source.Checksum, checksum.MaxSumsFileBytes)
	if err != nil {
		return checksum.Digest{}, err
	}
	d, err := checksum.Find(sums, fileName(w.source.URL), algorithm)
	if err != nil {
		return checksum.Digest{}, invalid(err)
	}
	return d, nil
}
