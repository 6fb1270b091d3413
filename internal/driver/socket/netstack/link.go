package netstack

import (
	"bytes"
	"context"
	"net"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/ingotmetal/ingot/internal/driver/socket/framing"
)

// redial is the time between two tries to reach the switch. It is a local socket: trying is cheap, and a person waits.
const redial = 200 * time.Millisecond

// keepLinked dials the switch, carries frames until the link is lost, and begins again.
func (n *Network) keepLinked(ctx context.Context, plug func(context.Context) (net.Conn, error)) {
	complained := false
	for {
		conn, err := plug(ctx)
		if err == nil {
			n.log.Info("joined lab network", "socket", n.spec.Socket, "address", n.spec.Address.String())
			complained = false
			n.carry(ctx, conn)
		} else if !complained && ctx.Err() == nil {
			n.log.Info("waiting for lab network", "socket", n.spec.Socket, "err", err)
			complained = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(redial):
		}
	}
}

// carry moves frames both ways until the stream or the context ends.
func (n *Network) carry(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	n.link.Drain()
	select {
	case <-n.ready:
	default:
		close(n.ready)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		defer cancel()
		n.write(ctx, conn)
	}()
	n.read(conn)
	cancel()
	<-written
}

func (n *Network) write(ctx context.Context, conn net.Conn) {
	w := framing.NewWriter(conn)
	for {
		p := n.link.ReadContext(ctx)
		if p == nil {
			return
		}
		view := p.ToView()
		err := w.Write(view.AsSlice())
		view.Release()
		p.DecRef()
		if err == nil && n.link.NumQueued() == 0 {
			err = w.Flush()
		}
		if err != nil {
			return
		}
	}
}

func (n *Network) read(conn net.Conn) {
	r := framing.NewReader(conn)
	for {
		frame, err := r.Read()
		if err != nil {
			return
		}
		// What the switch floods and is for another host: an interface's own filter.
		if frame[0]&1 == 0 && !bytes.Equal(frame[:6], n.spec.MAC) {
			continue
		}
		p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame)})
		n.link.InjectInbound(0, p)
		p.DecRef()
	}
}
