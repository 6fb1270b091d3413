package prove

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"

	"github.com/ingotmetal/ingot/firewall"
)

// errLost says that a queue was full: what was seen says nothing about the ruleset.
var errLost = errors.New("frames were lost in the lab's own queues")

// batch is how many probes are sent before their ends are read: fewer than a processor's queue holds (net.core.netdev_max_backlog, 1000 by default).
const batch = 256

// Probe is a packet and what became of it.
type Probe struct {
	firewall.Packet
	// Verdict is the kernel's.
	Verdict firewall.Verdict
	what    part
	// flow is the number of the first packet of the probe's flow, or 0 for its own.
	flow   uint32
	number uint32
	// refused is EPERM from the output hook; where is the place where the packet arrived, counted from 1, or 0.
	refused bool
	where   int
}

// atHost is the place of what was delivered to the host itself; the far end of interface i is i+1.
const atHost = 1000

// forget empties connection tracking.
func (l *Lab) forget() error {
	return l.host.do(func() error {
		if err := netlink.ConntrackTableFlush(netlink.ConntrackTable); err != nil {
			return fmt.Errorf("flush connection tracking in the lab: %w", err)
		}
		return nil
	})
}

// send sends probes and fills in their verdicts. No two of them may be of one flow, unless the order in which they are sent is meant.
func (l *Lab) send(ctx context.Context, probes []Probe) error {
	if err := l.listen(probes); err != nil {
		return err
	}
	before, err := l.sockets.lost()
	if err != nil {
		return err
	}
	for len(probes) > 0 {
		n := min(batch, len(probes))
		if err := pinned(func() error { return l.sendBatch(ctx, probes[:n]) }); err != nil {
			return err
		}
		probes = probes[n:]
	}
	after, err := l.sockets.lost()
	if err != nil {
		return err
	}
	if after != before {
		return fmt.Errorf("%w: %d", errLost, after-before)
	}
	return nil
}

// listen opens the raw sockets that these probes need, and joins the groups.
func (l *Lab) listen(probes []Probe) error {
	wanted := map[rawKey]bool{}
	groups := map[membership]bool{}
	for i := range probes {
		p := &probes[i]
		wanted[rawKey{p.Source.Is6(), p.Protocol}] = true
		if p.Hook == firewall.Input && kindOf(p.Destination) == group {
			groups[membership{p.Destination, l.index(p.In)}] = true
		}
	}
	return l.host.do(func() error {
		for m := range groups {
			if err := l.sockets.join(m); err != nil {
				return err
			}
		}
		for k := range wanted {
			if err := l.sockets.rawSocket(k); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *Lab) sendBatch(ctx context.Context, probes []Probe) error {
	first := l.number
	for i := range probes {
		p := &probes[i]
		p.number, p.refused, p.where = l.number, false, 0
		l.number++
		if p.flow == 0 {
			p.flow = p.number
		}
		if err := l.sendOne(p); err != nil {
			return fmt.Errorf("send %s: %w", p.Packet, err)
		}
	}
	if err := l.settle(ctx); err != nil {
		return err
	}
	if err := l.collect(func(number uint32, where int) {
		if i := number - first; i < uint32(len(probes)) {
			probes[i].where = where
		}
	}); err != nil {
		return err
	}
	for i := range probes {
		if err := l.judge(&probes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) sendOne(p *Probe) error {
	direction := 0
	if p.Hook == firewall.Forward {
		direction = l.index(p.Out) + 1
	}
	ip := packet(p.Packet, p.what, tos(direction), p.number, p.flow)
	if p.Hook == firewall.Output || p.In == firewall.Loopback {
		i := l.index(p.Out + p.In)
		if p.In == firewall.Loopback || p.Out == firewall.Loopback {
			i = len(l.interfaces)
		}
		if i < 0 {
			return fmt.Errorf("the lab has no interface %q", p.Out)
		}
		var err error
		p.refused, err = l.sockets.sendOut(i, p.Destination, ip)
		return err
	}
	i := l.index(p.In)
	if i < 0 || direction < 0 || p.Hook == firewall.Forward && direction == 0 {
		return fmt.Errorf("the lab has no interface %q or %q", p.In, p.Out)
	}
	return l.sockets.sendFrame(i, ip)
}

// settle returns when everything that was sent has come to its end: first what goes in, then what goes out because of it.
func (l *Lab) settle(ctx context.Context) error {
	s := l.sockets
	for i := range l.interfaces {
		l.number++
		if err := s.sentinel(ctx, s.inject[i], s.heardNear[i], i, l.number); err != nil {
			return err
		}
	}
	for i := range l.interfaces {
		l.number++
		if err := s.sentinel(ctx, s.say[i], s.heardFar[i], i, l.number); err != nil {
			return err
		}
	}
	l.number++
	lo := len(l.interfaces)
	err := s.sentinel(ctx, s.say[lo], s.heardNear[lo], lo, l.number)
	l.number++
	return err
}

func (l *Lab) collect(arrived func(number uint32, where int)) error {
	for i := range l.interfaces {
		for _, fd := range []int{l.sockets.arrived4[i], l.sockets.arrived6[i]} {
			if err := received(fd, func(n uint32) { arrived(n, i+1) }); err != nil {
				return err
			}
		}
	}
	for _, fd := range l.sockets.raw {
		if err := received(fd, func(n uint32) { arrived(n, atHost) }); err != nil {
			return err
		}
	}
	return nil
}

// judge turns what was seen of a probe into a verdict. What arrived elsewhere, or left in silence without EPERM, is the lab's fault or the kernel's,
// and no verdict.
func (l *Lab) judge(p *Probe) error {
	want := atHost
	if p.Hook != firewall.Input && p.Out != firewall.Loopback {
		want = l.index(p.Out) + 1
	}
	p.Verdict = firewall.Drop
	switch {
	case p.where == want:
		p.Verdict = firewall.Accept
	case p.where != 0:
		return fmt.Errorf("%s arrived at place %d, and not at %d: the lab is broken", p.Packet, p.where, want)
	}
	if p.Hook == firewall.Output && p.refused == (p.Verdict == firewall.Accept) {
		return fmt.Errorf("%s: refused by the output hook: %t, arrived: %t: the lab is broken", p.Packet, p.refused, p.Verdict == firewall.Accept)
	}
	return nil
}
