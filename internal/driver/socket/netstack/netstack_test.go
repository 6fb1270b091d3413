package netstack

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/sockettest"
	"github.com/ingotmetal/ingot/internal/lab/ethernet"
)

func startSwitch(t *testing.T, path string) *ethernet.Switch {
	t.Helper()
	s, err := ethernet.New(ethernet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s.Listen(l, "host-")
	t.Cleanup(s.Close)
	return s
}

func join(t *testing.T, path string, number int) *Network {
	t.Helper()
	s, err := Parse(fmt.Sprintf("lab:%s?mac=02:00:00:00:00:%02x&address=172.22.0.%d/24", path, number, number))
	if err != nil {
		t.Fatal(err)
	}
	n, err := Open(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func linked(t *testing.T, n *Network) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := n.WaitLinked(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestContract(t *testing.T) {
	sockettest.Run(t, sockettest.AnyLink, func(t *testing.T) sockettest.Pair {
		path := filepath.Join(t.TempDir(), "s")
		sw := startSwitch(t, path)
		server, client := join(t, path, 2), join(t, path, 3)
		linked(t, server)
		linked(t, client)
		// A stream counts for the switch once it is accepted.
		waitFor(t, func() bool { return len(sw.Ports()) == 2 })
		return sockettest.Pair{
			Server: sockettest.Host{Network: server, Addr: server.Address()},
			Client: sockettest.Host{Network: client, Addr: client.Address()},
		}
	})
}

// Over IPv6: a group is heard by who joined it, the sender's link-local address takes the answer, and a stream goes between the hosts' own addresses.
func TestIPv6(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	sw := startSwitch(t, path)
	var hosts []*Network
	for number := 2; number < 4; number++ {
		n, err := Open(Spec{Socket: path, MAC: net.HardwareAddr{2, 0, 0, 0, 0, byte(number)}, Address: netip.MustParsePrefix(fmt.Sprintf("fd00:1::%d/64", number))}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close() })
		linked(t, n)
		hosts = append(hosts, n)
	}
	waitFor(t, func() bool { return len(sw.Ports()) == 2 })
	group := netip.MustParseAddr("ff02::1:2")
	heard, err := hosts[0].ListenPacket(t.Context(), netip.MustParseAddrPort("[::]:547"), socket.PacketOptions{Group: group})
	if err != nil {
		t.Fatal(err)
	}
	asks, err := hosts[1].ListenPacket(t.Context(), netip.MustParseAddrPort("[::]:546"), socket.PacketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.PacketConn{heard, asks} {
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := asks.WriteTo([]byte("who"), net.UDPAddrFromAddrPort(netip.AddrPortFrom(group, 547))); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, from, err := heard.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "who" {
		t.Fatalf("heard %q from %v: %v", buf[:n], from, err)
	}
	if udp, ok := from.(*net.UDPAddr); !ok || !udp.IP.IsLinkLocalUnicast() {
		t.Errorf("asked from %v", from)
	}
	if _, err := heard.WriteTo([]byte("I"), from); err != nil {
		t.Fatal(err)
	}
	if n, _, err = asks.ReadFrom(buf); err != nil || string(buf[:n]) != "I" {
		t.Fatalf("answered %q: %v", buf[:n], err)
	}
	l, err := hosts[0].Listen(t.Context(), netip.MustParseAddrPort("[::]:80"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c, err := hosts[1].Dial(t.Context(), "tcp", "[fd00:1::2]:80")
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestALostSwitchIsJoinedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	// The hosts are there before the switch.
	server, client := join(t, path, 2), join(t, path, 3)
	l, err := server.Listen(t.Context(), netip.MustParseAddrPort("172.22.0.2:80"))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "hello")
			_ = conn.Close()
		}
	}()
	greet := func() {
		t.Helper()
		// An address that was not answered for while the link was down fails at once for a while.
		waitFor(t, func() bool {
			conn, err := client.Dial(t.Context(), "tcp", l.Addr().String())
			if err != nil {
				return false
			}
			defer func() { _ = conn.Close() }()
			got, err := io.ReadAll(conn)
			if err != nil || string(got) != "hello" {
				t.Fatalf("read %q, %v", got, err)
			}
			return true
		})
	}
	first := startSwitch(t, path)
	greet()
	first.Close()
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	startSwitch(t, path)
	greet()
}

// waitFor polls a condition that no channel announces.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("condition never held")
		}
	}
}

func TestDialRefusesNames(t *testing.T) {
	n := join(t, filepath.Join(t.TempDir(), "s"), 2)
	if _, err := n.Dial(t.Context(), "tcp", "example.org:80"); err == nil {
		t.Fatal("a name was dialled")
	}
}

func TestParse(t *testing.T) {
	const good = "lab:/run/lab/switch.sock?mac=02:00:00:00:00:02&address=172.22.0.2/24"
	s, err := Parse(good)
	if err != nil || s.String() != good {
		t.Fatalf("Parse gives %q, %v", s, err)
	}
	for name, text := range map[string]string{
		"other scheme":      "kernel:eth0",
		"no path":           "lab:?mac=02:00:00:00:00:02&address=172.22.0.2/24",
		"no mac":            "lab:/s?address=172.22.0.2/24",
		"multicast mac":     "lab:/s?mac=03:00:00:00:00:02&address=172.22.0.2/24",
		"zero mac":          "lab:/s?mac=00:00:00:00:00:00&address=172.22.0.2/24",
		"eight-byte mac":    "lab:/s?mac=02:00:00:00:00:02:00:00&address=172.22.0.2/24",
		"no address":        "lab:/s?mac=02:00:00:00:00:02",
		"no prefix length":  "lab:/s?mac=02:00:00:00:00:02&address=172.22.0.2",
		"network's address": "lab:/s?mac=02:00:00:00:00:02&address=172.22.0.0/24",
		"link-local":        "lab:/s?mac=02:00:00:00:00:02&address=fe80::2/64",
		"IPv6's network":    "lab:/s?mac=02:00:00:00:00:02&address=fd00::/64",
		"unknown parameter": "lab:/s?mac=02:00:00:00:00:02&address=172.22.0.2/24&vlan=7",
		"twice":             "lab:/s?mac=02:00:00:00:00:02&mac=02:00:00:00:00:03&address=172.22.0.2/24",
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s: %q was taken", name, text)
		}
	}
}

// FuzzParse: what is taken is taken again from its text form.
func FuzzParse(f *testing.F) {
	f.Add("lab:/run/lab/switch.sock?mac=02:00:00:00:00:02&address=172.22.0.2/24")
	f.Add("lab:?mac=&address=")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q gives %q, which gives %q, %v", text, s, again, err)
		}
	})
}
