package firewallgateway_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	mdpacket "github.com/mdlayher/packet"

	"github.com/ingotmetal/ingot/internal/driver/hostnet/linux"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/driver/socket/packet"
	"github.com/ingotmetal/ingot/matrix"
)

// The firewall's addresses inside, and the second machine's own on both sides.
var (
	insideOwn   = []netip.Addr{addr("10.77.1.1"), addr("fd77:1::1")}
	secondIn    = []netip.Addr{addr("10.77.1.3"), addr("fd77:1::3")}
	secondOut   = []netip.Addr{addr("192.0.2.3"), addr("2001:db8::3")}
	tcpPort     = uint16(5443)
	clientsLink = "eth0"
)

// pair is two machines beside each other: a switch between the tenant and both, and another one between both and the outside.
type pair struct {
	*testing.T
	tenant, outside *netns.Namespace
	machines        [2]*gatewayMachine
}

// gatewayMachine is one of them.
type gatewayMachine struct {
	ns *netns.Namespace
	h  *linux.Host
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{T: t}
	made := func() *netns.Namespace {
		n, err := netns.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close() })
		return n
	}
	p.tenant, p.outside = made(), made()
	fabric := made()
	for _, bridge := range []string{"in", "out"} {
		run(t, fabric, "link", "add", bridge, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
		run(t, fabric, "link", "set", bridge, "up")
	}
	port := 0
	plug := func(bridge string, ns *netns.Namespace, card string, addresses ...netip.Addr) {
		port++
		var all []netip.Prefix
		for _, a := range addresses {
			all = append(all, netip.PrefixFrom(a, map[bool]int{true: 24, false: 64}[a.Is4()]))
		}
		name := fmt.Sprint("p", port)
		if err := netns.Join(netns.End{In: ns, Interface: card, Addresses: all}, netns.End{In: fabric, Interface: name}); err != nil {
			t.Fatal(err)
		}
		run(t, fabric, "link", "set", name, "master", bridge)
	}
	plug("in", p.tenant, clientsLink, append(slices.Clone(client_), server...)...)
	plug("out", p.outside, clientsLink, visitor...)
	for i := range p.machines {
		m := &gatewayMachine{ns: made()}
		in, out := insideOwn, append(slices.Clone(own), public...)
		if i == 1 {
			in, out = secondIn, secondOut
		}
		plug("in", m.ns, "inside0", in...)
		plug("out", m.ns, "outside0", out...)
		h, err := linux.In(m.ns.Path())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		m.h, p.machines[i] = h, m
		(&world{firewall: m.ns}).forward(t)
	}
	for _, route := range []struct {
		in      *netns.Namespace
		to, via string
	}{
		{p.tenant, "default", insideOwn[0].String()}, {p.tenant, "default", insideOwn[1].String()},
		{p.outside, "10.77.1.0/24", own[0].String()}, {p.outside, "fd77:1::/64", own[1].String()},
	} {
		run(t, route.in, "route", "add", route.to, "via", route.via)
	}
	return p
}

func run(t *testing.T, ns *netns.Namespace, args ...string) {
	t.Helper()
	if out, err := ns.Run(context.Background(), "", "ip", args...); err != nil {
		t.Fatalf("ip %v: %v: %s (install iproute2)", args, err, out)
	}
}

// Add and Announce implement gateway.Neighbours.
func (m *gatewayMachine) Add(ctx context.Context, card string, addresses []netip.Addr) error {
	return m.h.Add(ctx, card, addresses)
}

func (m *gatewayMachine) Announce(_ context.Context, card string, addresses []netip.Addr) error {
	sockets := packet.New(socket.Bind(matrix.Firewall, matrix.Builtin(), kernel.Network{}))
	return m.ns.Do(func() error { return sockets.Announce(card, addresses) })
}

func (m *gatewayMachine) forwarding(on bool) error { return (&world{firewall: m.ns}).forwarding(on) }

// mac is that of a card, from the machine itself.
func (m *gatewayMachine) mac(t *testing.T, card string) string {
	t.Helper()
	return (&world{h: m.h}).mac(t, card)
}

// answered is who said to have an address.
type answered struct{ mac string }

// whoHas asks all the time by ARP who has an address, and notes who answers, in order. It stops when the test's context ends.
type whoHas struct {
	mu  sync.Mutex
	all []answered
}

func ask(t *testing.T, in *netns.Namespace, from, of netip.Addr) *whoHas {
	t.Helper()
	w := &whoHas{}
	var c *mdpacket.Conn
	var ifi *net.Interface
	err := in.Do(func() (err error) {
		if ifi, err = net.InterfaceByName(clientsLink); err == nil {
			c, err = mdpacket.Listen(ifi, mdpacket.Raw, 0x0806, nil)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	everybody := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	// The question is of a card that nobody has, so that it changes nobody's memory; the answer comes to it, and is heard by the listening card all the same.
	b := append(append(append([]byte{}, everybody...), ifi.HardwareAddr...), 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
	b = append(append(b, ifi.HardwareAddr...), from.AsSlice()...)
	b = append(append(b, make([]byte, 6)...), of.AsSlice()...)
	go func() {
		for {
			if _, err := c.WriteTo(b, &mdpacket.Addr{HardwareAddr: everybody}); err != nil {
				return
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-t.Context().Done():
				return
			}
		}
	}()
	go func() {
		frame := make([]byte, 128)
		for {
			n, _, err := c.ReadFrom(frame)
			if err != nil {
				return
			}
			// Replies (operation 2) whose sender is the address asked for.
			if n < 42 || binary.BigEndian.Uint16(frame[20:]) != 2 || netip.AddrFrom4([4]byte(frame[28:32])) != of {
				continue
			}
			w.mu.Lock()
			w.all = append(w.all, answered{net.HardwareAddr(frame[22:28]).String()})
			w.mu.Unlock()
		}
	}()
	return w
}

// heard is who answered, repetitions left out.
func (w *whoHas) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, a := range w.all {
		if len(all) == 0 || all[len(all)-1] != a.mac {
			all = append(all, a.mac)
		}
	}
	return all
}

// stream is a running stream of datagrams that are answered, or of connections that are made anew.
type stream struct {
	mu      sync.Mutex
	answers []time.Time
	failed  int
}

func (s *stream) took(ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok {
		s.answers = append(s.answers, time.Now())
	} else {
		s.failed++
	}
}

func (s *stream) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.answers)
}

// outage is the longest time without an answer.
func (s *stream) outage() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var longest time.Duration
	for i := 1; i < len(s.answers); i++ {
		longest = max(longest, s.answers[i].Sub(s.answers[i-1]))
	}
	return longest
}

// pings sends a datagram every 10 ms, and notes what is answered. Each comes from a socket of its own, which is a flow of its own.
func pings(t *testing.T, in *netns.Namespace, from, to netip.Addr) *stream {
	t.Helper()
	s := &stream{}
	go func() {
		for i := 0; t.Context().Err() == nil; i++ {
			go func() {
				var c *net.UDPConn
				err := in.Do(func() (err error) {
					c, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, allowedPort)))
					return err
				})
				if err != nil {
					s.took(false)
					return
				}
				defer func() { _ = c.Close() }()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				_, err = fmt.Fprintf(c, "ping %d", i)
				if err == nil {
					_, err = c.Read(make([]byte, 64))
				}
				s.took(err == nil)
			}()
			select {
			case <-time.After(20 * time.Millisecond):
			case <-t.Context().Done():
			}
		}
	}()
	return s
}

// connections are made anew each 100 ms.
func connections(t *testing.T, in *netns.Namespace, from, to netip.Addr) *stream {
	t.Helper()
	s := &stream{}
	go func() {
		for t.Context().Err() == nil {
			var c net.Conn
			err := in.Do(func() (err error) {
				d := net.Dialer{Timeout: time.Second, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
				c, err = d.DialContext(t.Context(), "tcp", netip.AddrPortFrom(to, tcpPort).String())
				return err
			})
			s.took(err == nil)
			if err == nil {
				_ = c.Close()
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-t.Context().Done():
			}
		}
	}()
	return s
}

// accept takes connections of an address outside until the test ends.
func accept(t *testing.T, in *netns.Namespace, at netip.Addr) {
	t.Helper()
	var l net.Listener
	if err := in.Do(func() (err error) {
		l, err = new(net.ListenConfig).Listen(t.Context(), "tcp", netip.AddrPortFrom(at, tcpPort).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
}
