package ethernet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/socket/framing"
)

// Port is one socket of the switch. A machine's port outlives its stream: a power cycle detaches one stream and attaches the next.
type Port struct {
	sw   *Switch
	name string
	// transient: the port goes with its stream.
	transient bool

	// mu guards what follows. It is never held while a frame is written to a stream.
	mu    sync.Mutex
	up    bool
	conn  io.Closer
	queue chan []byte
	ended chan struct{}

	received, sent, dropped atomic.Int64
}

// Counters are a port's frames since it was made, as the switch sees them.
type Counters struct {
	Received, Sent, Dropped int64
}

// Name is the port's name; LLDP announces it as port ID.
func (p *Port) Name() string { return p.name }

// Counters gives the port's counters.
func (p *Port) Counters() Counters {
	return Counters{Received: p.received.Load(), Sent: p.sent.Load(), Dropped: p.dropped.Load()}
}

// Attached says whether the port has a stream.
func (p *Port) Attached() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn != nil
}

// SetLink cuts the link or joins it again. The other end keeps its carrier: a virtual machine's is set through its own monitor.
func (p *Port) SetLink(up bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = up
}

// LinkUp says whether the link is joined.
func (p *Port) LinkUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up
}

// ErrAttached means that the port has a stream already.
var ErrAttached = errors.New("port has a stream already")

// Attach joins a stream to the port. The switch owns it from then on and closes it.
func (p *Port) Attach(conn net.Conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sw.ctx.Err() != nil {
		return fmt.Errorf("attach to port %s: switch is closed", p.name)
	}
	if p.conn != nil {
		return fmt.Errorf("attach to port %s: %w", p.name, ErrAttached)
	}
	queue, ended := make(chan []byte, queueFrames), make(chan struct{})
	p.conn, p.queue, p.ended = conn, queue, ended
	p.sw.done.Go(func() { p.write(conn, queue, ended) })
	p.sw.done.Go(func() {
		p.read(conn)
		p.end(conn)
	})
	return nil
}

// Detach closes the port's stream, if there is one, and waits until it is gone.
func (p *Port) Detach() {
	p.mu.Lock()
	conn, ended := p.conn, p.ended
	p.mu.Unlock()
	if conn == nil {
		return
	}
	_ = conn.Close()
	<-ended
}

// end is called by the reader, once, when its stream is over.
func (p *Port) end(conn io.Closer) {
	_ = conn.Close()
	if p.transient {
		p.sw.remove(p)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn, p.queue = nil, nil
	close(p.ended)
}

func (p *Port) read(conn io.Reader) {
	r := framing.NewReader(conn)
	for {
		frame, err := r.Read()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				p.sw.log.Debug("switch port lost its stream", "port", p.name, "err", err)
			}
			return
		}
		if !p.LinkUp() {
			p.dropped.Add(1)
			continue
		}
		p.received.Add(1)
		p.sw.forward(p, frame, time.Now())
	}
}

// write empties the queue into the stream, and flushes when it is empty.
func (p *Port) write(conn io.WriteCloser, queue <-chan []byte, ended <-chan struct{}) {
	w := framing.NewWriter(conn)
	for {
		var frame []byte
		select {
		case frame = <-queue:
		case <-ended:
			return
		}
		err := w.Write(frame)
		if err == nil && len(queue) == 0 {
			err = w.Flush()
		}
		if err != nil {
			// The reader sees the closed stream and ends the port.
			_ = conn.Close()
			<-ended
			return
		}
		p.sent.Add(1)
	}
}

// send queues a frame, or drops it when the queue is full, the link down or nobody there.
func (p *Port) send(frame []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queue == nil || !p.up {
		return
	}
	select {
	case p.queue <- frame:
	default:
		p.dropped.Add(1)
	}
}
