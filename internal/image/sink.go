package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image/partition"
)

const (
	bufferBytes = 4 << 20
	bufferCount = 4
	// zeroRun is the unit in which zeros are looked for.
	zeroRun = 64 << 10
	// heldBytes is how much of the disk's beginning and of its end is kept back.
	heldBytes = partition.MaxTableBytes
	// eraseStep bounds one erasure, so that a cancelled context is noticed.
	eraseStep = 1 << 30
)

// sink takes the image's content in any order, and writes it with one goroutine. What belongs to the first and last MiB stays in memory until commit.
type sink struct {
	ctx     context.Context
	target  disk.Disk
	geo     disk.Geometry
	head    []byte
	tail    []byte
	tailOff int64

	free   chan []byte
	jobs   chan job
	ended  chan struct{}
	cur    job
	closed bool

	mu  sync.Mutex
	err error

	// Of the writing goroutine.
	zeros     partition.Span
	noUnmap   bool
	written   int64
	zeroBlock []byte
}

// job is a filled buffer, or with zero set a range that must read as zero.
type job struct {
	buf  []byte
	off  int64
	n    int
	zero int64
}

func newSink(ctx context.Context, target disk.Disk) *sink {
	g := target.Geometry()
	headBytes := min(heldBytes, g.SizeBytes)
	s := &sink{
		ctx: ctx, target: target, geo: g, head: disk.Buffer(int(headBytes)), tailOff: max(headBytes, g.SizeBytes-heldBytes),
		free: make(chan []byte, bufferCount), jobs: make(chan job, bufferCount), ended: make(chan struct{}), zeroBlock: make([]byte, zeroRun),
	}
	s.tail = disk.Buffer(int(g.SizeBytes - s.tailOff))
	for range bufferCount {
		s.free <- disk.Buffer(bufferBytes)
	}
	go s.loop()
	return s
}

// blank makes the first and last MiB of the disk zero, whatever the sink holds for them, and flushes.
func (s *sink) blank() error {
	zeros := disk.Buffer(max(len(s.head), len(s.tail)))
	for _, p := range []struct {
		off int64
		n   int
	}{{0, len(s.head)}, {s.tailOff, len(s.tail)}} {
		if _, err := s.target.WriteAt(zeros[:p.n], p.off); err != nil {
			return err
		}
	}
	return s.target.Flush()
}

// Space implements qcow2.Output.
func (s *sink) Space(off, n int64) ([]byte, error) {
	if off >= s.geo.SizeBytes {
		return nil, tooSmall(off+n, s.geo.SizeBytes, "at least ")
	}
	n = min(n, s.geo.SizeBytes-off)
	if s.cur.buf != nil && (off != s.cur.off+int64(s.cur.n) || s.cur.n == len(s.cur.buf)) {
		s.submit()
	}
	if s.cur.buf == nil {
		select {
		case b := <-s.free:
			s.cur = job{buf: b, off: off}
		case <-s.ctx.Done():
			return nil, s.ctx.Err()
		}
		if err := s.failure(); err != nil {
			return nil, err
		}
	}
	room := s.cur.buf[s.cur.n:]
	return room[:min(int64(len(room)), n)], nil
}

// Commit implements qcow2.Output.
func (s *sink) Commit(n int) error {
	s.cur.n += n
	if s.cur.n == len(s.cur.buf) {
		s.submit()
	}
	return s.failure()
}

// Zero makes a range read as zero.
func (s *sink) Zero(off, length int64) error {
	s.submit()
	select {
	case s.jobs <- job{off: off, zero: length}:
		return s.failure()
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// submit hands over the current buffer. An image may end inside of a sector; the rest of the sector is zero.
func (s *sink) submit() {
	if s.cur.buf == nil {
		return
	}
	if rest := s.cur.n % s.geo.SectorBytes; rest != 0 {
		end := s.cur.n + s.geo.SectorBytes - rest
		clear(s.cur.buf[s.cur.n:end])
		s.cur.n = end
	}
	s.jobs <- s.cur // a buffer is at hand only while the channel has room for it, or a zero job is about to be taken
	s.cur = job{}
}

// close writes what is left and waits for it. It may be called again.
func (s *sink) close() error {
	if !s.closed {
		s.closed = true
		s.submit()
		close(s.jobs)
	}
	<-s.ended
	return s.failure()
}

// loop is the writing goroutine. After a failure it only empties the queue.
func (s *sink) loop() {
	defer close(s.ended)
	for j := range s.jobs {
		if s.failure() == nil && s.ctx.Err() == nil {
			s.fail(s.process(j))
		}
		if j.buf != nil {
			s.free <- j.buf
		}
	}
	if s.failure() == nil && s.ctx.Err() == nil {
		s.fail(s.eraseZeros())
	}
	if err := s.ctx.Err(); err != nil {
		s.fail(err)
	}
}

// process writes a buffer: runs of zeros are gathered over buffers, everything else goes out in as few writes as possible.
func (s *sink) process(j job) error {
	if j.buf == nil {
		return s.addZeros(j.off, j.zero)
	}
	from := 0
	for at := 0; at < j.n; {
		end := min(j.n, at+zeroRun-int((j.off+int64(at))%zeroRun))
		if bytes.Equal(j.buf[at:end], s.zeroBlock[:end-at]) {
			if err := s.put(j.off+int64(from), j.buf[from:at]); err != nil {
				return err
			}
			if err := s.addZeros(j.off+int64(at), int64(end-at)); err != nil {
				return err
			}
			from = end
		}
		at = end
	}
	return s.put(j.off+int64(from), j.buf[from:j.n])
}

func (s *sink) addZeros(off, length int64) error {
	if s.zeros.Length > 0 && s.zeros.End() == off {
		s.zeros.Length += length
		return nil
	}
	err := s.eraseZeros()
	s.zeros = partition.Span{Off: off, Length: length}
	return err
}

// middle is the part of a range that is not held back.
func (s *sink) middle(off, length int64) (int64, int64) {
	from, to := max(off, int64(len(s.head))), min(off+length, s.tailOff)
	return from, max(to-from, 0)
}

func (s *sink) eraseZeros() error {
	span := s.zeros
	s.zeros = partition.Span{}
	s.hold(span.Off, nil, span.Length)
	off, length := s.middle(span.Off, span.Length)
	for length > 0 {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		n := min(length, eraseStep)
		if err := s.erase(off, n); err != nil {
			return err
		}
		off, length = off+n, length-n
	}
	return nil
}

func (s *sink) erase(off, length int64) error {
	// The end of an image inside of a sector was filled up in submit; holes of qcow2 end at whole clusters or at the disk's end, which may be inside of a large sector.
	if rest := (off + length) % int64(s.geo.SectorBytes); rest != 0 {
		length += int64(s.geo.SectorBytes) - rest
	}
	if !s.noUnmap {
		err := s.target.Erase(disk.Unmap, off, length)
		if !errors.Is(err, disk.ErrUnsupported) {
			return err
		}
		s.noUnmap = true
	}
	return s.target.Erase(disk.Zero, off, length)
}

// put writes bytes, or keeps those that are held back.
func (s *sink) put(off int64, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if err := s.eraseZeros(); err != nil {
		return err
	}
	s.written += int64(len(p))
	s.hold(off, p, int64(len(p)))
	from, n := s.middle(off, int64(len(p)))
	if n == 0 {
		return nil
	}
	_, err := s.target.WriteAt(p[from-off:from-off+n], from)
	return err
}

// hold copies the part of p that is held back; a nil p means zeros.
func (s *sink) hold(off int64, p []byte, length int64) {
	for _, h := range []struct {
		off int64
		mem []byte
	}{{0, s.head}, {s.tailOff, s.tail}} {
		from, to := max(off, h.off), min(off+length, h.off+int64(len(h.mem)))
		switch {
		case from >= to:
		case p == nil:
			clear(h.mem[from-h.off : to-h.off])
		default:
			copy(h.mem[from-h.off:to-h.off], p[from-off:to-off])
		}
	}
}

// ReadAt reads the disk as it will be: with what is held back.
func (s *sink) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.target.ReadAt(p, off)
	for _, h := range []struct {
		off int64
		mem []byte
	}{{0, s.head}, {s.tailOff, s.tail}} {
		from, to := max(off, h.off), min(off+int64(n), h.off+int64(len(h.mem)))
		if from < to {
			copy(p[from-off:to-off], h.mem[from-h.off:to-h.off])
		}
	}
	return n, err
}

var _ io.ReaderAt = (*sink)(nil)

func (s *sink) fail(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = fmt.Errorf("write to the disk: %w", err)
	}
}

func (s *sink) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
