package qcow2

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

const (
	// maxInflaters bounds the goroutines that unpack; more than four do not help a disk.
	maxInflaters = 4
	// inflateBytes bounds the memory of the clusters that are being unpacked, packed and unpacked.
	inflateBytes = 8 << 20
)

// inflaters unpack clusters at the same time. One goroutine gives them out and takes them back, in the order of the file.
type inflaters struct {
	header  Header
	jobs    chan *packedJob
	workers sync.WaitGroup
	pending []*packedJob
	spare   []*packedJob
	depth   int
}

type packedJob struct {
	x       extent
	in, out []byte
	err     error
	done    chan struct{}
}

func newInflaters(h Header) *inflaters {
	depth := int(min(16, max(2, inflateBytes/(2*h.ClusterBytes()))))
	return &inflaters{header: h, depth: depth}
}

// start runs the goroutines when the first compressed cluster comes; most files have none or nothing else.
func (f *inflaters) start() {
	f.jobs = make(chan *packedJob, f.depth)
	for range min(maxInflaters, runtime.GOMAXPROCS(0)) {
		f.workers.Go(func() {
			u := newUnpacker(f.header)
			for j := range f.jobs {
				var cluster []byte
				if cluster, j.err = u.cluster(j.in); j.err == nil {
					j.out = append(j.out[:0], cluster...)
				}
				j.done <- struct{}{}
			}
		})
	}
}

// stop ends the goroutines.
func (f *inflaters) stop() {
	if f.jobs != nil {
		close(f.jobs)
		f.workers.Wait()
		f.jobs, f.pending = nil, nil
	}
}

// give hands a cluster out. There must be room: len(pending) < depth.
func (f *inflaters) give(x extent, b []byte) {
	if f.jobs == nil {
		f.start()
	}
	j := &packedJob{done: make(chan struct{}, 1)}
	if n := len(f.spare); n > 0 {
		j, f.spare = f.spare[n-1], f.spare[:n-1]
	}
	j.x, j.in = x, append(j.in[:0], b...)
	f.pending = append(f.pending, j)
	f.jobs <- j
}

// inflate takes a compressed cluster from the file. The bytes stay in the window, since the next one may begin in the same sector.
func (d *Decoder) inflate(in *bufio.Reader, x extent, out Output) error {
	b, err := in.Peek(int(x.length))
	if err != nil && (!errors.Is(err, io.EOF) || len(b) == 0) {
		return d.ended(err, x)
	}
	if len(d.inflaters.pending) == d.inflaters.depth {
		if err := d.settle(out); err != nil {
			return err
		}
	}
	d.inflaters.give(x, b)
	return nil
}

// settleAll puts out every cluster that was given out.
func (d *Decoder) settleAll(out Output) error {
	for len(d.inflaters.pending) > 0 {
		if err := d.settle(out); err != nil {
			return err
		}
	}
	return nil
}

// settle waits for the oldest cluster and puts it out.
func (d *Decoder) settle(out Output) error {
	f := d.inflaters
	j := f.pending[0]
	f.pending = f.pending[1:]
	<-j.done
	if j.err != nil {
		return fmt.Errorf("%w: the compressed cluster at %d: %w", ErrCorrupt, j.x.host, j.err)
	}
	length := min(d.h.ClusterBytes(), d.h.VirtualBytes-j.x.guest)
	for done := int64(0); done < length; {
		p, err := out.Space(j.x.guest+done, length-done)
		if err != nil {
			return err
		}
		n := copy(p, j.out[done:length])
		if err := out.Commit(n); err != nil {
			return err
		}
		done += int64(n)
	}
	f.spare = append(f.spare, j)
	return d.mark(j.x.guest, length)
}
