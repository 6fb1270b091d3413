// Package ethernet is the lab's switch: it joins virtual machines and user-space network stacks over byte streams, without any privilege.
//
// It owns ports, the learned addresses, each port's LLDP announcement, and the capture file. It refuses routing, addresses above Ethernet and every decision about machines.
// It is not a bridge in the kernel, since that needs root and can leak frames to the host's network; here nothing leaves the process but through a port's stream.
//
// Invariants: a port never blocks another one (a full queue drops the frame and counts it); a port whose link is down neither sends nor receives; the table of
// learned addresses is bounded; frames are never changed.
package ethernet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

// MAC is an Ethernet address.
type MAC [6]byte

func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

func (m MAC) multicast() bool { return m[0]&1 == 1 }

const (
	queueFrames = 4096
	maxLearned  = 16 << 10
	learnedFor  = 5 * time.Minute
)

// Options are a switch's settings; zero values give the defaults.
type Options struct {
	// Name is the system name that LLDP announces. Default: lab-switch.
	Name string
	// ChassisID is the address that LLDP announces. Default: 02:69:6e:67:00:01.
	ChassisID MAC
	// AnnounceEvery is LLDP's interval. Default: 2 s; negative: never. Real switches take 30 s, which a lab need not wait for.
	AnnounceEvery time.Duration
	// Capture, when not nil, gets every frame that enters the switch, as a pcap file.
	Capture io.Writer
	Log     *slog.Logger
}

type learned struct {
	port *Port
	at   time.Time
}

// Switch joins ports. Make one with New; Close ends it.
type Switch struct {
	options Options
	log     *slog.Logger
	stop    context.CancelFunc
	done    sync.WaitGroup
	ctx     context.Context

	// mu guards what follows.
	mu      sync.Mutex
	ports   map[string]*Port
	table   map[MAC]learned
	capture *capture
	nextID  int
}

// New starts a switch without ports.
func New(o Options) (*Switch, error) {
	if o.Name == "" {
		o.Name = "lab-switch"
	}
	if o.ChassisID == (MAC{}) {
		o.ChassisID = MAC{0x02, 0x69, 0x6e, 0x67, 0x00, 0x01}
	}
	if o.AnnounceEvery == 0 {
		o.AnnounceEvery = 2 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Switch{options: o, log: o.Log, ports: map[string]*Port{}, table: map[MAC]learned{}}
	if o.Capture != nil {
		c, err := newCapture(o.Capture)
		if err != nil {
			return nil, fmt.Errorf("start capture: %w", err)
		}
		s.capture = c
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if o.AnnounceEvery > 0 {
		s.done.Go(s.announce)
	}
	return s, nil
}

// Close ends the switch, its listeners and all ports' streams, and waits for them.
func (s *Switch) Close() {
	s.stop()
	for _, p := range s.Ports() {
		p.Detach()
	}
	s.done.Wait()
}

// Listen accepts streams at l until the switch is closed; each becomes a port of its own, named prefix and a number, for as long as the stream lasts.
func (s *Switch) Listen(l net.Listener, prefix string) {
	s.done.Go(func() {
		<-s.ctx.Done()
		_ = l.Close()
	})
	s.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					s.log.Error("switch stopped accepting", "err", err)
				}
				return
			}
			p := s.Port(s.nextName(prefix))
			p.transient = true
			if err := p.Attach(conn); err != nil {
				s.log.Warn("switch port refused", "port", p.name, "err", err)
				_ = conn.Close()
			}
		}
	})
}

func (s *Switch) nextName(prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	return fmt.Sprintf("%s%d", prefix, s.nextID)
}

// Port gives the port of that name, making it (without a stream, link up) when it is new.
func (s *Switch) Port(name string) *Port {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.ports[name]; p != nil {
		return p
	}
	p := &Port{sw: s, name: name, up: true}
	s.ports[name] = p
	return p
}

// Ports lists the ports in no order.
func (s *Switch) Ports() []*Port {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Port, 0, len(s.ports))
	for _, p := range s.ports {
		all = append(all, p)
	}
	return all
}

// Lookup says behind which port an address was last seen, "" for none.
func (s *Switch) Lookup(m MAC) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.table[m]; ok {
		return e.port.name
	}
	return ""
}

func (s *Switch) remove(p *Port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ports[p.name] == p {
		delete(s.ports, p.name)
	}
	for m, e := range s.table {
		if e.port == p {
			delete(s.table, m)
		}
	}
}

// forward sends a frame that came in at p to where its destination was seen, or to all other ports.
func (s *Switch) forward(p *Port, frame []byte, now time.Time) {
	dst, src := MAC(frame[0:6]), MAC(frame[6:12])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.capture != nil {
		s.capture.write(frame, now)
	}
	// IEEE 802.1Q-2022 8.6.3: a bridge keeps frames to 01:80:c2:00:00:00 to 0f to itself; LLDP is one of them.
	if dst[0] == 0x01 && dst[1] == 0x80 && dst[2] == 0xc2 && dst[3] == 0 && dst[4] == 0 && dst[5] < 0x10 {
		return
	}
	if !src.multicast() {
		s.learn(src, p, now)
	}
	if !dst.multicast() {
		if e, ok := s.table[dst]; ok && now.Sub(e.at) < learnedFor {
			if e.port != p {
				e.port.send(frame)
			}
			return
		}
	}
	for _, q := range s.ports {
		if q != p {
			q.send(frame)
		}
	}
}

// learn remembers where an address is. When the table is full of fresh entries the address stays unknown and its frames are flooded.
func (s *Switch) learn(m MAC, p *Port, now time.Time) {
	if _, known := s.table[m]; !known && len(s.table) >= maxLearned {
		for old, e := range s.table {
			if now.Sub(e.at) >= learnedFor {
				delete(s.table, old)
			}
		}
		if len(s.table) >= maxLearned {
			return
		}
	}
	s.table[m] = learned{port: p, at: now}
}

// announce sends each port's LLDP frame at the interval.
func (s *Switch) announce() {
	tick := time.NewTicker(s.options.AnnounceEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			for _, p := range s.Ports() {
				p.send(p.announcement())
			}
		}
	}
}
