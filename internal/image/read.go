package image

import (
	"context"
	"errors"
	"io"

	"github.com/ingotmetal/ingot/internal/image/fetch"
	"github.com/ingotmetal/ingot/step"
)

// PhaseUnpacking is the phase of Read.
const PhaseUnpacking = "unpacking"

// Read gives the content of a file, fetched and unpacked, to consume, and says then whether its digest is the right one: nothing that consume made of it counts before Read
// returned nil. What consume leaves is read to the end. Source.Format is not looked at. Every error is a *step.Failure, except when the context was cancelled and those of consume.
func Read(ctx context.Context, source Source, o Options, consume func(io.Reader) error, progress func(step.Progress)) (step.Written, error) {
	w := &writer{source: source, o: o, fetch: fetch.Client{Transport: o.Transport, Retry: o.Retry}}
	w.meter = newMeter(o.Now, progress)
	own, err := w.read(ctx, consume)
	if own != nil {
		return w.written, own
	}
	if err != nil {
		err = describe(ctx, err)
	}
	return w.written, err
}

// read gives an error of consume apart from its own.
func (w *writer) read(ctx context.Context, consume func(io.Reader) error) (own, err error) {
	if w.want, err = w.digest(ctx); err != nil {
		return nil, err
	}
	p, err := w.open(ctx)
	if err != nil {
		return nil, err
	}
	var in *unpacked
	defer func() { end(p, in) }()
	if in, _, err = w.unpack(p); err != nil {
		return nil, err
	}
	w.meter.phase(PhaseUnpacking, max(p.stream.Size(), 0))
	watched := &watched{in: in, w: w, p: p}
	own = consume(watched)
	switch {
	case watched.err != nil:
		return nil, watched.err
	case own != nil:
		return own, nil
	}
	if _, err := io.Copy(io.Discard, watched); err != nil {
		return nil, err
	}
	w.written.ImageBytes = watched.n
	return nil, w.verify(p)
}

// watched is the content on its way, with progress. It keeps an error of its own, which a consumer may wrap or hide.
type watched struct {
	in  *unpacked
	w   *writer
	p   *pass
	n   int64
	err error
}

// Read implements io.Reader.
func (r *watched) Read(b []byte) (int, error) {
	n, err := r.in.Read(b)
	r.n += int64(n)
	r.w.meter.done(r.p.consumed())
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = r.w.damaged(r.p, err)
		err = r.err
	}
	return n, err
}
