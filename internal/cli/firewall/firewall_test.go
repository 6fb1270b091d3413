package firewall

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func edge() *ingot.Firewall {
	return &ingot.Firewall{
		ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "edge", Generation: 3},
		Spec: ingot.FirewallSpec{
			Networks: []ingot.FirewallNetwork{{Name: "inside"}, {Name: "internet", Namespace: "provider"}},
			Egress:   []ingot.FirewallRule{{Name: "api", Protocol: ingot.TCPProtocol, Ports: []string{"22"}, ToFQDNs: []string{"git.example.org", "*.example.net"}}, {Name: "https", Protocol: ingot.TCPProtocol, Ports: []string{"443", "8000-8100"}}},
			Ingress:  []ingot.FirewallRule{{Name: "www", Protocol: ingot.TCPProtocol, Ports: []string{"80"}, To: []string{"10.0.4.80/32"}}},
		},
		Status: ingot.FirewallStatus{ResolvedGeneration: 3, Networks: []ingot.FirewallNetworkStatus{
			{Network: "web/inside", Inside: true, Prefixes: []string{"10.0.4.0/24"}, Addresses: []string{"10.0.4.1"}},
			{Network: "provider/internet", Prefixes: []string{"0.0.0.0/0"}, Addresses: []string{"192.0.2.1", "192.0.2.80"}, Masquerade: []string{"192.0.2.1"},
				OneToOne: []ingot.FirewallPairStatus{{Outside: "192.0.2.80", Inside: "10.0.4.80"}}},
		}, DNSServers: []string{"198.51.100.53"}, Names: []ingot.FirewallName{{Name: "git.example.org", Addresses: []string{"198.51.100.22"}, Answers: 3}}},
	}
}

func TestDescribeNamesTheCards(t *testing.T) {
	f := edge()
	f.Status.Networks[0].NIC = &ingot.MachineNICStatus{Name: "eth1", MACAddress: "02:00:00:00:00:02", VLAN: 7, Switch: "leaf2", Port: "p7"}
	f.Status.Networks[1].NIC = &ingot.MachineNICStatus{MACAddress: "02:00:00:00:00:01"}
	for _, want := range []string{"by VLAN 7 of eth1 02:00:00:00:00:02, at switch leaf2, port p7\n", "by 02:00:00:00:00:01\n"} {
		if text := summary(f); !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		p    packet
		want string
	}{
		{packet{"10.0.4.7", "198.51.100.9", "tcp", 8050}, "accept egress/https 192.0.2.1 198.51.100.9"},
		{packet{"10.0.4.7", "198.51.100.9", "UDP", 443}, "drop egress-default an egress rule"},
		{packet{"198.51.100.9", "192.0.2.80", "TCP", 80}, "accept ingress/www 198.51.100.9 10.0.4.80"},
		{packet{"198.51.100.9", "192.0.2.80", "TCP", 81}, "drop ingress-default an ingress rule"},
		{packet{"198.51.100.9", "203.0.113.1", "TCP", 80}, "drop transit nothing: neither"},
		{packet{"198.51.100.9", "2001:db8::1", "TCP", 80}, "not of one family"},
		{packet{"198.51.100.9", "203.0.113.1", "GRE", 80}, "write TCP, UDP"},
		{packet{"10.0.4.7", "198.51.100.22", "tcp", 22}, "accept egress/api 192.0.2.1 198.51.100.22"},
		{packet{"10.0.4.7", "198.51.100.23", "tcp", 22}, "drop egress-default an egress rule for it, if it is meant to pass; or egress/api, if"},
		{packet{"10.0.4.7", "10.0.4.9", "tcp", 22}, "drop egress-default an egress rule for it, if it is meant to pass"},
		{packet{"10.0.4.7", "GIT.example.org.", "tcp", 22}, "accept egress/api 192.0.2.1 git.example.org"},
		{packet{"10.0.4.7", "a.b.example.net", "tcp", 22}, "accept egress/api 192.0.2.1 a.b.example.net"},
		{packet{"10.0.4.7", "example.net", "tcp", 22}, "drop egress-default an egress rule"},
		{packet{"10.0.4.7", "git.example.org", "tcp", 23}, "drop egress-default another source, protocol or port: the name is in egress/api"},
		{packet{"10.0.4.7", "git.example.org", "tcp", 8050}, "accept egress/https"},
		{packet{"10.0.4.7", "*.example.net", "tcp", 22}, "neither an address nor a name"},
		{packet{"10.0.4.7", "8.8.8.8", "udp", 53}, "accept dns"},
	} {
		e, err := explain(edge(), c.p)
		got := strings.Join(strings.Fields(strings.Join([]string{e.Verdict, e.By, e.LeavesFrom, e.LeavesTo, e.Fix}, " ")), " ")
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%+v: %s, want %s", c.p, got, c.want)
		}
	}
	f := edge()
	f.Generation = 4
	if _, err := explain(f, packet{"10.0.4.7", "198.51.100.9", "TCP", 443}); err == nil || !strings.Contains(err.Error(), "ingot firewall describe edge") {
		t.Errorf("%v", err)
	}
}

// Each refusal is printed once, and again when it happens again; an interruption ends it in order.
func TestFollowPrintsWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		with := func(packets ...int64) *ingot.Firewall {
			f := edge()
			for i, n := range packets {
				f.Status.Drops = append(f.Status.Drops, ingot.FirewallDrop{From: "10.0.4.7", To: "198.51.100.9", Protocol: "TCP", Port: int32(i + 1), Packets: n, By: "egress-default"})
			}
			return f
		}
		answers := []*ingot.Firewall{with(1), with(1, 5), with(2, 5)}
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		err := show(ctx, &out, with(1), true, func(context.Context) (*ingot.Firewall, error) {
			if len(answers) == 0 {
				cancel()
				return nil, context.Canceled
			}
			next := answers[0]
			answers = answers[1:]
			return next, nil
		})
		if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); err != nil || len(lines) != 4 || !strings.Contains(lines[1], "TCP/1") || !strings.Contains(lines[2], "TCP/2") || !strings.HasPrefix(lines[3], "2 ") {
			t.Errorf("%v:\n%s", err, out.String())
		}
	})
}
