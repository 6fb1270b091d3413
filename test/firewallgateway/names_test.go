package firewallgateway_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
	node "github.com/ingotmetal/ingot/internal/node/gateway"
	"github.com/ingotmetal/ingot/test/await"
)

// inNamespace are a firewall's sockets for DNS in its namespace.
type inNamespace struct{ *netns.Namespace }

func (n inNamespace) ListenPacket(_ context.Context, at netip.AddrPort) (c net.PacketConn, err error) {
	err = n.Do(func() error {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	return c, err
}

func (n inNamespace) Listen(_ context.Context, at netip.AddrPort) (l net.Listener, err error) {
	err = n.Do(func() error {
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		return err
	})
	return l, err
}

func (n inNamespace) Dial(ctx context.Context, network string, server netip.AddrPort) (c net.Conn, err error) {
	err = n.Do(func() error {
		c, err = (&net.Dialer{}).DialContext(ctx, network, server.String())
		return err
	})
	return c, err
}

// said is a source of Firewalls without an API server.
type said struct {
	firewalls chan *ingot.Firewall
	mu        sync.Mutex
	latest    node.Report
}

func (s *said) Run(ctx context.Context, deliver func(*ingot.Firewall)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case f := <-s.firewalls:
			deliver(f)
		}
	}
}

func (s *said) Report(_ context.Context, r node.Report) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = r
	return nil
}

// until waits for a report.
func (s *said) until(t *testing.T, what string, holds func(node.Report) bool) {
	t.Helper()
	await.Nil(t, what, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !holds(s.latest) {
			return fmt.Errorf("%+v", s.latest)
		}
		return nil
	})
}

// nameServer runs a real one outside. Its zone has a name in both families, an alias into another domain, a name with more addresses than a datagram holds, and two that lie about what is inside.
func nameServer(t *testing.T, w *world) {
	t.Helper()
	var hosts strings.Builder
	for i := range 90 {
		fmt.Fprintf(&hosts, "198.51.100.%d big.example.org\n", i+1)
	}
	for _, line := range []string{
		visitor[0].String() + " api.example.org", visitor[1].String() + " api.example.org", "198.51.100.200 target.elsewhere.example", "10.77.1.80 evil.example.org", "169.254.169.254 worse.wild.example.org",
		"198.51.100.201 deep.below.wild.example.org", "198.51.100.202 other.example.org",
	} {
		hosts.WriteString(line + "\n")
	}
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte(hosts.String()), 0o644); err != nil { // dnsmasq reads it as another user
		t.Fatal(err)
	}
	var log strings.Builder
	c := exec.CommandContext(t.Context(), "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--addn-hosts="+file, "--local-ttl=600", "--port=53", "--bind-interfaces", "--user=root", "--pid-file=",
		"--listen-address="+visitor[0].String(), "--listen-address="+visitor[1].String(), "--cname=alias.wild.example.org,target.elsewhere.example", "--log-facility=-", "--max-cache-ttl=600")
	c.Stderr = &log
	if err := w.outside.Do(c.Start); err != nil {
		t.Fatalf("%v (install dnsmasq-base)", err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	await.Nil(t, "the name server", func() error {
		_, err := w.ask(t, w.outside, visitor[0], "udp", "api.example.org")
		return err
	})
}

// ask resolves a name by a server; network is "tcp", or "udp" where TCP follows an answer that is cut.
func (w *world) ask(t *testing.T, in *netns.Namespace, server netip.Addr, network, name string) ([]netip.Addr, error) {
	t.Helper()
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, wants, _ string) (c net.Conn, err error) {
		if network == "tcp" {
			wants = "tcp"
		}
		to, from := netip.AddrPortFrom(server, 53), client_[0]
		if server.Is6() {
			from = client_[1]
		}
		if in == w.outside {
			from = server
		}
		err = in.Do(func() error {
			d := &net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
			if wants == "tcp" {
				d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
			}
			c, err = d.DialContext(ctx, wants, to.String())
			return err
		})
		return c, err
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return r.LookupNetIP(ctx, "ip", name+".")
}

// byName is a Firewall with a rule for names, as the controller has resolved it.
func byName(generation int64, patterns ...string) *ingot.Firewall {
	f := &ingot.Firewall{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "edge", Generation: generation}, Spec: ingot.FirewallSpec{
		Networks: []ingot.FirewallNetwork{{Name: "web"}, {Name: "internet", Namespace: "site"}}, Egress: []ingot.FirewallRule{{Name: "ping", Protocol: ingot.ICMPProtocol}},
	}}
	if len(patterns) > 0 {
		f.Spec.Egress = append(f.Spec.Egress, ingot.FirewallRule{Name: "api", Protocol: ingot.UDPProtocol, Ports: []string{fmt.Sprint(allowedPort)}, ToFQDNs: patterns})
	}
	f.Status = ingot.FirewallStatus{ResolvedGeneration: generation, DNSServers: []string{visitor[0].String(), visitor[1].String()}, Networks: []ingot.FirewallNetworkStatus{
		{Network: "acme/web", Inside: true, Prefixes: []string{"10.77.1.0/24", "fd77:1::/64"}, Addresses: []string{"10.77.1.1", "fd77:1::1"}},
		{Network: "site/internet", Prefixes: []string{"0.0.0.0/0", "::/0"}, Addresses: []string{own[0].String(), own[1].String()}, Masquerade: []string{own[0].String()}},
	}}
	return f
}

// daemon runs the firewall's daemon until stop.
func (w *world) daemon(t *testing.T, source node.Source, file node.File) (stop func()) {
	t.Helper()
	d, err := node.New(node.Options{Source: source, Host: w.h, Forwarding: w.forwarding, Sockets: inNamespace{w.firewall}, File: file, Look: 200 * time.Millisecond, Report: 200 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// passes sends one datagram and waits for it: it is not sent again.
func (w *world) passes(t *testing.T, heard *listener, family int, why string) *net.UDPConn {
	t.Helper()
	payload := why + " " + rand.String(12)
	c := send(t, w.tenant, client_[family], visitor[family], allowedPort, payload)
	await.True(t, payload, func() bool { _, ok := heard.got(payload); return ok })
	return c
}

// stopped sends a datagram, and waits until the kernel has noted that it was refused.
func (w *world) stopped(t *testing.T, heard *listener, why string) {
	t.Helper()
	count := func() (n uint64) {
		all, err := w.h.Tuples(t.Context(), w.table, hostnet.Refused)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range all {
			if u.Source == client_[0] && u.Destination == visitor[0] && u.Port == allowedPort {
				n += u.Packets
			}
		}
		return n
	}
	before, payload := count(), why+" "+rand.String(12)
	send(t, w.tenant, client_[0], visitor[0], allowedPort, payload)
	await.True(t, "refusal "+why, func() bool { return count() > before })
	if _, ok := heard.got(payload); ok {
		t.Errorf("%s: it arrives", why)
	}
}

func (w *world) sets(t *testing.T) string {
	t.Helper()
	text, err := w.firewall.Run(t.Context(), "", "nft", "list", "sets")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Rules by name, with a real name server and real packets: an address can be reached when a client was told it for a name that a rule has, from the first packet on, in both families, over UDP and TCP, whichever server
// it asks; no other name is answered, and none that lies; it stays through restarts, a lost table and a change of rules, and ends with the rule.
func TestRulesByName(t *testing.T) {
	w := newWorld(t)
	nameServer(t, w)
	heard := &listener{arrivals: map[string]arrival{}}
	listen(t, heard, w.outside, visitor[0], visitor[1])
	source, file := &said{firewalls: make(chan *ingot.Firewall)}, node.File(filepath.Join(t.TempDir(), "gateway.json"))
	stop := w.daemon(t, source, file)
	enforced := func(generation int64, patterns ...string) {
		t.Helper()
		source.firewalls <- byName(generation, patterns...)
		source.until(t, "enforcement", func(r node.Report) bool { return r.Applied.Generation == generation && r.Applied.Problem == "" })
	}
	enforced(1, "api.example.org", "*.wild.example.org", "big.example.org", "evil.example.org")
	w.stopped(t, heard, "before anybody asked")

	nobody := addr("192.0.2.200")
	got, err := w.ask(t, w.tenant, nobody, "udp", "api.example.org")
	if err != nil || len(got) != 2 {
		t.Fatalf("api.example.org is %v: %v", got, err)
	}
	flow := w.passes(t, heard, 0, "the first packet")
	w.passes(t, heard, 1, "the first packet, IPv6")

	for _, c := range []struct {
		server        netip.Addr
		network, name string
		want          int
	}{
		{visitor[1], "udp", "api.example.org", 2}, {addr("10.77.1.1"), "tcp", "api.example.org", 2}, {addr("fd77:1::1"), "udp", "deep.below.wild.example.org", 1}, {nobody, "udp", "alias.wild.example.org", 1},
		{nobody, "tcp", "big.example.org", 90}, {nobody, "udp", "big.example.org", 90},
		{nobody, "udp", "other.example.org", 0}, {nobody, "tcp", "target.elsewhere.example", 0}, {nobody, "udp", "evil.example.org", 0}, {visitor[1], "tcp", "worse.wild.example.org", 0}, {nobody, "udp", "none.wild.example.org", 0},
	} {
		got, err := w.ask(t, w.tenant, c.server, c.network, c.name)
		if (err == nil) != (c.want > 0) || len(got) != c.want {
			t.Errorf("%s by %s over %s: %v, %v", c.name, c.server, c.network, got, err)
		}
	}
	sets := w.sets(t)
	for text, want := range map[string]bool{"198.51.100.200": true, "198.51.100.201": true, "198.51.100.202": false, "10.77.1.80 ": false, "169.254": false, "timeout 11m": true} {
		if strings.Contains(sets, text) != want {
			t.Errorf("%q: want %v in\n%s", text, want, sets)
		}
	}
	// Of the 90, as many as a name may have.
	if n := strings.Count(sets, "198.51.100.") - 2; n != 64 {
		t.Errorf("%d addresses of one name are in\n%s", n, sets)
	}
	source.until(t, "report of names", func(r node.Report) bool {
		i := slices.IndexFunc(r.Names, func(n ingot.FirewallName) bool { return n.Name == "api.example.org" })
		j := slices.IndexFunc(r.Names, func(n ingot.FirewallName) bool { return n.Name == "evil.example.org" })
		return i >= 0 && len(r.Names[i].Addresses) == 2 && r.Names[i].Answers >= 2 && j >= 0 && r.Names[j].Refused > 0 && strings.Contains(r.Names[j].Problem, "private")
	})

	// Nobody outside is answered, at whatever address.
	for _, at := range []netip.Addr{own[0], addr("10.77.1.1"), own[1]} {
		before, from := w.knocks(t), visitor[0]
		if at.Is6() {
			from = visitor[1]
		}
		send(t, w.outside, from, at, 53, "a question")
		await.True(t, "drop of a question to "+at.String(), func() bool { return w.knocks(t) > before })
	}

	// A restart, in which somebody takes the table away: what was learned is there, and what was open goes on.
	stop()
	if _, err := w.firewall.Run(t.Context(), "", "nft", "delete", "table", "inet", w.table); err != nil {
		t.Fatal(err)
	}
	if generation, err := node.Load(t.Context(), w.h, file, w.table, w.forwarding); err != nil || generation != 1 {
		t.Fatalf("generation %d: %v", generation, err)
	}
	w.passes(t, heard, 0, "after a boot")
	w.daemon(t, source, file)
	enforced(2, "*.example.org")
	w.passes(t, heard, 1, "after a change of rules")
	again := "a flow goes on " + rand.String(12)
	await.True(t, again, func() bool {
		_, err := flow.WriteToUDPAddrPort([]byte(again), netip.AddrPortFrom(visitor[0], allowedPort))
		_, ok := heard.got(again)
		return err == nil && ok
	})
	if got, err := w.ask(t, w.tenant, nobody, "udp", "other.example.org"); err != nil || len(got) != 1 {
		t.Errorf("a name of the new rules: %v, %v", got, err)
	}
	enforced(3, "else.example.net")
	w.stopped(t, heard, "after its rule went")
	enforced(4)
	if sets := w.sets(t); strings.Contains(sets, "names") {
		t.Errorf("sets stay behind:\n%s", sets)
	}
	if _, err := (inNamespace{w.tenant}).Dial(t.Context(), "tcp", netip.MustParseAddrPort("10.77.1.1:53")); err == nil {
		t.Error("the firewall answers DNS that no rule is for")
	}
}
