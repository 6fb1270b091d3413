package metric

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/matrix"
)

func get(t *testing.T, s node.Status, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	handler(func() node.Status { return s }).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestEveryNumberOfAStatusIsAMetric(t *testing.T) {
	s := node.Status{
		Decision: guard.Decision{Phase: guard.PhaseTrial}, Generation: 8, Confirmed: guard.Confirmed{Version: guard.Version{Generation: 7}},
		Attempt:    guard.Attempt{Outcome: guard.Running, Deadline: time.UnixMilli(1500)},
		Source:     guard.Source{LostSince: time.Now().Add(-time.Hour)},
		Management: []node.ManagementRow{{Row: "a", Open: true}, {Row: "b", Open: true}, {Row: "c"}},
		Drift:      []node.Drift{{Kind: node.DriftListener}, {Kind: node.DriftListener}, {Kind: node.DriftManager}},
		Rules:      []node.RuleCount{{Rule: "p/ingress/0", Row: "1.1", Verdict: "accept", Packets: 3, Bytes: 120}, {Rule: "tier/default", Verdict: "drop", Packets: 2, Bytes: 80}},
		Repairs:    node.Repairs{Total: 4},
	}
	code, text := get(t, s, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("%d: %s", code, text)
	}
	for _, want := range []string{
		`ingot_node_packets_total{row="1.1",rule="p/ingress/0",verdict="accept"} 3`, `ingot_node_bytes_total{row="1.1",rule="p/ingress/0",verdict="accept"} 120`,
		`ingot_node_packets_total{row="",rule="tier/default",verdict="drop"} 2`,
		"ingot_node_generation 8", "ingot_node_confirmed_generation 7", `ingot_node_phase{phase="Trial"} 1`, `ingot_node_phase{phase="Confirmed"} 0`,
		"ingot_node_trial_deadline_seconds 1.5", `ingot_node_drift{kind="Listener"} 2`, `ingot_node_drift{kind="Manager"} 1`, `ingot_node_drift{kind="Kernel"} 0`,
		`ingot_node_management_rows{state="open"} 2`, `ingot_node_management_rows{state="closed"} 1`, "ingot_node_repairs_total 4", "ingot_node_source_lost_seconds 3600",
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if _, text := get(t, node.Status{}, "/metrics"); !strings.Contains(text, "\ningot_node_source_lost_seconds 0\n") || !strings.Contains(text, "\ningot_node_trial_deadline_seconds 0\n") {
		t.Errorf("a daemon that lost nothing and tries nothing says\n%s", text)
	}
}

func TestReady(t *testing.T) {
	for phase, want := range map[guard.Phase]int{
		"": http.StatusServiceUnavailable, guard.PhaseNone: http.StatusServiceUnavailable, guard.PhaseFailed: http.StatusServiceUnavailable,
		guard.PhaseTrial: http.StatusOK, guard.PhaseConfirmed: http.StatusOK, guard.PhaseReverted: http.StatusOK,
	} {
		if code, _ := get(t, node.Status{Decision: guard.Decision{Phase: phase}}, "/readyz"); code != want {
			t.Errorf("phase %q: %d, want %d", phase, code, want)
		}
	}
	if code, text := get(t, node.Status{Decision: guard.Decision{Phase: guard.PhaseConfirmed}, Failure: "Restore: no memory"}, "/readyz"); code != http.StatusServiceUnavailable ||
		!strings.Contains(text, "no memory") {
		t.Errorf("a step failed: %d %s", code, text)
	}
	if code, _ := get(t, node.Status{}, "/healthz"); code != http.StatusOK {
		t.Errorf("alive: %d", code)
	}
}

func TestOnlyLoopbackIsServed(t *testing.T) {
	b := socket.Bind(matrix.Node, matrix.Builtin(), kernel.Network{})
	for _, bind := range []string{"0.0.0.0:8448", "192.0.2.1:8448", "localhost:8448", ""} {
		if err := Serve(t.Context(), b, bind, func() node.Status { return node.Status{} }); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%q is served: %v", bind, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Serve(ctx, b, "127.0.0.1:0", func() node.Status { return node.Status{} }); err != nil && ctx.Err() == nil {
		t.Errorf("told to stop: %v", err)
	}
}
