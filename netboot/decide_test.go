package netboot_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/netboot"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	opens  = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	closes = opens.Add(30 * time.Minute)
	during = opens.Add(5 * time.Minute)

	mac     = netboot.MAC{0x52, 0x54, 0, 0x12, 0x34, 0x56}
	address = netip.MustParsePrefix("10.0.0.12/24")
	server  = netip.MustParseAddr("10.0.0.1")
	relay   = netip.MustParseAddr("10.9.0.1")
	other   = netip.MustParseAddr("10.0.0.99")
)

const bootID = "0f3c9b7e5a1d4c2f8e6b0a9d7c5f3e1b"

func settings(m netboot.Mode) netboot.Settings {
	return netboot.Settings{Mode: m, BootServer: server, Gateway: netip.MustParseAddr("10.0.0.254"), DNSServers: []netip.Addr{netip.MustParseAddr("10.0.0.53")}}
}

func window(edit func(w *netboot.Window)) *netboot.Window {
	w := &netboot.Window{BootID: bootID, Boots: netboot.BootsAgent, MACs: []netboot.MAC{mac},
		Leases: []netboot.Lease{{MAC: mac, Address: address}}, OpensAt: opens, ClosesAt: closes}
	if edit != nil {
		edit(w)
	}
	return w
}

var windows = []struct {
	name   string
	window *netboot.Window
	now    time.Time
}{
	{"none", nil, during},
	{"of another MAC", window(func(w *netboot.Window) { w.MACs = []netboot.MAC{{1, 2, 3, 4, 5, 6}} }), during},
	{"before it opens", window(nil), opens.Add(-time.Nanosecond)},
	{"at its opening", window(nil), opens},
	{"open", window(nil), during},
	{"at its closing", window(nil), closes},
	{"redeemed", window(func(w *netboot.Window) { w.Redeemed = true }), during},
	{"for media", window(func(w *netboot.Window) { w.Boots = netboot.BootsMedia }), during},
	{"for the disk", window(func(w *netboot.Window) { w.Boots = netboot.BootsDisk }), during},
	{"without a lease", window(func(w *netboot.Window) { w.Leases = nil }), during},
}

var clients = []struct {
	name   string
	client netboot.Request
}{
	{"agent or system", netboot.Request{}},
	{"BIOS PXE", netboot.Request{VendorClass: "PXEClient:Arch:00000:UNDI:002001", Architectures: []netboot.Architecture{0}}},
	{"UEFI PXE", netboot.Request{VendorClass: "PXEClient:Arch:00007:UNDI:003001", Architectures: []netboot.Architecture{7}}},
	{"UEFI HTTP", netboot.Request{VendorClass: "HTTPClient:Arch:00016:UNDI:003001", Architectures: []netboot.Architecture{16}}},
	{"iPXE", netboot.Request{VendorClass: "PXEClient:Arch:00007:UNDI:003010", UserClass: []string{"iPXE"}, Architectures: []netboot.Architecture{7}}},
	{"ARM64 PXE", netboot.Request{VendorClass: "PXEClient:Arch:00011:UNDI:003000", Architectures: []netboot.Architecture{11}}},
}

var messages = []struct {
	name    string
	message func(r *netboot.Request)
}{
	{"discover", func(r *netboot.Request) { r.Type = netboot.Discover }},
	{"select", func(r *netboot.Request) {
		r.Type, r.ServerID, r.Requested = netboot.Ask, server, address.Addr()
	}},
	{"renew", func(r *netboot.Request) { r.Type, r.Current = netboot.Ask, address.Addr() }},
	{"ask proxy", func(r *netboot.Request) { r.Type, r.PXEPort = netboot.Ask, true }},
}

// Every client, in every window, in every mode, with every message: what it is told.
func TestDecisions(t *testing.T) {
	var b strings.Builder
	for _, mode := range []netboot.Mode{netboot.Server, netboot.Proxy, netboot.Off} {
		for _, w := range windows {
			fmt.Fprintf(&b, "\n%s mode, window %s\n", mode, w.name)
			for _, m := range messages {
				for _, c := range clients {
					r := c.client
					r.MAC = mac
					m.message(&r)
					answer, silence := netboot.Decide(settings(mode), w.window, r, w.now)
					fmt.Fprintf(&b, "  %-10s %-16s %s\n", m.name, c.name, words(answer, silence))
				}
			}
		}
	}
	golden(t, "testdata/decisions.golden", b.String())
}

func words(a netboot.Answer, silence netboot.Silence) string {
	if silence != netboot.Answered {
		return "- " + string(silence)
	}
	out := []string{string(a.Type)}
	add := func(name string, present bool, value any) {
		if present {
			out = append(out, fmt.Sprintf("%s=%v", name, value))
		}
	}
	add("address", a.Address.IsValid(), a.Address)
	add("lease", a.Lease > 0, fmt.Sprintf("%v/%v/%v", a.Renew, a.Rebind, a.Lease))
	add("class", a.VendorClass != "", a.VendorClass)
	add("options", len(a.VendorOptions) > 0, fmt.Sprintf("%x", a.VendorOptions))
	add("file", a.BootFile != "", strings.ReplaceAll(a.BootFile, bootID, "BOOT"))
	add("no-proxy", a.NoProxy, true)
	switch {
	case a.To.Broadcast:
		add("to", true, "broadcast")
	case a.To.Source:
		add("to", true, "source")
	default:
		add("to", true, a.To.Address)
	}
	return strings.Join(out, " ")
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got; write it anew with -update):\n%s", path, diff)
	}
}

// The clauses that the table above does not show.
func TestClauses(t *testing.T) {
	ask := func(edit func(r *netboot.Request)) netboot.Request {
		r := netboot.Request{Type: netboot.Ask, MAC: mac}
		edit(&r)
		return r
	}
	tests := []struct {
		name string
		r    netboot.Request
		want string
	}{
		{"RFC 2131 §4.3.2 SELECTING, another server was chosen", ask(func(r *netboot.Request) { r.ServerID, r.Requested = other, address.Addr() }),
			"- client-chose-another-server"},
		{"RFC 2131 §4.3.2 SELECTING, another address", ask(func(r *netboot.Request) { r.ServerID, r.Requested = server, other }), "nak to=broadcast"},
		{"RFC 2131 §4.3.2 INIT-REBOOT, the address of an earlier life", ask(func(r *netboot.Request) { r.Requested = other }), "nak to=broadcast"},
		{"RFC 2131 §4.3.2 INIT-REBOOT, the right address", ask(func(r *netboot.Request) { r.Requested = address.Addr() }),
			"ack address=10.0.0.12/24 lease=12m30s/21m52s/25m0s to=broadcast"},
		{"RFC 2131 §4.3.2 RENEWING, a false ciaddr is never sent to", ask(func(r *netboot.Request) { r.Current = other }), "nak to=broadcast"},
		{"RFC 2131 §4.1 through a relay", ask(func(r *netboot.Request) { r.Relay, r.Requested = relay, address.Addr() }),
			"ack address=10.0.0.12/24 lease=12m30s/21m52s/25m0s to=10.9.0.1"},
		{"RFC 2131 §4.1 a refusal through a relay", ask(func(r *netboot.Request) { r.Relay, r.Requested = relay, other }), "nak to=10.9.0.1"},
		{"RFC 2131 §4.3.3 DECLINE", netboot.Request{Type: netboot.Decline, MAC: mac}, "- message-needs-no-answer"},
		{"RFC 2131 §4.3.4 RELEASE", netboot.Request{Type: netboot.Release, MAC: mac}, "- message-needs-no-answer"},
		{"RFC 2131 §4.3.5 INFORM", netboot.Request{Type: netboot.Inform, MAC: mac}, "- message-needs-no-answer"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			a, silence := netboot.Decide(settings(netboot.Server), window(nil), tc.r, during)
			if got := words(a, silence); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func requests() *rapid.Generator[netboot.Request] {
	return rapid.Custom(func(t *rapid.T) netboot.Request {
		addr := rapid.SampledFrom([]netip.Addr{{}, netip.IPv4Unspecified(), server, address.Addr(), relay, other})
		r := rapid.SampledFrom(clients).Draw(t, "client").client
		r.Type = rapid.SampledFrom([]netboot.MessageType{netboot.Discover, netboot.Ask, netboot.Inform, netboot.Decline, netboot.Release, "?"}).Draw(t, "type")
		r.PXEPort = rapid.Bool().Draw(t, "PXE port")
		r.MAC = rapid.SampledFrom([]netboot.MAC{mac, {}, {1}}).Draw(t, "MAC")
		r.ServerID, r.Requested = addr.Draw(t, "server"), addr.Draw(t, "requested")
		r.Current, r.Relay = addr.Draw(t, "ciaddr"), addr.Draw(t, "giaddr")
		return r
	})
}

// What must hold whatever is asked.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := settings(rapid.SampledFrom([]netboot.Mode{netboot.Server, netboot.Proxy, netboot.Off, ""}).Draw(t, "mode"))
		w := rapid.SampledFrom(windows).Draw(t, "window")
		r := requests().Draw(t, "request")
		a, silence := netboot.Decide(s, w.window, r, w.now)
		again, silenceAgain := netboot.Decide(s, w.window, r, w.now)
		if diff := cmp.Diff(a, again, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" || silence != silenceAgain {
			t.Fatalf("two servers disagree:\n%s", diff)
		}
		if silence != netboot.Answered {
			if !cmp.Equal(a, netboot.Answer{}, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})) {
				t.Fatalf("silent, and yet an answer: %+v", a)
			}
			return
		}
		if w.window == nil || !slices.Contains(w.window.MACs, r.MAC) || !w.window.Open(w.now) {
			t.Fatalf("answered outside of a window: %+v", a)
		}
		if w.window.Redeemed && a.BootFile != "" {
			t.Fatalf("a boot file after the token was redeemed: %+v", a)
		}
		if a.Address.IsValid() && (a.Address != address || a.Lease > w.window.ClosesAt.Sub(w.now) || a.Renew >= a.Rebind || a.Rebind >= a.Lease) {
			t.Fatalf("a wrong lease: %+v", a)
		}
		if to := a.To.Address; to.IsValid() && to != address.Addr() && (!a.To.Relay || to != r.Relay) {
			t.Fatalf("sent to an address that the packet made up: %+v", a)
		}
	})
}

// Every boot file that is offered is one that the servers of files have, and that they give at that moment to the client that was told of it.
func TestWhatIsOfferedIsServed(t *testing.T) {
	offered := 0
	for _, mode := range []netboot.Mode{netboot.Server, netboot.Proxy} {
		for _, w := range windows {
			for _, c := range clients {
				r := c.client
				r.MAC, r.Type = mac, netboot.Discover
				a, silence := netboot.Decide(settings(mode), w.window, r, w.now)
				if silence != netboot.Answered || a.BootFile == "" {
					continue
				}
				offered++
				transport, path := netboot.TFTP, a.BootFile
				if rest, ok := strings.CutPrefix(a.BootFile, "http://10.0.0.1"); ok {
					transport, path = netboot.HTTP, rest
				}
				id, file, ok := netboot.ParsePath(transport, path)
				if !ok || id != bootID || !slices.Contains(netboot.Files(transport), file) {
					t.Errorf("%s is offered %s, which %s does not serve", c.name, a.BootFile, transport)
				}
				if silence := netboot.MayFetch(settings(mode), *w.window, address.Addr(), w.now); silence != netboot.Answered {
					t.Errorf("%s is offered %s, and then not given it: %s", c.name, a.BootFile, silence)
				}
			}
		}
	}
	if offered < 10 {
		t.Errorf("only %d offers were looked at", offered)
	}
}
