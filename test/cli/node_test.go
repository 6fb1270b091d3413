package cli_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/internal/cli/node"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// TestHostsFromTheAPIServer asks about a host from elsewhere: what it refused, and what it enforces, as it reported.
func TestHostsFromTheAPIServer(t *testing.T) {
	cp := controlplanetest.Shared(t)
	scheme, err := session.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	k, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig(t, cp.Admin))
	run, contains := terminal(t, node.Command)
	h := &calico.HostEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: "db7-eth0", Annotations: map[string]string{calico.RevisionAnnotation: "r2"}},
		Spec:       calico.HostEndpointSpec{Node: "db7", InterfaceName: "eth0"},
	}
	if err := k.Create(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	_, messages := run(1, "drops", "db8")
	contains(messages, `no HostEndpoint is of host "db8"`, "db7")
	_, messages = run(0, "drops", "db7")
	contains(messages, "db7-eth0: ingot-node has not reported; is it running on db7?")
	shown, _ := run(0, "status", "db7")
	contains(shown, "db7-eth0", "not reported")

	at := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	h.Status = calico.HostEndpointStatus{
		Phase: calico.PhaseConfirmed, Generation: 3, Revision: "r1", Counters: &calico.Counters{Refused: 4, Accepted: 12},
		Drift:      []calico.Drift{{Kind: "Listener", What: "thing listens on tcp port 9999"}},
		Conditions: []metav1.Condition{{Type: "Enforced", Status: "True", Reason: "Confirmed", Message: "generation 3 rules", LastTransitionTime: at}},
		Drops: []calico.Drop{
			{From: "2001:db8::9", To: "2001:db8::10", Protocol: "icmpv6", Hook: "input", Interface: "eth0", By: "tier/default/end", Packets: 1, Last: metav1.NewTime(at.Add(-time.Hour)), Fix: "no row"},
			{From: "192.0.2.9", To: "192.0.2.10", Who: "set customers", Protocol: "tcp", Port: 5432, Hook: "input", Interface: "eth0", By: "tier/default/end", Policies: []string{"shop.db.back"}, Packets: 3, Last: at, Fix: "row 1.2 (web-to-db)"},
		},
	}
	if err := k.Status().Update(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	shown, messages = run(0, "drops", "db7")
	contains(shown, "192.0.2.9 (set customers)", "tcp/5432", "input eth0", "tier/default/end, no rule of shop.db.back", "row 1.2 (web-to-db)", "2001:db8::9")
	if strings.Index(shown, "5432") > strings.Index(shown, "icmpv6") || messages != "" {
		t.Errorf("the latest is not the first, or there is something to say:\n%s%s", shown, messages)
	}
	shown, _ = run(0, "drops", "db7", "-o", "json")
	contains(shown, `"port": 5432`, `"who": "set customers"`)
	shown, _ = run(0, "status", "db7")
	contains(shown, "Confirmed", "12", "enforces an older revision; generation 3 rules", "drift: Listener: thing listens")
	names, _ := offered(t, run, "drops", "")
	contains(names, "db7")

	h.Status.Drops[0].From = strings.Repeat("x", 65)
	if err := k.Status().Update(t.Context(), h); err == nil || !strings.Contains(err.Error(), "drops[0].from") {
		t.Errorf("a status out of its bounds is taken: %v", err)
	}
}
