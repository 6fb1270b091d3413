package main

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/control"
)

// saidDaemon answers on the control socket what a daemon on a real host answered once. What it says is the subject of package node's tests; here it is how people see it.
type saidDaemon struct{}

var said = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (saidDaemon) Status() node.Status {
	return node.Status{
		Node: "web1", Generation: 3, Since: said, Decision: guard.Decision{Phase: guard.PhaseConfirmed, Reason: "generation 3 rules, and is what is wanted"},
		Confirmed: guard.Confirmed{Version: guard.Version{Generation: 3}, At: said, By: "192.0.2.7"},
		Endpoints: []node.Endpoint{{Name: "web1-eth0", Interface: "eth0"}}, Management: []node.ManagementRow{{Row: "tcp/22", Open: true}},
		Drift: []node.Drift{{Kind: node.DriftListener, What: "thing (pid 7) listens on tcp port 9999, and no row lets anybody reach it"}}, Accepted: 12, Refused: 4,
	}
}

func (saidDaemon) Drops(context.Context) ([]node.Drop, error) {
	return []node.Drop{
		{
			From: netip.MustParseAddr("192.0.2.9"), To: netip.MustParseAddr("192.0.2.10"), Who: "set customers", Protocol: "tcp", Port: 8443, Hook: "input", Interface: "eth0",
			By: "tier/default/end", Policies: []string{"shop.web.front", "shop.any.front"}, Packets: 3, Bytes: 180, Last: said, Fix: "no row is for tcp port 8443: add one from set customers to this host, if it is meant to be",
		},
		{
			From: netip.MustParseAddr("2001:db8::9"), To: netip.MustParseAddr("2001:db8::10"), Protocol: "icmpv6", Hook: "input", Interface: "eth0",
			By: "tier/default/end", Packets: 1, Bytes: 60, Last: said.Add(-time.Minute), Fix: "no row is for icmpv6 type 128: add one from 2001:db8::9 to this host, if it is meant to be",
		},
	}, nil
}

func (saidDaemon) Confirm(_ context.Context, console bool) (guard.Confirmed, error) {
	by := "192.0.2.7"
	if console {
		by = "console"
	}
	return guard.Confirmed{Version: guard.Version{Generation: 4}, By: by}, nil
}

func (saidDaemon) Order(_ context.Context, o guard.Order) (guard.Decision, error) {
	if o == guard.Withdraw {
		return guard.Decision{Phase: guard.PhaseConfirmed, Reason: "generation 3 rules again"}, nil
	}
	return guard.Decision{Phase: guard.PhaseTrial, Reason: "generation 4 is tried"}, nil
}

func (saidDaemon) Explain(_ context.Context, p firewall.Packet) ([]node.Explanation, error) {
	p.Hook, p.In = firewall.Input, "eth0"
	return []node.Explanation{{
		Packet: p.String(), Verdict: firewall.Drop.String(), By: "tier/default/end", Fix: "no row is for tcp port 8443", Ruleset: "generation 3", Who: "set customers",
	}}, nil
}

// serveDaemon serves it in the script's folder run until the script ends.
func serveDaemon(e *testscript.Env) error {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	dir := filepath.Join(e.WorkDir, "run")
	go func() { ended <- control.Serve(ctx, dir, saidDaemon{}) }()
	e.Defer(func() {
		stop()
		if err := <-ended; err != nil {
			panic(err)
		}
	})
	for {
		if i, err := os.Stat(filepath.Join(dir, control.Socket)); err == nil && i.Mode().Perm() == 0o600 {
			return nil
		}
		select {
		case err := <-ended:
			ended <- err
			return err
		case <-time.After(time.Millisecond):
		}
	}
}
