package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/fake"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/source"
	"github.com/ingotmetal/ingot/internal/node/state"
)

var (
	own      = netip.MustParseAddr("10.0.0.1")
	operator = netip.MustParseAddr("10.0.0.2")
	stranger = netip.MustParseAddr("10.0.9.9")
)

// says is a source that says what the test gives it.
type says struct {
	updates chan source.Update
	dials   bool
}

func (s says) Dials() bool { return s.dials }

func (s says) Run(ctx context.Context, deliver func(source.Update)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case u := <-s.updates:
			deliver(u)
		}
	}
}

// life is a host in memory with daemons that come and go.
type life struct {
	*testing.T
	host *fake.Host
	dir  state.Dir
	says says
	node *node.Node
	stop func()
}

const trial = time.Minute

func newLife(t *testing.T, dials bool) *life {
	t.Helper()
	host := fake.New(time.Now)
	host.Set(func(f *fake.Facts) {
		f.Interfaces = []firewall.Interface{{Name: "eth0", Addresses: []netip.Addr{own}}, {Name: "lo", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}}
		f.Routes = map[netip.Prefix]string{netip.MustParsePrefix("10.0.0.0/16"): "eth0"}
	})
	dir, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := &life{T: t, host: host, dir: dir, says: says{make(chan source.Update), dials}}
	l.start()
	return l
}

// start runs a daemon, after a crash of the one before where there was one.
func (l *life) start() {
	l.Helper()
	if l.stop != nil {
		l.stop()
	}
	rows, err := node.ParseManagement([]string{"tcp/22"})
	if err != nil {
		l.Fatal(err)
	}
	n, err := node.New(node.Options{
		Name: "a", Trial: trial, Look: 10 * time.Second, Management: rows, Host: l.host, Source: l.says, State: l.dir, Log: slog.New(slog.DiscardHandler), UnusedAfter: 24 * time.Hour,
	})
	if err != nil {
		l.Fatal(err)
	}
	ctx, cancel := context.WithCancel(l.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	l.node = n
	l.stop = func() {
		cancel()
		if err := <-done; err != nil {
			l.Error(err)
		}
	}
	synctest.Wait()
}

const endpoint = `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: a-eth0, labels: {host: a}}
spec: {node: a, interfaceName: eth0, expectedIPs: [10.0.0.1]}
---
`

// ssh lets networks in by port 22, and others by further ports.
func ssh(nets string, more ...string) string {
	rules := append([]string{"{action: Allow, protocol: TCP, source: {nets: [" + nets + "]}, destination: {ports: [22]}}"}, more...)
	return endpoint + "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\nspec: {selector: has(host), types: [Ingress], ingress: [" +
		strings.Join(rules, ", ") + "]}\n"
}

func (l *life) policies(manifests string, confirmed uint32) {
	l.Helper()
	o, err := calico.Decode([]byte(manifests))
	if err != nil {
		l.Fatal(err)
	}
	l.says.updates <- source.Update{Policies: &source.Policies{Objects: o, Confirmed: map[string]uint32{"a-eth0": confirmed}}}
	synctest.Wait()
}

func (l *life) flow(from netip.Addr, port, at uint16) hostnet.Flow {
	return hostnet.Flow{
		Protocol: 6, Source: from, Destination: own, SourcePort: port, DestinationPort: at, ReplySource: own, ReplyDestination: from, Answered: true,
	}
}

func (l *life) flows(flows ...hostnet.Flow) {
	l.host.Set(func(f *fake.Facts) { f.Flows = flows })
}

func (l *life) kernel() (active, pending uint32) {
	l.Helper()
	table, err := l.host.State(l.Context(), node.DefaultTable)
	if errors.Is(err, hostnet.ErrNoTable) {
		return 0, 0
	}
	if err != nil {
		l.Fatal(err)
	}
	active, pending, _, _ = table.Generations()
	return active, pending
}

// want compares the phase, and what the kernel has.
func (l *life) want(phase guard.Phase, active, pending uint32) {
	l.Helper()
	synctest.Wait()
	a, p := l.kernel()
	if s := l.node.Status(); s.Decision.Phase != phase || a != active || p != pending {
		l.Fatalf("phase %s, generation %d rules, %d on trial (%s; %s), want %s, %d, %d", s.Decision.Phase, a, p, s.Decision.Reason, s.Failure, phase, active, pending)
	}
}

// confirmed brings a life to its first confirmed ruleset.
func (l *life) confirmed(manifests string) {
	l.Helper()
	l.policies(manifests, 0)
	l.flows(l.flow(operator, 40001, 22))
	if _, err := l.node.Confirm(l.Context(), false); err != nil {
		l.Fatal(err)
	}
	l.want(guard.PhaseConfirmed, 1, 0)
}

func test(t *testing.T, dials bool, run func(*life)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLife(t, dials)
		run(l)
		l.stop()
	})
}

func TestTrialEndsByItself(t *testing.T) {
	test(t, false, func(l *life) {
		l.policies(ssh("10.0.0.0/24"), 0)
		l.want(guard.PhaseTrial, 0, 1)
		time.Sleep(trial)
		l.want(guard.PhaseReverted, 0, 0)
		time.Sleep(2 * time.Hour)
		l.want(guard.PhaseReverted, 0, 0) // nobody would confirm it, so it is not tried again
		if _, err := l.node.Order(l.Context(), guard.Retry); err != nil {
			l.Fatal(err)
		}
		l.want(guard.PhaseTrial, 0, 2)
		if _, err := l.node.Order(l.Context(), guard.Withdraw); err != nil {
			l.Fatal(err)
		}
		l.want(guard.PhaseReverted, 0, 0)
	})
}

func TestOnlyANewConnectionConfirms(t *testing.T) {
	test(t, false, func(l *life) {
		l.flows(l.flow(operator, 40000, 22), l.flow(stranger, 40000, 22))
		l.policies(ssh("10.0.0.0/24"), 0)
		l.want(guard.PhaseTrial, 0, 1)
		unanswered := l.flow(operator, 40001, 22)
		unanswered.Answered = false
		l.flows(l.flow(operator, 40000, 22), l.flow(stranger, 40000, 22), unanswered, l.flow(operator, 40002, 80))
		_, err := l.node.Confirm(l.Context(), false)
		if unconfirmed := (*node.Unconfirmed)(nil); !errors.As(err, &unconfirmed) || !strings.Contains(err.Error(), "the 2 sessions there are older") {
			l.Fatalf("confirmed by old sessions: %v", err)
		}
		l.want(guard.PhaseTrial, 0, 1)
		l.flows(l.flow(operator, 40000, 22), l.flow(stranger, 40000, 22), l.flow(operator, 40003, 22))
		c, err := l.node.Confirm(l.Context(), false)
		if err != nil || c.Generation != 1 || !strings.Contains(c.By, "port 40003") {
			l.Fatalf("confirmed %+v, %v", c, err)
		}
		l.want(guard.PhaseConfirmed, 1, 0)
		time.Sleep(10 * trial)
		l.want(guard.PhaseConfirmed, 1, 0)
		left, _ := l.host.Flows(l.Context())
		if len(left) != 2 {
			l.Errorf("flows that the rules revoke are still there: %v", left)
		}
	})
}

func TestConsoleConfirms(t *testing.T) {
	test(t, false, func(l *life) {
		if _, err := l.node.Confirm(l.Context(), true); err == nil {
			l.Fatal("confirmed, and nothing is on trial")
		}
		l.policies(ssh("10.0.0.0/24"), 0)
		if _, err := l.node.Confirm(l.Context(), true); err != nil {
			l.Fatal(err)
		}
		l.want(guard.PhaseConfirmed, 1, 0)
	})
}

func TestControllerConfirmsAndIsWaitedFor(t *testing.T) {
	test(t, true, func(l *life) {
		l.policies(ssh("10.0.0.0/24"), 7) // a number of an earlier life
		l.want(guard.PhaseTrial, 0, 8)
		time.Sleep(trial)
		l.want(guard.PhaseReverted, 0, 0)
		time.Sleep(time.Minute)
		l.want(guard.PhaseTrial, 0, 9)
		l.policies(ssh("10.0.0.0/24"), 9)
		l.want(guard.PhaseConfirmed, 9, 0)
	})
}

func TestDaemonDiesInTheTrial(t *testing.T) {
	test(t, false, func(l *life) {
		l.confirmed(ssh("10.0.0.0/24"))
		l.policies(ssh("10.0.1.0/24"), 0)
		l.want(guard.PhaseTrial, 1, 2)
		l.start()
		l.want(guard.PhaseTrial, 1, 2)
		time.Sleep(trial)
		l.want(guard.PhaseConfirmed, 1, 0) // the new daemon knows of no policies yet
		l.policies(ssh("10.0.1.0/24"), 0)  // the source says it again: it was tried
		l.want(guard.PhaseReverted, 1, 0)
		l.policies(ssh("10.0.0.0/24"), 0)
		l.want(guard.PhaseConfirmed, 1, 0)
	})
}

func TestWhatIsConfirmedComesBack(t *testing.T) {
	test(t, false, func(l *life) {
		l.confirmed(ssh("10.0.0.0/24"))
		remove := "delete table inet ingot\n"
		if err := l.host.Apply(l.Context(), remove); err != nil {
			l.Fatal(err)
		}
		time.Sleep(time.Minute)
		l.want(guard.PhaseConfirmed, 1, 0)
		l.stop() // and a boot
		if err := l.host.Apply(l.Context(), remove); err != nil {
			l.Fatal(err)
		}
		for range 2 {
			if g, err := node.Load(l.Context(), l.host, l.dir, node.DefaultTable); err != nil || g != 1 {
				l.Fatalf("Load = %d, %v", g, err)
			}
		}
		if a, p := l.kernel(); a != 1 || p != 0 {
			l.Fatalf("after Load %d rules, %d is on trial", a, p)
		}
		if err := node.Remove(l.Context(), l.host, l.dir, node.DefaultTable); err != nil {
			l.Fatal(err)
		}
		if a, _ := l.kernel(); a != 0 {
			l.Fatal("removed, and it still rules")
		}
		l.stop = func() {}
	})
}

func TestPeersNeedNoTrial(t *testing.T) {
	set := func(nets string) string {
		return "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: s, labels: {who: peers}}\nspec: {nets: [" + nets + "]}\n---\n" +
			ssh("10.0.0.0/24", "{action: Allow, protocol: TCP, source: {selector: who == 'peers'}, destination: {ports: [80]}}")
	}
	operators := func(nets string) string {
		return "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: s, labels: {who: peers}}\nspec: {nets: [" + nets + "]}\n---\n" + endpoint +
			"apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\nspec: {selector: has(host), types: [Ingress], ingress: [" +
			"{action: Allow, protocol: TCP, source: {selector: who == 'peers'}, destination: {ports: [22]}}]}\n"
	}
	for name, c := range map[string]struct {
		before, after string
		trial         bool
	}{
		"another peer":     {set("10.0.5.1/32"), set("10.0.5.1/32, 10.0.5.2/32"), false},
		"a peer less":      {set("10.0.5.1/32, 10.0.5.2/32"), set("10.0.5.1/32"), false},
		"another operator": {operators("10.0.0.2/32"), operators("10.0.0.2/32, 10.0.0.3/32"), false},
		"an operator less": {operators("10.0.0.2/32, 10.0.0.3/32"), operators("10.0.0.2/32"), true},
	} {
		t.Run(name, func(t *testing.T) {
			test(t, false, func(l *life) {
				l.confirmed(c.before)
				l.policies(c.after, 0)
				if c.trial {
					l.want(guard.PhaseTrial, 1, 2)
					return
				}
				l.want(guard.PhaseConfirmed, 1, 0)
				l.start() // what is on disk is what was extended
				time.Sleep(time.Minute)
				l.policies(c.after, 0)
				l.want(guard.PhaseConfirmed, 1, 0)
				if s := l.node.Status(); len(s.Drift) != 0 || s.Decision.Step != guard.Wait {
					l.Errorf("after the extension: %+v, drift %v", s.Decision, s.Drift)
				}
			})
		})
	}
}

func TestLockOutsAreRefused(t *testing.T) {
	test(t, false, func(l *life) {
		l.confirmed(ssh("10.0.0.0/24"))
		for manifests, word := range map[string]string{
			endpoint: "no-profile", strings.ReplaceAll(ssh("10.0.0.0/24"), "node: a,", "node: b,"): `no HostEndpoint is for node "a"`,
		} {
			l.policies(manifests, 0)
			if s := l.node.Status(); s.Decision.Step != guard.Refuse || !strings.Contains(s.Decision.Reason, word) {
				l.Errorf("%+v, want a refusal for %s", s.Decision, word)
			}
			l.want(guard.PhaseFailed, 1, 0)
		}
	})
}

func TestWithoutASourceTheLastStateStays(t *testing.T) {
	test(t, true, func(l *life) {
		l.policies(ssh("10.0.0.0/24"), 0)
		l.policies(ssh("10.0.0.0/24"), 1)
		l.want(guard.PhaseConfirmed, 1, 0)
		l.says.updates <- source.Update{Err: errors.New("connection refused")}
		time.Sleep(2 * time.Hour)
		l.want(guard.PhaseConfirmed, 1, 0)
		l.start()
		l.says.updates <- source.Update{Err: errors.New("connection refused")}
		l.want(guard.PhaseConfirmed, 1, 0)
		if s := l.node.Status(); !strings.Contains(s.Decision.Reason, "connection refused") {
			l.Errorf("the status does not say it: %+v", s.Decision)
		}
	})
}

func TestKernelThatRefuses(t *testing.T) {
	test(t, false, func(l *life) {
		l.host.Fail(errors.New("out of memory"))
		l.policies(ssh("10.0.0.0/24"), 0)
		s := l.node.Status()
		if !strings.Contains(fmt.Sprint(s.Failure, s.Decision.Reason, s.Attempt.Why), "out of memory") {
			l.Errorf("the failure is not said: %+v", s)
		}
		l.host.Fail(nil)
		time.Sleep(time.Minute)
		if _, pending := l.kernel(); pending == 0 && l.node.Status().Decision.Phase != guard.PhaseReverted {
			l.Errorf("it was not tried again: %+v", l.node.Status().Decision)
		}
	})
}

func TestDropsSayWhatHelps(t *testing.T) {
	test(t, false, func(l *life) {
		l.confirmed(ssh("10.0.0.0/24"))
		l.host.Note(node.DefaultTable, hostnet.Refused, hostnet.Tuple{Source: stranger, Destination: own, Protocol: 6, Port: 22, Packets: 3, Bytes: 180})
		drops, err := l.node.Drops(l.Context())
		if err != nil || len(drops) != 1 {
			l.Fatalf("drops %v, %v", drops, err)
		}
		d := drops[0]
		if d.By != "tier/default/end" || !slices.Equal(d.Policies, []string{"p"}) || d.Interface != "eth0" || d.Packets != 3 || !strings.Contains(d.Fix, "tcp port 22") || !strings.Contains(d.Fix, "10.0.9.9/32") {
			l.Errorf("drop %+v", d)
		}
		all, err := l.node.Explain(l.Context(), firewall.Packet{Source: operator, Destination: own, Protocol: 6, DestinationPort: 22})
		if err != nil || len(all) != 1 || all[0].Verdict != "accept" || all[0].By != "p/ingress/0" {
			l.Errorf("explanation %+v, %v", all, err)
		}
	})
}

// A scanned host refuses more than a status has room for: the latest are in it, and all are with the daemon.
func TestStatusHasTheLatestDrops(t *testing.T) {
	test(t, false, func(l *life) {
		l.confirmed(ssh("10.0.0.0/24"))
		const scanned = 100
		for port := uint16(1); port <= scanned; port++ {
			l.host.Note(node.DefaultTable, hostnet.Refused, hostnet.Tuple{
				Source: stranger, Destination: own, Protocol: 6, Port: 1000 + port, Packets: 1, Idle: time.Duration(port) * time.Second,
			})
		}
		time.Sleep(time.Minute)
		got := l.node.Status().Drops
		if len(got) != 64 || got[0].Port != 1001 || got[63].Port != 1064 {
			l.Errorf("%d drops in the status, the first %+v", len(got), got[:min(1, len(got))])
		}
		if all, err := l.node.Drops(l.Context()); err != nil || len(all) != scanned {
			l.Errorf("%d drops, %v; want %d", len(all), err, scanned)
		}
	})
}
