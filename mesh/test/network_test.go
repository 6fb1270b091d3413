package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The lab's network. The core has the API server, the coordinator and the relay.
const (
	core    = ""
	coreIP  = "10.99.0.1"
	network = "10.99.0.0/24"
)

// place is one host of the lab: a network namespace, or the core.
type place struct {
	name string // empty: the core
	ip   string
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s (is the package of %s installed? see scripts/packages.txt)", strings.Join(args, " "), err, out, args[0])
	}
	return string(out)
}

// in is a command in the place's namespace.
func (p place) in(args ...string) []string {
	if p.name == core {
		return args
	}
	return append([]string{"ip", "netns", "exec", p.name}, args...)
}

// watched counts what is sent to anybody outside of the lab, by address and port. A set remembers, so that a failure says who was asked. What the kernel itself says to the routers of a link is let be.
const watched = `table inet watch {
	set seen4 { type ipv4_addr . inet_proto . inet_service; flags dynamic; size 256; }
	set seen6 { type ipv6_addr . inet_proto . inet_service; flags dynamic; size 256; }
	chain out {
		type filter hook output priority 0;
		ip daddr { 10.99.0.0/24, 127.0.0.0/8 } accept
		ip daddr 224.0.0.22 ip protocol igmp accept
		ip6 daddr { ::1, fe80::/10 } accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report } accept
		ip daddr != 0.0.0.0 update @seen4 { ip daddr . ip protocol . th dport }
		ip6 daddr != :: update @seen6 { ip6 daddr . ip6 nexthdr . th dport }
	}
}
`

// newNetwork makes the core's side.
func newNetwork(t *testing.T) place {
	t.Helper()
	run(t, "ip", "link", "set", "lo", "up")
	run(t, "ip", "link", "add", "lab0", "type", "bridge")
	// The next test makes its own in the same namespace.
	t.Cleanup(func() {
		run(t, "ip", "link", "del", "lab0")
		run(t, "ip", "link", "del", "sink0")
		run(t, "nft", "flush", "ruleset")
	})
	run(t, "ip", "addr", "add", coreIP+"/24", "dev", "lab0")
	run(t, "ip", "link", "set", "lab0", "up")
	p := place{core, coreIP}
	p.watch(t)
	return p
}

// watch leads everything else into a sink.
func (p place) watch(t *testing.T) {
	t.Helper()
	run(t, p.in("ip", "link", "add", "sink0", "type", "bridge")...)
	run(t, p.in("ip", "link", "set", "sink0", "up")...)
	run(t, p.in("ip", "route", "add", "default", "dev", "sink0")...)
	p.nft(t, watched)
}

func (p place) nft(t *testing.T, text string) {
	t.Helper()
	args := p.in("nft", "-f", "-")
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s\n%s", err, out, text)
	}
}

// strangers are whom the place sent something to that is not of the lab; empty for nobody.
func (p place) strangers(t *testing.T) string {
	t.Helper()
	var all string
	for _, set := range []string{"seen4", "seen6"} {
		text := run(t, p.in("nft", "list", "set", "inet", "watch", set)...)
		if strings.Contains(text, "elements") {
			all += text
		}
	}
	return all
}

// newPlace makes a host of the lab.
func newPlace(t *testing.T, name string, n int) place {
	t.Helper()
	p := place{fmt.Sprintf("%s-%d", name, os.Getpid()), fmt.Sprintf("10.99.0.%d", n)}
	run(t, "ip", "netns", "add", p.name)
	t.Cleanup(func() { run(t, "ip", "netns", "del", p.name) })
	link := fmt.Sprintf("v%d", n)
	run(t, "ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", p.name)
	t.Cleanup(func() { run(t, "ip", "link", "del", link) })
	run(t, "ip", "link", "set", link, "master", "lab0", "up")
	for _, args := range [][]string{{"addr", "add", p.ip + "/24", "dev", "eth0"}, {"link", "set", "eth0", "up"}, {"link", "set", "lo", "up"}} {
		run(t, p.in(append([]string{"ip"}, args...)...)...)
	}
	p.watch(t)
	return p
}

// blockUDP leaves two members no direct path: what they say to each other has to go through the relay.
func (p place) blockUDP(t *testing.T) {
	t.Helper()
	p.nft(t, "table inet block {\n\tchain out {\n\t\ttype filter hook output priority -10;\n\t\tmeta l4proto udp drop\n\t}\n}\n")
}

func (p place) unblockUDP(t *testing.T) {
	t.Helper()
	run(t, p.in("nft", "delete", "table", "inet", "block")...)
}

// do runs f on a thread in the place's namespace. The thread ends with it.
func (p place) do(f func() error) error {
	if p.name == core {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: a thread in another namespace is of no use to others
		at, err := os.Open("/run/netns/" + p.name)
		if err == nil {
			defer at.Close()
			err = unix.Setns(int(at.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			done <- fmt.Errorf("enter namespace %s: %w", p.name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// listen opens a listener there.
func (p place) listen(t *testing.T, address string) net.Listener {
	t.Helper()
	var l net.Listener
	err := p.do(func() (err error) {
		l, err = new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// dial opens a connection from there.
func (p place) dial(ctx context.Context, address string) (net.Conn, error) {
	var c net.Conn
	err := p.do(func() (err error) {
		c, err = new(net.Dialer).DialContext(ctx, "tcp", address)
		return err
	})
	return c, err
}
