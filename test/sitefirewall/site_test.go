package sitefirewall_test

import (
	"slices"
	"strings"
	"testing"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/node"
)

func confirmed(s api.HostEndpointStatus) bool {
	return s.Phase == api.PhaseConfirmed && s.Generation > 0 && s.Confirmed == s.Generation && s.Trial == nil
}

func TestFromAMatrixToConnections(t *testing.T) {
	w := newWorld(t)
	web1, db1 := host{w, "web1", web}, host{w, "db1", database}
	for _, one := range []struct {
		where string
		port  int
	}{{web, 22}, {web, 443}, {web, 8443}, {web, 9999}, {database, 22}, {database, 5432}} {
		w.listen(one.where, one.port)
	}
	w.controlPlane()
	w.controller()
	w.apply(plan{shop: 443, manager: "controller"})
	w.matrixSays("Compiled", "True", "2 host endpoints")
	for _, h := range []host{web1, db1} {
		h.enroll()
		h.run()
	}
	w.confirms(web1, db1)
	w.holds(443, 8443)
	w.isSeen(web1)
	kept := w.changes(web1, db1)
	w.repairs(web1)
	w.neverLocksOut(web1, db1)
	w.outlives(web1, kept)
}

// confirms: policies reach the hosts, and the controller's own connection ends their trial.
func (w *world) confirms(hosts ...host) {
	w.Helper()
	for _, h := range hosts {
		h.says("confirmation", confirmed)
		h.hasEvent("Trial", "the policies say something else")
		h.hasEvent("Confirmed", "the controller's connection")
		if by := h.own("confirmation", func(s node.Status) bool { return s.Decision.Phase == guard.PhaseConfirmed && !s.Confirmed.None() }).Confirmed.By; by != "the controller's connection" {
			w.Errorf("%s was confirmed over %q", h.name, by)
		}
	}
	w.matrixSays("Enforced", "True", "2 of 2 hosts")
}

// holds: real connections meet the rows.
func (w *world) holds(open, closed int) {
	w.Helper()
	w.passes(customer, web, open)
	w.passes(web, database, 5432)
	w.passes(center, web, 22)
	w.passes(center, database, 22)
	w.refused(customer, web, closed)
	w.refused(customer, web, 22)
	w.refused(customer, web, 9999)
	w.refused(customer, database, 5432)
	w.refused(center, database, 5432)
	w.refused(database, web, open)
}

// met says whether a row's rules on the host have met a connection.
func met(s api.HostEndpointStatus, row string) bool {
	return slices.ContainsFunc(s.Rows, func(r api.RowTraffic) bool { return r.Matrix == "shop" && r.Row == row && r.Last != nil })
}

// isSeen: what the host does, and what is other than the matrix says, is in the API, in metrics, and in what the daemon says of refusals.
func (w *world) isSeen(h host) {
	h.says("a listener without a row", drifts(node.DriftListener, "tcp port 9999", "no row"))
	h.says("a row without a listener", drifts(node.DriftListener, "row 1.3", "nothing listens"))
	s := h.says("counters", func(s api.HostEndpointStatus) bool {
		return s.Counters != nil && s.Counters.Accepted > 0 && s.Counters.Refused > 0
	})
	positive := func(v float64) bool { return v > 0 }
	h.counts(positive, "ingot_node_packets_total", `row="1.1"`, `verdict="accept"`)
	h.counts(positive, "ingot_node_packets_total", `verdict="drop"`)
	h.counts(positive, "ingot_node_drift", `kind="Listener"`)
	h.counts(func(v float64) bool { return v == float64(s.Generation) }, "ingot_node_confirmed_generation")
	h.counts(func(v float64) bool { return v == 1 }, "ingot_node_phase", `phase="Confirmed"`)
	// The rows that connections were made by were met; the one that nobody can use was not.
	h.says("rows that were met", func(s api.HostEndpointStatus) bool { return met(s, "1.1") && met(s, "1.2") && !met(s, "1.3") })
	// Something is not as declared, so that the answer is 1: that is what it is here.
	verified, _ := h.at[center].Run(h.ctx, "", h.programs["ingot"], "matrix", "verify", "--cluster", "--name", "shop", "-o", "json", "--kubeconfig", h.admin())
	w.contains(verified, `"verdict": "seen, last `, `"verdict": "violated: web1: row 1.3 `)
	drops := h.command(h.at[h.address], h.programs["ingot-node"], append(h.places(), "drops")...)
	w.contains(drops, customer, "8443", "public")
	// The other program asks the same of the daemon; of another host it asks the API, which the daemon told.
	w.contains(h.command(h.at[h.address], h.programs["ingot"], "node", "drops", "--run-dir", h.runDir()), customer, "8443", "public")
	h.says("who was refused", func(s api.HostEndpointStatus) bool {
		return slices.ContainsFunc(s.Drops, func(d api.Drop) bool { return d.From == customer && d.Port == 8443 })
	})
	w.contains(h.command(h.at[center], h.programs["ingot"], "node", "drops", h.name, "--kubeconfig", h.admin()), customer, "8443", "public")
}

// changes: a changed row changes what gets through, for flows that are there as well. It gives a connection that may stay.
func (w *world) changes(web1, db1 host) *conversation {
	old, err := w.dial(customer, web, 443)
	if err != nil {
		w.Fatal(err)
	}
	kept, err := w.dial(web, database, 5432)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _, _ = old.Close(), kept.Close() })
	before := db1.says("before the change", confirmed).Generation
	w.apply(plan{shop: 8443, manager: "controller"})
	w.matrixSays("Enforced", "True", "2 of 2 hosts")
	web1.says("confirmation of the change", confirmed)
	w.holds(8443, 443)
	if old.says("still there?") == nil {
		w.Error("a flow whose row is gone goes on")
	}
	if err := kept.says("still here."); err != nil {
		w.Errorf("a flow whose row stayed was cut: %v", err)
	}
	if after := db1.says("after the change", confirmed).Generation; after != before {
		w.Errorf("db1 got generation %d after %d, and no row of its own changed", after, before)
	}
	return kept
}

// repairs: what somebody changes in our table by hand is written again, and said.
func (w *world) repairs(h host) {
	n := h.at[h.address]
	w.command(n, "nft", "flush", "table", "inet", node.DefaultTable)
	h.hasEvent("Repaired", "written again")
	h.counts(func(v float64) bool { return v > 0 }, "ingot_node_repairs_total")
	w.until("the repair", func() error {
		c, err := w.dial(customer, web, 8443)
		if err == nil {
			err = c.Close()
		}
		return err
	})
	w.holds(8443, 443)
}

// neverLocksOut: a matrix without a way in changes nothing; one whose way in nobody can go reverts.
func (w *world) neverLocksOut(hosts ...host) {
	w.apply(plan{shop: 443})
	w.matrixSays("Compiled", "False", "management")
	w.holds(8443, 443)
	w.apply(plan{shop: 443, manager: "elsewhere"})
	for _, h := range hosts {
		h.says("the trial's end", func(s api.HostEndpointStatus) bool { return s.Phase == api.PhaseReverted && s.Trial == nil })
		h.hasEvent("Reverted", "")
	}
	w.matrixSays("Enforced", "False", "0 of 2 hosts")
	w.holds(8443, 443)
	w.apply(plan{shop: 8443, manager: "controller"})
	for _, h := range hosts {
		// No new generation: the one that was there is what the matrix says again, and nobody confirms it a second time.
		h.says("peace again", func(s api.HostEndpointStatus) bool { return s.Phase == api.PhaseConfirmed && s.Trial == nil })
	}
	w.matrixSays("Enforced", "True", "2 of 2 hosts")
}

// outlives: without an API server the last state holds, through a crash of the daemon and through a boot.
func (w *world) outlives(h host, kept *conversation) {
	w.kill("apiserver")
	h.own("the loss of the API server", func(s node.Status) bool { return !s.Source.LostSince.IsZero() })
	h.counts(func(v float64) bool { return v > 0 }, "ingot_node_source_lost_seconds")
	w.holds(8443, 443)
	w.kill(h.name)
	w.holds(8443, 443)
	// A boot: the kernel has no rules, and the unit loads them before the network.
	w.command(h.at[h.address], "nft", "delete", "table", "inet", node.DefaultTable)
	w.command(h.at[h.address], h.programs["ingot-node"], append(h.places(), "load")...)
	w.holds(8443, 443)
	h.run()
	h.own("the last state, without an API server", func(s node.Status) bool {
		return s.Decision.Phase == guard.PhaseConfirmed && !s.Source.LostSince.IsZero()
	})
	w.holds(8443, 443)
	if err := kept.says("long lived!"); err != nil {
		w.Errorf("a flow whose row stayed was cut: %v", err)
	}
	w.controlPlane()
	w.apply(plan{shop: 443, manager: "controller"})
	w.matrixSays("Enforced", "True", "2 of 2 hosts")
	h.says("the change after the loss", confirmed)
	w.holds(443, 8443)
	h.own("the source", func(s node.Status) bool { return s.Source.LostSince.IsZero() })
}

// contains holds what a command printed against words.
func (w *world) contains(out string, words ...string) {
	w.Helper()
	for _, word := range words {
		if !strings.Contains(out, word) {
			w.Errorf("%q is not in:\n%s", word, out)
		}
	}
}
