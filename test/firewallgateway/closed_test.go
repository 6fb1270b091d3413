package firewallgateway_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	node "github.com/ingotmetal/ingot/internal/node/gateway"
	"github.com/ingotmetal/ingot/test/await"
)

// silent is an API server that never answers.
type silent struct{}

func (silent) Run(ctx context.Context, _ func(*ingot.Firewall)) error {
	<-ctx.Done()
	return nil
}

func (silent) Report(context.Context, node.Report) error { return nil }

var dropped = regexp.MustCompile(`counter packets (\d+) bytes \d+ drop`)

// knocks is how many packets to the machine itself were dropped; -1 where it is not closed.
func (w *world) knocks(t *testing.T) int {
	t.Helper()
	text, err := w.firewall.Run(t.Context(), "", "nft", "list", "ruleset")
	if err != nil {
		t.Fatal(err)
	}
	m := dropped.FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// From before its network is up, and for as long as the daemon runs, a firewall's machine answers nobody in any family on any network; what it asks is answered, and what comes over its own loopback is heard. It stays
// so when somebody opens it, and without an API server.
func TestTheMachineItselfIsClosed(t *testing.T) {
	w := newWorld(t)
	file := node.File(filepath.Join(t.TempDir(), "gateway.json"))
	generation, err := node.Load(t.Context(), w.h, file, ruleset.GatewayTable, w.forwarding)
	if err != nil || generation != 0 {
		t.Fatalf("generation %d: %v", generation, err)
	}
	if w.forwards(t) {
		t.Error("the kernel forwards before there are rules")
	}
	heard := &listener{arrivals: map[string]arrival{}}
	inside := []netip.Addr{addr("10.77.1.1"), addr("fd77:1::1")}
	listen(t, heard, w.firewall, inside[0], inside[1], own[0], own[1], addr("127.0.0.1"))
	outside := &listener{arrivals: map[string]arrival{}}
	listen(t, outside, w.outside, visitor[0], visitor[1])

	all := []probe{}
	for family := range 2 {
		all = append(all, probe{w.tenant, client_[family], inside[family], allowedPort, true}, probe{w.tenant, client_[family], own[family], servedPort, true},
			probe{w.outside, visitor[family], own[family], allowedPort, false})
	}
	refused := func(when string) {
		t.Helper()
		for _, p := range all {
			before := w.knocks(t)
			payload := key(when, p.from, p.to)
			send(t, p.in, p.from, p.to, p.port, payload)
			await.True(t, "the packet is dropped: "+payload, func() bool { return w.knocks(t) > before })
			if _, ok := heard.got(payload); ok {
				t.Errorf("%s reached the machine", payload)
			}
		}
	}
	refused("after load ")
	send(t, w.firewall, addr("127.0.0.1"), addr("127.0.0.1"), allowedPort, "over loopback")
	await.True(t, "loopback", func() bool { _, ok := heard.got("over loopback"); return ok })
	for family := range 2 {
		asked(t, w, own[family], visitor[family])
	}

	daemon, err := node.New(node.Options{Source: silent{}, Host: w.h, Forwarding: w.forwarding, File: file, Look: 100 * time.Millisecond, Report: time.Second, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- daemon.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for what, command := range map[string][]string{
		"the table is gone":   {"delete", "table", "inet", node.ClosedTable},
		"a port is opened":    {"insert", "rule", "inet", node.ClosedTable, "input", "udp", "dport", fmt.Sprint(allowedPort), "accept"},
		"the policy is other": {"chain", "inet", node.ClosedTable, "input", "{ policy accept; }"},
	} {
		if out, err := w.firewall.Run(t.Context(), "", "nft", command...); err != nil {
			t.Fatalf("%s: %v %s", what, err, out)
		}
		await.True(t, what+", and is mended", func() bool {
			text, err := w.firewall.Run(t.Context(), "", "nft", "-s", "list", "ruleset")
			return err == nil && closedAgain.MatchString(text)
		})
	}
	refused("under the daemon ")
}

// closedAgain is the chain as it has to be.
var closedAgain = regexp.MustCompile(`(?s)table inet ingot_closed \{\s+chain input \{\s+type filter hook input priority filter; policy drop;\s+iifname "lo" accept\s+ct state established,related accept\s+icmpv6 type [^\n]+ ip6 hoplimit 255 accept\s+counter drop\s+\}\s+\}`)

// asked sends a question of the machine's own, and waits for the answer.
func asked(t *testing.T, w *world, from, to netip.Addr) {
	t.Helper()
	c := send(t, w.firewall, from, to, allowedPort, key("question from ", from))
	answer := make([]byte, 200)
	if err := c.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, _, err := c.ReadFromUDPAddrPort(answer)
	if err != nil || string(answer[:n]) != "re: "+key("question from ", from) {
		t.Errorf("the answer is %q: %v", answer[:n], err)
	}
}
