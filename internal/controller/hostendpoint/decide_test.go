package hostendpoint

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/matrix"
)

func TestDecide(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }
	trial := func(generation int64, deadline int) *api.Trial {
		return &api.Trial{Generation: generation, Deadline: metav1.NewMicroTime(at(deadline))}
	}
	done := func(generation int64, deadline, began, reached int) *attempt {
		return &attempt{generation, at(deadline), at(began), at(reached)}
	}
	on := func(s api.HostEndpointStatus) api.HostEndpointStatus { s.Phase = api.PhaseTrial; return s }
	cases := []struct {
		name   string
		status api.HostEndpointStatus
		done   *attempt
		want   step
		why    string
	}{
		{"no status", api.HostEndpointStatus{}, nil, leave, "nothing is on trial"},
		{"confirmed long ago", api.HostEndpointStatus{Phase: api.PhaseConfirmed, Generation: 3, Confirmed: 3}, nil, leave, "nothing is on trial"},
		{"on trial", on(api.HostEndpointStatus{Trial: trial(4, 30), Confirmed: 3}), nil, dial, ""},
		{"reverted, and the trial still stands there", api.HostEndpointStatus{Phase: api.PhaseReverted, Trial: trial(4, 30)}, nil, leave, "Reverted"},
		{"failed", api.HostEndpointStatus{Phase: api.PhaseFailed, Trial: trial(4, 30)}, nil, leave, "Failed"},
		{"confirmed by an earlier dial", on(api.HostEndpointStatus{Trial: trial(4, 30), Confirmed: 4}), nil, leave, "is confirmed"},
		{"deadline passed", on(api.HostEndpointStatus{Trial: trial(4, -1)}), nil, leave, "is over"},
		{"deadline is now", on(api.HostEndpointStatus{Trial: trial(4, 0)}), nil, leave, "is over"},
		{"reached", on(api.HostEndpointStatus{Trial: trial(4, 30)}), done(4, 30, -2, -1), confirm, ""},
		{"reached, and over by now", on(api.HostEndpointStatus{Trial: trial(4, -1)}), done(4, -1, -4, -3), leave, "is over"},
		{"reached through the one before", on(api.HostEndpointStatus{Trial: trial(5, 30)}), done(4, 30, -2, -1), dial, "generation 5 is on trial by now"},
		{"the same generation, tried again", on(api.HostEndpointStatus{Trial: trial(4, 60)}), done(4, 30, -2, -1), dial, "by now"},
		{"reached after the deadline", on(api.HostEndpointStatus{Trial: trial(4, 1)}), done(4, 1, -2, 2), leave, "after the trial"},
		{"reached before it began: a clock that jumped", on(api.HostEndpointStatus{Trial: trial(4, 30)}), done(4, 30, -1, -2), leave, "after the trial"},
		{"reached, and reverted since", api.HostEndpointStatus{Phase: api.PhaseReverted, Trial: trial(4, 30)}, done(4, 30, -2, -1), leave, "Reverted"},
	}
	for _, c := range cases {
		got, why := decide(c.status, c.done, now)
		if got != c.want || !strings.Contains(why, c.why) {
			t.Errorf("%s: step %d (%s), want %d (…%s…)", c.name, got, why, c.want, c.why)
		}
	}
}

func TestWays(t *testing.T) {
	own, virtual := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.100")
	m := matrix.Matrix{
		Hosts: []matrix.Host{{Name: "a", Interfaces: []matrix.Interface{
			{Name: "eth0", Zone: "mgmt", Roles: []matrix.Role{"server"}, Addresses: []netip.Addr{own}, Virtual: []netip.Addr{virtual}},
			{Name: "eth1", Zone: "data", Roles: []matrix.Role{"server"}, Addresses: []netip.Addr{netip.MustParseAddr("10.9.0.1")}},
		}}},
		Rows: []matrix.Row{
			{ID: "web", From: matrix.Anybody, To: matrix.Endpoint{Role: "server", Zone: "mgmt"}, Protocol: matrix.TCP, Ports: matrix.Port(443)},
			{ID: "bastion", Management: true, From: matrix.Endpoint{Role: "bastion", Zone: "office"}, To: matrix.Endpoint{Role: "*", Zone: "mgmt"}, Protocol: matrix.TCP, Ports: matrix.Port(22), Application: "SSH"},
			{ID: "ours", Management: true, From: matrix.Endpoint{Role: matrix.Controller, Zone: "ingot"}, To: matrix.Endpoint{Role: "server", Zone: "mgmt"}, Protocol: matrix.TCP, Ports: matrix.Port(2222)},
			{ID: "out", Management: true, Enforced: matrix.EnforcedEgress, From: matrix.Endpoint{Role: matrix.Controller, Zone: "ingot"}, To: matrix.Endpoint{Role: "*", Zone: "mgmt"}, Protocol: matrix.TCP, Ports: matrix.Port(23)},
			{ID: "ping", Management: true, From: matrix.Anybody, To: matrix.Endpoint{Role: "*", Zone: "*"}, Protocol: matrix.ICMP},
		},
	}
	want := []way{{"ours", netip.AddrPortFrom(own, 2222), false}, {"bastion", netip.AddrPortFrom(own, 22), true}}
	if got := ways(&m, "a", nil); !slices.Equal(got, want) {
		t.Errorf("ways %v, want %v", got, want)
	}
	labelled := &api.HostEndpoint{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"zone": "mgmt", "role/server": ""}}, Spec: api.HostEndpointSpec{Node: "b", ExpectedIPs: []api.Address{"10.0.0.2"}}}
	if got := ways(&m, "b", []*api.HostEndpoint{labelled}); len(got) != 2 || got[0].address.String() != "10.0.0.2:2222" {
		t.Errorf("a host that the matrix does not name, by its labels: %v", got)
	}
	if got := ways(&m, "c", nil); len(got) != 0 {
		t.Errorf("a host without endpoints is reached by %v", got)
	}
	if got := ways(nil, "b", []*api.HostEndpoint{labelled}); len(got) != 1 || got[0].address.String() != "10.0.0.2:22" || !got[0].ssh {
		t.Errorf("a host of no matrix is reached by %v, want our own row", got)
	}
}
