package image

import (
	"context"
	"errors"
	"hash"
	"io"
	"sync"
	"sync/atomic"

	"github.com/ingotmetal/ingot/internal/image/fetch"
)

const (
	chunkBytes = 512 << 10
	chunkCount = 12
)

// pass is one reading of the file from beginning to end: a goroutine downloads, another hashes, and Read gives the same bytes to the unpacker. Read is for one goroutine.
type pass struct {
	stream *fetch.Stream
	cancel context.CancelFunc
	free   chan *chunk
	toHash chan *chunk
	toRead chan *chunk
	all    sync.WaitGroup
	sum    hash.Hash

	current *chunk
	at      int
	read    atomic.Int64

	mu  sync.Mutex
	err error
}

// chunk is a piece of the file in the hands of two users; the last one gives it back.
type chunk struct {
	buf   []byte
	n     int
	users atomic.Int32
}

func startPass(ctx context.Context, client fetch.Client, url string, sum hash.Hash) (*pass, error) {
	ctx, cancel := context.WithCancel(ctx)
	s, err := client.Open(ctx, url)
	if err != nil {
		cancel()
		return nil, err
	}
	p := &pass{
		stream: s, cancel: cancel, sum: sum,
		free: make(chan *chunk, chunkCount), toHash: make(chan *chunk, chunkCount), toRead: make(chan *chunk, chunkCount),
	}
	for range chunkCount {
		p.free <- &chunk{buf: make([]byte, chunkBytes)}
	}
	p.all.Go(func() { p.download(ctx) })
	p.all.Go(func() {
		for c := range p.toHash {
			p.sum.Write(c.buf[:c.n])
			p.release(c)
		}
	})
	return p, nil
}

func (p *pass) download(ctx context.Context) {
	defer close(p.toHash)
	defer close(p.toRead)
	for {
		var c *chunk
		select {
		case <-ctx.Done():
			p.fail(ctx.Err())
			return
		case c = <-p.free:
		}
		// One read, so that what came is used at once. While the users are slower than the network, more waits in the socket, and the reads grow by themselves.
		n, err := p.stream.Read(c.buf)
		if n > 0 {
			c.n = n
			c.users.Store(2)
			p.toHash <- c // never blocks: the channels hold every chunk there is
			p.toRead <- c
		} else {
			p.free <- c
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			p.fail(err)
			return
		}
	}
}

func (p *pass) release(c *chunk) {
	if c.users.Add(-1) == 0 {
		p.free <- c
	}
}

// Read implements io.Reader.
func (p *pass) Read(b []byte) (int, error) {
	for p.current == nil {
		c, ok := <-p.toRead
		if !ok {
			if err := p.failed(); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
		p.current, p.at = c, 0
	}
	n := copy(b, p.current.buf[p.at:p.current.n])
	p.at += n
	p.read.Add(int64(n))
	if p.at == p.current.n {
		p.release(p.current)
		p.current = nil
	}
	return n, nil
}

// consumed is how many bytes were given to the unpacker. Any goroutine may ask.
func (p *pass) consumed() int64 { return p.read.Load() }

// finish reads what the unpacker left, waits for the hash and gives it.
func (p *pass) finish() (hash.Hash, error) {
	_, err := io.Copy(io.Discard, readOnly{p})
	p.all.Wait()
	return p.sum, err
}

// readOnly hides every method but Read.
type readOnly struct{ io.Reader }

func (p *pass) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// failed is why the download ended early, nil when it did not.
func (p *pass) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// close ends the pass and waits for its goroutines.
func (p *pass) close() {
	p.cancel()
	p.all.Wait()
	_ = p.stream.Close()
}
