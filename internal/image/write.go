package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image/checksum"
	"github.com/ingotmetal/ingot/internal/image/compression"
	"github.com/ingotmetal/ingot/internal/image/fetch"
	"github.com/ingotmetal/ingot/internal/image/qcow2"
	"github.com/ingotmetal/ingot/step"
)

// sniffBytes is how much of a file is looked at before anything is written: enough for every magic number and a qcow2 header.
const sniffBytes = 68 << 10

// maxPrefetchTables bounds the L2 tables that are read ahead; 1,024 of them map 512 GiB with the usual clusters.
const maxPrefetchTables = 1024

type writer struct {
	source  Source
	target  disk.Disk
	o       Options
	fetch   fetch.Client
	meter   *meter
	want    checksum.Digest
	sink    *sink
	touched bool
	written step.Written
}

func (w *writer) run(ctx context.Context) error {
	var err error
	if w.want, err = w.digest(ctx); err != nil {
		return err
	}
	p, err := w.open(ctx)
	if err != nil {
		return err
	}
	var in *unpacked
	defer func() { end(p, in) }()
	in, head, err := w.unpack(p)
	if err != nil {
		return err
	}
	isQcow2, err := w.format(head)
	if err != nil {
		return err
	}
	w.meter.phase(PhaseWriting, max(p.stream.Size(), 0))
	if isQcow2 {
		p, in, err = w.writeQcow2(ctx, p, in, head)
	} else {
		err = w.writeRaw(ctx, p, in)
	}
	if err != nil {
		return err
	}
	w.meter.phase(PhaseFinishing, 0)
	return w.commit()
}

// open starts a pass over the file.
func (w *writer) open(ctx context.Context) (*pass, error) {
	return startPass(ctx, w.fetch, w.source.URL, w.want.New())
}

// end closes a pass and then its unpacker, which may have goroutines that wait for the pass. Either may be nil.
func end(p *pass, in *unpacked) {
	if p != nil {
		p.close()
	}
	if in != nil {
		_ = in.closer.Close()
	}
}

// unpacked is the content of a file, unpacked as its first bytes ask for.
type unpacked struct {
	*bufio.Reader
	kind      compression.Kind
	leastSize int64
	closer    io.Closer
}

// unpack gives the unpacker, also beside an error when there is one to close: that has to wait until the pass is closed (see end).
func (w *writer) unpack(p *pass) (*unpacked, []byte, error) {
	packed := bufio.NewReaderSize(p, sniffBytes)
	first, err := packed.Peek(compression.SniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	if len(first) == 0 {
		return nil, nil, &step.Failure{Kind: step.Invalid, Message: "the image file is empty", Fix: "replace the image by one that is whole"}
	}
	kind, err := compression.Detect(first)
	if err != nil {
		return nil, nil, err
	}
	u := &unpacked{kind: kind, leastSize: compression.UnpackedSize(kind, first)}
	if kind == compression.None {
		u.leastSize = max(p.stream.Size(), 0)
	}
	r, err := compression.NewReader(kind, packed)
	if err != nil {
		return nil, nil, w.damaged(p, err)
	}
	u.Reader, u.closer = bufio.NewReaderSize(r, sniffBytes), r
	head, err := u.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return u, nil, w.damaged(p, err)
	}
	return u, head, nil
}

// damaged tells an unpacker's error from those of the download and of the disk, which come through it.
func (w *writer) damaged(p *pass, err error) error {
	var f *step.Failure
	switch {
	case w.sink != nil && w.sink.failure() != nil:
		return w.sink.failure()
	case p.failed() != nil:
		return p.failed()
	case errors.As(err, &f), errors.Is(err, compression.ErrUnsupported), errors.Is(err, qcow2.ErrCorrupt), errors.Is(err, qcow2.ErrUnsupported):
		return err
	}
	return fmt.Errorf("%w: %w", errDamaged, err)
}

// others are formats that would be written as they are if raw were believed.
var others = []struct {
	off   int
	magic string
	name  string
}{
	{0, "KDMV", "vmdk"}, {0, "# Disk DescriptorFile", "vmdk"}, {0, "COWD", "vmdk"}, {0, "vhdxfile", "vhdx"}, {0, "conectix", "vpc (vhd)"},
	{64, "\x7f\x10\xda\xbe", "vdi"}, {0, "QED\x00", "qed"}, {0, "QFI", "qcow"}, {257, "ustar", "a tar archive"},
}

// format compares what was asked for with the content.
func (w *writer) format(head []byte) (isQcow2 bool, err error) {
	isQcow2 = bytes.HasPrefix(head, []byte(qcow2.Magic))
	mismatch := func(is string) error {
		return &step.Failure{
			Kind: step.Invalid, Message: fmt.Sprintf("the image is %s, and format %q was asked for", is, w.source.Format),
			Fix: "correct the image's format, or convert the image",
		}
	}
	switch w.source.Format {
	case Raw, Qcow2, "":
	default:
		return false, &step.Failure{Kind: step.Unsupported, Message: fmt.Sprintf("image format %q is neither raw nor qcow2", w.source.Format), Fix: "convert the image to raw or qcow2"}
	}
	if isQcow2 {
		if w.source.Format == Raw {
			return false, mismatch("qcow2")
		}
		return true, nil
	}
	for _, o := range others {
		if len(head) >= o.off+len(o.magic) && string(head[o.off:o.off+len(o.magic)]) == o.magic {
			return false, &step.Failure{Kind: step.Unsupported, Message: "the image is " + o.name + ", neither raw nor qcow2", Fix: "convert the image to raw or qcow2"}
		}
	}
	if w.source.Format == Qcow2 {
		return false, mismatch("not qcow2")
	}
	if w.o.Judge != nil {
		return false, w.o.Judge(head)
	}
	return false, nil
}

// begin is the point of no return: the image is accepted as far as it can be known, and the disk loses its boot sector and tables.
func (w *writer) begin(ctx context.Context, leastSize int64) error {
	if size := w.target.Geometry().SizeBytes; leastSize > size {
		return tooSmall(leastSize, size, "")
	}
	w.touched = true
	w.sink = newSink(ctx, w.target)
	return w.sink.blank()
}

func tooSmall(image, disk int64, atLeast string) error {
	return &step.Failure{
		Kind: step.Invalid, Message: fmt.Sprintf("the disk is too small: the image has %s%d bytes, the disk %d", atLeast, image, disk),
		Fix: "choose a larger disk with the root device hints, or a smaller image",
	}
}

// unboot makes the disk unbootable after a failure.
func (w *writer) unboot() error {
	if !w.touched {
		return nil
	}
	_ = w.sink.close()
	return w.sink.blank()
}

func (w *writer) writeRaw(ctx context.Context, p *pass, in *unpacked) error {
	if err := w.begin(ctx, in.leastSize); err != nil {
		return err
	}
	size := w.target.Geometry().SizeBytes
	at := int64(0)
	for {
		if at == size {
			if _, err := in.ReadByte(); err == nil {
				return tooSmall(size+1, size, "at least ")
			} else if !errors.Is(err, io.EOF) {
				return w.damaged(p, err)
			}
			break
		}
		space, err := w.sink.Space(at, size-at)
		if err != nil {
			return err
		}
		n, err := io.ReadFull(in, space)
		at += int64(n)
		if commitErr := w.sink.Commit(n); commitErr != nil {
			return commitErr
		}
		w.meter.done(p.consumed())
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && p.failed() == nil && in.ended() {
			break
		}
		if err != nil {
			return w.damaged(p, err)
		}
	}
	if err := w.sink.close(); err != nil {
		return err
	}
	w.written.ImageBytes = at
	return w.verify(p)
}

// ended tells io.ReadFull's own io.ErrUnexpectedEOF from an unpacker's: after a true end every further read ends too.
func (u *unpacked) ended() bool {
	_, err := u.ReadByte()
	return errors.Is(err, io.EOF)
}

// writeQcow2 gives back the pass and the unpacker that were used last, to be closed.
func (w *writer) writeQcow2(ctx context.Context, p *pass, in *unpacked, head []byte) (*pass, *unpacked, error) {
	h, err := qcow2.ParseHeader(head[:min(len(head), qcow2.HeaderBytes)])
	if err != nil {
		return p, in, err
	}
	if sector := int64(w.target.Geometry().SectorBytes); h.ClusterBytes() < sector {
		return p, in, fmt.Errorf("%w: clusters of %d bytes on a disk with sectors of %d", qcow2.ErrUnsupported, h.ClusterBytes(), sector)
	}
	fileBytes := int64(-1)
	if in.kind == compression.None {
		fileBytes = p.stream.Size()
	}
	d := qcow2.NewDecoder(h, fileBytes)
	if err := w.prefetch(ctx, d, p, in.kind); err != nil {
		return p, in, err
	}
	if err := w.begin(ctx, h.VirtualBytes); err != nil {
		return p, in, err
	}
	for {
		more, err := d.Pass(in, metered{w.sink, w.meter, p})
		if err != nil {
			return p, in, w.damaged(p, err)
		}
		if err := w.verify(p); err != nil {
			return p, in, err
		}
		if !more {
			break
		}
		end(p, in)
		if p, err = w.open(ctx); err != nil {
			return nil, nil, err
		}
		if in, _, err = w.unpack(p); err != nil {
			return p, in, err
		}
	}
	if err := d.Holes(w.sink.Zero); err != nil {
		return p, in, err
	}
	w.written.ImageBytes = h.VirtualBytes
	return p, in, w.sink.close()
}

// prefetch reads the tables of a file that can be read at random. Where that does not work the passes find the tables by themselves.
func (w *writer) prefetch(ctx context.Context, d *qcow2.Decoder, p *pass, kind compression.Kind) error {
	parts := p.stream.Parts()
	if kind != compression.None || parts == nil {
		return nil
	}
	_, err := d.Prefetch(parts, maxPrefetchTables)
	w.written.DownloadedBytes += parts.Downloaded()
	if errors.Is(err, qcow2.ErrCorrupt) || errors.Is(err, qcow2.ErrUnsupported) || ctx.Err() != nil {
		return err
	}
	return nil
}

// verify waits for the end of a pass and compares the digest.
func (w *writer) verify(p *pass) error {
	w.meter.phase(PhaseVerifying, max(p.stream.Size(), 0))
	sum, err := p.finish()
	w.written.DownloadedBytes += p.stream.Downloaded()
	w.written.Resumes += p.stream.Resumes()
	if err != nil {
		return err
	}
	got := w.want.Of(sum)
	w.written.Digest = got.String()
	if got != w.want {
		return &step.Failure{
			Kind: step.Invalid, Message: fmt.Sprintf("the image's digest is wrong: %s has %s, and %s was expected", fileName(w.source.URL), got, w.want),
			Fix: "correct the checksum, or replace the image",
		}
	}
	return nil
}

func isURL(s string) bool {
	return strings.HasPrefix(strings.ToLower(s), "http://") || strings.HasPrefix(strings.ToLower(s), "https://")
}

// fileName is the last element of a URL's path.
func fileName(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return path.Base(u.Path)
}
