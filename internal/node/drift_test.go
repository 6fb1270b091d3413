package node_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/fake"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/source"
	"github.com/ingotmetal/ingot/matrix"
)

// drift is what the next look finds, of one kind. Like all of a life, it sleeps in a bubble, by the fake clock of package synctest.
func (l *life) drift(kind node.DriftKind) []string {
	l.Helper()
	time.Sleep(time.Minute)
	var all []string
	for _, d := range l.node.Status().Drift {
		if d.Kind == kind {
			all = append(all, strings.TrimSpace(d.Row+" "+d.What))
		}
	}
	return all
}

// finds holds what a look finds against words, one finding each.
func (l *life) finds(kind node.DriftKind, words ...string) {
	l.Helper()
	found := l.drift(kind)
	if len(found) != len(words) {
		l.Fatalf("drift %s: found %q, want one each with %q", kind, found, words)
	}
	for _, w := range words {
		if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, w) }) {
			l.Errorf("drift %s: found %q, none with %q", kind, found, w)
		}
	}
}

const tcp = 6

func TestListenersThatNobodyMayReach(t *testing.T) {
	test(t, false, func(l *life) {
		l.confirmed(ssh("10.0.0.0/24"))
		l.finds(node.DriftListener)
		socket := func(address string, port uint16) hostnet.Socket {
			return hostnet.Socket{Protocol: tcp, Address: netip.MustParseAddr(address), Port: port, Process: "thing", PID: int(port)}
		}
		l.host.Set(func(f *fake.Facts) {
			f.Sockets = []hostnet.Socket{socket("0.0.0.0", 22), socket("10.0.0.1", 8080), socket("127.0.0.1", 9000), {Protocol: 1, Raw: true, Address: netip.MustParseAddr("0.0.0.0")}}
		})
		l.finds(node.DriftListener, "thing (pid 8080) listens on tcp port 8080")
		l.host.Set(func(f *fake.Facts) { f.Sockets = nil })
		l.finds(node.DriftListener)
	})
}

func TestRowsThatNobodyListensFor(t *testing.T) {
	test(t, false, func(l *life) {
		m := matrix.Matrix{
			Name:  "m",
			Zones: []matrix.ZoneDefinition{{Name: "z"}},
			Roles: []matrix.RoleDefinition{{Name: "server"}, {Name: "client"}},
			Hosts: []matrix.Host{{Name: "a", Interfaces: []matrix.Interface{{Name: "eth0", Zone: "z", Roles: []matrix.Role{"server"}, Addresses: []netip.Addr{own}}}}},
		}
		for i, port := range []uint16{22, 443} {
			m.Rows = append(m.Rows, matrix.Row{
				ID: fmt.Sprintf("1.%d", i+1), Name: matrix.FlowName(fmt.Sprintf("flow-%d", port)), From: matrix.Anybody, To: matrix.Endpoint{Role: "server", Zone: "z"},
				Protocol: matrix.TCP, Ports: matrix.Port(port), Management: port == 22,
			})
		}
		p, err := source.Gather(nil, []matrix.Matrix{m}, nil)
		if err != nil {
			l.Fatal(err)
		}
		l.says.updates <- source.Update{Policies: p}
		l.want(guard.PhaseTrial, 0, 1)
		if _, err := l.node.Confirm(l.Context(), true); err != nil {
			l.Fatal(err)
		}
		l.want(guard.PhaseConfirmed, 1, 0)
		l.host.Set(func(f *fake.Facts) {
			f.Sockets = []hostnet.Socket{{Protocol: tcp, Address: netip.MustParseAddr("0.0.0.0"), Port: 22, Process: "sshd", PID: 1}}
		})
		l.finds(node.DriftListener, "row 1.2 (flow-443) is for tcp port 443, and nothing listens there")
	})
}

func TestOtherManagersAreNamed(t *testing.T) {
	test(t, false, func(l *life) {
		l.confirmed(ssh("10.0.0.0/24"))
		l.host.Set(func(f *fake.Facts) {
			f.Others = []hostnet.Other{{Name: "firewalld", Hooks: []string{"input"}, Evidence: "table inet firewalld", Advice: "stop it"}, {Name: "docker", Evidence: "nat"}}
		})
		l.finds(node.DriftManager, "firewalld decides as well at input (table inet firewalld): stop it")
	})
}

func TestFlowsThatNoRuleAllowsAnyMore(t *testing.T) {
	test(t, false, func(l *life) {
		l.confirmed(ssh("10.0.0.0/24"))
		l.host.Note(node.DefaultTable, hostnet.Seen, hostnet.Tuple{Source: operator, Destination: own, Protocol: tcp, Port: 22, Packets: 1})
		l.finds(node.DriftFlow)
		l.host.Note(node.DefaultTable, hostnet.Seen, hostnet.Tuple{Source: stranger, Destination: own, Protocol: tcp, Port: 22, Packets: 1})
		l.finds(node.DriftFlow, stranger.String())
	})
}

func TestRowsWithoutTraffic(t *testing.T) {
	test(t, false, func(l *life) {
		rule := func(row, port string) string {
			return "{action: Allow, protocol: TCP, destination: {ports: [" + port + "]}, metadata: {annotations: {ingot.dev/flow: \"" + row + "\"}}}"
		}
		l.confirmed(ssh("10.0.0.0/24", rule("1.1", "80"), rule("1.2", "81")))
		l.finds(node.DriftUnused)
		time.Sleep(25 * time.Hour)
		l.finds(node.DriftUnused, "row 1.1 has met no packet", "row 1.2 has met no packet")
		counters, err := l.host.Counters(l.Context(), node.DefaultTable)
		if err != nil {
			l.Fatal(err)
		}
		met := slices.IndexFunc(counters, func(c hostnet.Counter) bool { return strings.Contains(c.Comment, "1.1") })
		if met < 0 {
			l.Fatalf("no counter of row 1.1: %+v", counters)
		}
		l.host.Meet(node.DefaultTable, counters[met].Comment, 40)
		l.finds(node.DriftUnused, "row 1.2 has met no packet")
		if rows := l.node.Status().Rows; len(rows) != 2 || rows[0].Row != "1.1" || time.Since(rows[0].Last) > time.Hour || time.Since(rows[0].Since) < 25*time.Hour || !rows[1].Last.IsZero() {
			l.Errorf("rows %+v, want 1.1 with a packet just now, and 1.2 without", rows)
		}
		before := l.node.Status().Rows[0].Last
		time.Sleep(2 * time.Hour) // by then it is written down
		l.start()                 // what met a packet yesterday is not forgotten by a new daemon
		if unused := l.drift(node.DriftUnused); slices.ContainsFunc(unused, func(u string) bool { return strings.Contains(u, "row 1.1") }) {
			l.Errorf("after a restart: %q", unused)
		}
		if last := l.node.Status().Rows[0].Last; !last.Equal(before) {
			l.Errorf("after a restart the row was met at %s, and was at %s", last, before)
		}
	})
}

func TestAFlowOlderThanTheTrackingIsNotTakenForItsReverse(t *testing.T) {
	test(t, false, func(l *life) {
		answer := func(port uint16) hostnet.Flow { // of a server that we dialed; the tracking saw its packet first
			return l.flow(operator, 6443, port)
		}
		l.flows(answer(40000))
		l.policies(ssh("10.0.0.0/24")+"---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: out}\nspec: {selector: has(host), types: [Egress], "+
			"egress: [{action: Allow, protocol: TCP, destination: {ports: [6443]}}]}\n", 0)
		l.want(guard.PhaseTrial, 0, 1)
		l.flows(answer(40000), answer(40001))
		if _, err := l.node.Confirm(l.Context(), true); err != nil {
			l.Fatal(err)
		}
		l.want(guard.PhaseConfirmed, 1, 0)
		left, err := l.host.Flows(l.Context())
		if err != nil || len(left) != 1 || left[0].DestinationPort != 40000 {
			l.Fatalf("the flows that are left: %+v, %v; want the one that is older than the trial", left, err)
		}
	})
}

func TestRepairsAreCounted(t *testing.T) {
	test(t, false, func(l *life) {
		l.confirmed(ssh("10.0.0.0/24"))
		if r := l.node.Status().Repairs; r.Total != 0 {
			l.Fatalf("repairs %+v, and nothing was changed", r)
		}
		if err := l.host.Apply(l.Context(), "delete table inet ingot\n"); err != nil {
			l.Fatal(err)
		}
		time.Sleep(time.Minute)
		if r := l.node.Status().Repairs; r.Total != 1 || !strings.Contains(r.Why, "no ruleset of ours") || r.Last.IsZero() {
			l.Fatalf("repairs %+v after the table was deleted once", r)
		}
	})
}
