package netconf

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/lldp"
	"github.com/ingotmetal/ingot/step"
)

// listenFor is how long an interface is listened to before its silence counts. Switches send every 30 s, and at once when a link comes up (802.1AB §9.2.7.7), which is
// what this catches; the agent listens on in the background.
const listenFor = 5 * time.Second

// neighbours are what was heard so far.
type neighbours struct {
	mu sync.Mutex
	// heard and since are by interface; since is when listening began.
	heard map[string]step.LLDP
	since map[string]time.Time
	// news is signalled when something was heard.
	news chan struct{}
}

func newNeighbours() neighbours {
	return neighbours{heard: map[string]step.LLDP{}, since: map[string]time.Time{}, news: make(chan struct{}, 1)}
}

// listen hears an interface's neighbour until ctx ends.
func (n *Network) listen(ctx context.Context, name string) {
	if err := carrier(ctx, name); err != nil {
		return
	}
	conn, err := n.o.Sockets.LLDP(name)
	if err != nil {
		n.o.Logger.Warn("LLDP is not heard", "nic", name, "err", err)
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	n.lldp.begin(name)
	buf := make([]byte, 1600)
	for {
		size, _, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		neighbour, ok, err := lldp.Parse(buf[:size])
		if err != nil {
			n.o.Logger.Debug("LLDP frame not read", "nic", name, "err", err)
			continue
		}
		n.lldp.set(name, neighbour, ok)
	}
}

func (h *neighbours) begin(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.since[name] = time.Now()
}

func (h *neighbours) set(name string, neighbour step.LLDP, present bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if present {
		h.heard[name] = neighbour
	} else {
		delete(h.heard, name)
	}
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// gather waits until each interface was heard or was silent for listenFor.
func (h *neighbours) gather(ctx context.Context, interfaces []string) map[string]step.LLDP {
	for {
		heard, wait := h.missing(interfaces)
		if wait <= 0 || ctx.Err() != nil {
			return heard
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-h.news:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// missing gives what was heard, and how long to wait for the rest.
func (h *neighbours) missing(interfaces []string) (heard map[string]step.LLDP, wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range interfaces {
		if _, ok := h.heard[name]; ok {
			continue
		}
		if since, ok := h.since[name]; ok {
			wait = max(wait, listenFor-time.Since(since))
		}
	}
	return maps.Clone(h.heard), wait
}
