package linux

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// procTCP are lines of /proc/net/tcp and tcp6: one that listens on loopback, one that is established, one that listens everywhere.
const procTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 34567 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 34568 1 0000000000000000 20 4 30 10 -1
   2: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0000000000000000 100 0 0 10 0
`

const procRaw = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
   70: 00000000:0070 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0
`

const procSCTP = ` ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS
       0        0 2   10  29   5000  0 4712 10.0.0.1 fd00::1
       0        0 2   7   29   5001  0 4713 10.0.0.1
`

func TestSockets(t *testing.T) {
	all, err := parseSockets([]byte(procTCP), 6, stateListen, false)
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	if s := all[0]; s.Address != netip.MustParseAddr("127.0.0.1") || s.Port != 8080 || s.UID != 1000 || s.inode != "34567" {
		t.Errorf("%+v", s)
	}
	if s := all[1]; s.Address != netip.MustParseAddr("::1") || s.Port != 22 {
		t.Errorf("%+v", s)
	}
	if all, err = parseSockets([]byte(procRaw), 0, stateClose, true); err != nil || len(all) != 1 || all[0].Protocol != 112 || !all[0].Raw || all[0].Port != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err = parseSCTP([]byte(procSCTP)); err != nil || len(all) != 2 || all[1].Port != 5000 || all[1].Protocol != 132 || all[1].Address != netip.MustParseAddr("fd00::1") {
		t.Errorf("%+v, %v", all, err)
	}
	for _, bad := range []string{"x\n1 2 3\n", strings.Replace(procTCP, "1F90", "XXXX", 1), strings.Replace(procTCP, "0100007F", "01", 1)} {
		if _, err := parseSockets([]byte(bad), 6, stateListen, false); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// known is what nft -j says beside others: tables of Docker (through iptables-nft), of Calico, of nobody, an empty one, and ours.
const known = `{"nftables": [{"metainfo": {"version": "1.0.6"}},
{"table": {"family": "ip", "name": "filter", "handle": 1}},
{"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
{"chain": {"family": "ip", "table": "filter", "name": "DOCKER-USER", "handle": 2}},
{"chain": {"family": "ip", "table": "filter", "name": "ufw-before-input", "handle": 2}},
{"rule": {"family": "ip", "table": "filter", "chain": "FORWARD", "handle": 3, "expr": [{"xt": null}]}},
{"table": {"family": "ip", "name": "nat", "handle": 1}},
{"chain": {"family": "ip", "table": "nat", "name": "KUBE-SERVICES", "handle": 1}},
{"chain": {"family": "ip", "table": "nat", "name": "PREROUTING", "handle": 1, "type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept"}},
{"table": {"family": "inet", "name": "mine", "handle": 1}},
{"chain": {"family": "inet", "table": "mine", "name": "in", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}},
{"rule": {"family": "inet", "table": "mine", "chain": "in", "handle": 3, "expr": [{"drop": null}]}},
{"table": {"family": "ip", "name": "mangle", "handle": 1}},
{"chain": {"family": "ip", "table": "mangle", "name": "INPUT", "handle": 1, "type": "filter", "hook": "input", "prio": -150, "policy": "accept"}},
{"table": {"family": "inet", "name": "ingot", "handle": 1}},
{"chain": {"family": "inet", "table": "ingot", "name": "input", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}},
{"rule": {"family": "inet", "table": "ingot", "chain": "input", "handle": 3, "expr": [{"drop": null}]}}
]}`

func TestOthersAreNamed(t *testing.T) {
	all, err := identify([]byte(known), []string{"ip_tables filter"}, "ingot")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range all {
		if o.Advice == "" || o.Evidence == "" {
			t.Errorf("%+v says too little", o)
		}
		line := o.Name + " " + strings.Join(o.Hooks, ",")
		if o.Drops {
			line += " drops"
		}
		got = append(got, line)
	}
	want := []string{"docker forward drops", "iptables-legacy forward,input,output drops", "kube-proxy ", "ufw forward drops", "unknown input drops"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRejectedNamesTheLine(t *testing.T) {
	err := rejected("add table inet x\nadd nonsense\n", "/dev/stdin:2:5-12: Error: syntax error, unexpected string\nadd nonsense\n    ^^^^^^^^\n")
	var r *hostnet.Rejected
	if !errors.As(err, &r) || r.Line != 2 || r.Text != "add nonsense" || r.Reason != "syntax error, unexpected string" {
		t.Errorf("%+v", r)
	}
}

// tracking is a message of connection tracking: IPv4, UDP 10.0.0.1:40000 to 10.0.0.2:53, unanswered.
var tracking = []byte{
	2, 0, 0, 0,
	52, 0, 1, 128, 20, 0, 1, 128, 8, 0, 1, 0, 10, 0, 0, 1, 8, 0, 2, 0, 10, 0, 0, 2,
	28, 0, 2, 128, 5, 0, 1, 0, 17, 0, 0, 0, 6, 0, 2, 0, 0x9c, 0x40, 0, 0, 6, 0, 3, 0, 0, 53, 0, 0,
	8, 0, 3, 0, 0, 0, 0, 8, 8, 0, 7, 0, 0, 0, 0, 30, 8, 0, 12, 0, 1, 2, 3, 4,
}

func TestTracked(t *testing.T) {
	f, err := parseTracked(tracking)
	if err != nil || f.Source != netip.MustParseAddr("10.0.0.1") || f.SourcePort != 40000 || f.DestinationPort != 53 || f.Protocol != 17 || f.Answered || len(f.id) != 4 {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := parseTracked([]byte{2, 0}); err == nil {
		t.Error("two bytes are a flow")
	}
	if _, err := parseTracked([]byte{2, 0, 0, 0}); err == nil {
		t.Error("a flow without addresses is one")
	}
}

func FuzzTracked(f *testing.F) {
	f.Add(tracking)
	f.Add([]byte{10, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		flow, err := parseTracked(b)
		if err == nil && (!flow.Source.IsValid() || !flow.Destination.IsValid()) {
			t.Errorf("%+v has no addresses", flow)
		}
	})
}

func FuzzSockets(f *testing.F) {
	f.Add([]byte(procTCP))
	f.Add([]byte(procRaw))
	f.Add([]byte(procSCTP))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, raw := range []bool{false, true} {
			all, err := parseSockets(b, 6, stateListen, raw)
			for _, s := range all {
				if err == nil && !s.Address.IsValid() {
					t.Errorf("%+v has no address", s)
				}
			}
		}
		all, err := parseSCTP(b)
		for _, s := range all {
			if err == nil && !s.Address.IsValid() {
				t.Errorf("%+v has no address", s)
			}
		}
	})
}

func FuzzListing(f *testing.F) {
	f.Add([]byte(known))
	f.Add([]byte(`{"nftables": [{"set": {"name": "s", "type": ["ipv4_addr", "inet_service"], "flags": ["interval"], "timeout": 5}}, {"chain": {"name": "c"}},
		{"rule": {"chain": "c", "comment": "x", "expr": [{"counter": {"packets": 5, "bytes": 7}}, {"accept": null}]}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := parseTable("x", b)
		if err == nil && !slices.IsSortedFunc(table.Chains, func(a, b hostnet.Chain) int { return strings.Compare(a.Name, b.Name) }) {
			t.Error("the chains are not sorted")
		}
		_, _ = identify(b, nil, "ingot") // must not panic
		_ = rejected(string(b), string(b))
	})
}
