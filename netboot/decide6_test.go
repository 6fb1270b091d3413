package netboot_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ingotmetal/ingot/netboot"
)

var (
	server6  = netip.MustParseAddr("fd00::1")
	address6 = netip.MustParsePrefix("fd00::12/64")
	iaid     = [4]byte{0, 0, 0, 1}
)

func settings6() netboot.Settings {
	return netboot.Settings{Mode: netboot.Server, BootServer: server6, HTTPPort: 8080, DNSServers: []netip.Addr{netip.MustParseAddr("fd00::53")}}
}

func window6(edit func(*netboot.Window)) *netboot.Window {
	return window(func(w *netboot.Window) {
		w.Leases = []netboot.Lease{{MAC: mac, Address: address6}}
		if edit != nil {
			edit(w)
		}
	})
}

func asks(kind netboot.MessageType6, edit func(*netboot.Request6)) netboot.Request6 {
	r := netboot.Request6{Type: kind, MAC: mac, Associations: []netboot.Association{{ID: iaid}}}
	switch kind {
	case netboot.Ask6, netboot.Renew, netboot.Release6, netboot.Decline6:
		r.ServerID = settings6().ServerID6()
	case netboot.Inform6:
		r.Associations = nil
	case netboot.Solicit, netboot.Confirm, netboot.Rebind:
	}
	if edit != nil {
		edit(&r)
	}
	return r
}

func firmware6(class string, arch netboot.Architecture) func(*netboot.Request6) {
	return func(r *netboot.Request6) {
		r.VendorClass, r.Architectures = class, []netboot.Architecture{arch}
	}
}

// What is answered to each message that RFC 8415 §18.3 has, and with which boot file.
func TestDecide6(t *testing.T) {
	lease := netboot.Granted{ID: iaid, Address: address6.Addr(), Lease: 25 * time.Minute, Renew: 12*time.Minute + 30*time.Second, Rebind: 21*time.Minute + 52*time.Second}
	plain := netboot.Answer6{Type: netboot.Reply, ServerID: settings6().ServerID6(), DNSServers: settings6().DNSServers, Associations: []netboot.Granted{lease}}
	with := func(a netboot.Answer6, edit func(*netboot.Answer6)) netboot.Answer6 { edit(&a); return a }
	success, elsewhere := netboot.StatusSuccess, netboot.StatusNotOnLink
	has := func(addrs ...string) func(*netboot.Request6) {
		return func(r *netboot.Request6) {
			for _, a := range addrs {
				r.Associations[0].Addresses = append(r.Associations[0].Addresses, netip.MustParseAddr(a))
			}
		}
	}
	advertise := with(plain, func(a *netboot.Answer6) { a.Type, a.Preferred = netboot.Advertise, true })
	status := func(s *netboot.Status) netboot.Answer6 {
		return netboot.Answer6{Type: netboot.Reply, ServerID: plain.ServerID, Status: s}
	}
	for name, c := range map[string]struct {
		r    netboot.Request6
		want netboot.Answer6
	}{
		"solicit":              {asks(netboot.Solicit, nil), advertise},
		"solicit, with a wish": {asks(netboot.Solicit, has("fd00::99")), advertise},
		"rapid commit":         {asks(netboot.Solicit, func(r *netboot.Request6) { r.RapidCommit = true }), with(plain, func(a *netboot.Answer6) { a.RapidCommit = true })},
		"request":              {asks(netboot.Ask6, has("fd00::12")), plain},
		"renew":                {asks(netboot.Renew, has("fd00::12")), plain},
		"rebind":               {asks(netboot.Rebind, has("fd00::12")), plain},
		"renew another's": {asks(netboot.Renew, has("fd00::13")), with(plain, func(a *netboot.Answer6) {
			g := lease
			g.Withdrawn = []netip.Addr{netip.MustParseAddr("fd00::13")}
			a.Associations = []netboot.Granted{g}
		})},
		"confirm":                {asks(netboot.Confirm, has("fd00::12")), status(&success)},
		"confirm another link's": {asks(netboot.Confirm, has("fd00::12", "fd01::12")), status(&elsewhere)},
		"release":                {asks(netboot.Release6, has("fd00::12")), status(&success)},
		"decline":                {asks(netboot.Decline6, has("fd00::12")), status(&success)},
		"information":            {asks(netboot.Inform6, nil), with(plain, func(a *netboot.Answer6) { a.Associations = nil })},
		"two associations": {asks(netboot.Ask6, func(r *netboot.Request6) {
			r.Associations = append(r.Associations, netboot.Association{ID: [4]byte{2}})
		}),
			with(plain, func(a *netboot.Answer6) {
				a.Associations = []netboot.Granted{lease, {ID: [4]byte{2}, Status: netboot.StatusNoAddress}}
			})},
		"PXE": {asks(netboot.Solicit, firmware6("PXEClient:Arch:00007:UNDI:003000", netboot.ArchUEFIx64)),
			with(advertise, func(a *netboot.Answer6) {
				a.BootFile = "tftp://[fd00::1]/" + bootID + "/snponly.efi"
			})},
		"HTTP": {asks(netboot.Solicit, firmware6("HTTPClient:Arch:00016:UNDI:003000", netboot.ArchHTTPx64)),
			with(advertise, func(a *netboot.Answer6) {
				a.BootFile, a.VendorClass = "http://[fd00::1]:8080/boot/"+bootID+"/ipxe.efi", "HTTPClient"
			})},
		"iPXE": {asks(netboot.Ask6, func(r *netboot.Request6) { r.UserClass = []string{"iPXE"} }),
			with(plain, func(a *netboot.Answer6) { a.BootFile = "http://[fd00::1]:8080/boot/" + bootID + "/boot.ipxe" })},
	} {
		got, silence := netboot.Decide6(settings6(), window6(nil), c.r, during)
		if silence != netboot.Answered {
			t.Errorf("%s: %s", name, silence)
		} else if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSilences6(t *testing.T) {
	pxe := firmware6("PXEClient:Arch:00007:UNDI:003000", netboot.ArchUEFIx64)
	for name, c := range map[string]struct {
		s    func(*netboot.Settings)
		w    *netboot.Window
		r    netboot.Request6
		now  time.Time
		want netboot.Silence
	}{
		"off":                           {s: func(s *netboot.Settings) { s.Mode = netboot.Off }, r: asks(netboot.Solicit, nil), want: netboot.SilentOff},
		"proxy":                         {s: func(s *netboot.Settings) { s.Mode = netboot.Proxy }, r: asks(netboot.Solicit, nil), want: netboot.SilentNotProxied},
		"an IPv4 network":               {s: func(s *netboot.Settings) { s.BootServer = netip.MustParseAddr("10.0.0.1") }, r: asks(netboot.Solicit, nil), want: netboot.SilentUnconfigured},
		"a stranger":                    {r: asks(netboot.Solicit, func(r *netboot.Request6) { r.MAC[5]++ }), want: netboot.SilentUnknown},
		"too early":                     {r: asks(netboot.Solicit, nil), now: opens.Add(-1), want: netboot.SilentNotOpen},
		"too late":                      {r: asks(netboot.Renew, nil), now: closes, want: netboot.SilentClosed},
		"no IPv6 lease":                 {w: window(nil), r: asks(netboot.Solicit, nil), want: netboot.SilentNoLease},
		"another server":                {r: asks(netboot.Ask6, func(r *netboot.Request6) { r.ServerID = []byte{0, 1} }), want: netboot.SilentOtherServer},
		"solicit with a server":         {r: asks(netboot.Solicit, func(r *netboot.Request6) { r.ServerID = settings6().ServerID6() }), want: netboot.SilentNothingToSay},
		"request without one":           {r: asks(netboot.Ask6, func(r *netboot.Request6) { r.ServerID = nil }), want: netboot.SilentNothingToSay},
		"information with an address":   {r: asks(netboot.Inform6, func(r *netboot.Request6) { r.Associations = []netboot.Association{{}} }), want: netboot.SilentNothingToSay},
		"confirm of nothing":            {r: asks(netboot.Confirm, nil), want: netboot.SilentNothingToSay},
		"another firmware":              {r: asks(netboot.Solicit, firmware6("PXEClient:Arch:00011", 11)), want: netboot.SilentArchitecture},
		"a boot file after redemption":  {w: window6(func(w *netboot.Window) { w.Redeemed = true }), r: asks(netboot.Solicit, pxe), want: netboot.SilentRedeemed},
		"an inquiry after redemption":   {w: window6(func(w *netboot.Window) { w.Redeemed = true }), r: asks(netboot.Inform6, nil), want: netboot.SilentRedeemed},
		"a renewal after redemption":    {w: window6(func(w *netboot.Window) { w.Redeemed = true }), r: asks(netboot.Renew, nil), want: netboot.Answered},
		"an address in a disk's window": {w: window6(func(w *netboot.Window) { w.Boots = netboot.BootsDisk }), r: asks(netboot.Solicit, pxe), want: netboot.Answered},
	} {
		s, w := settings6(), c.w
		if c.s != nil {
			c.s(&s)
		}
		if w == nil {
			w = window6(nil)
		}
		if c.now.IsZero() {
			c.now = during
		}
		a, got := netboot.Decide6(s, w, c.r, c.now)
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if got == netboot.Answered && a.BootFile != "" {
			t.Errorf("%s: boot file %q", name, a.BootFile)
		}
	}
}

// Every boot server of a partition has the same identity, and no two partitions' have.
func TestServerID6(t *testing.T) {
	other := settings6()
	other.BootServer = netip.MustParseAddr("fd00::2")
	a, b := settings6().ServerID6(), other.ServerID6()
	if string(a) != string(settings6().ServerID6()) || string(a) == string(b) || len(a) != 18 || a[0] != 0 || a[1] != 4 {
		t.Errorf("% x and % x", a, b)
	}
}

func TestMayFetchOverIPv6(t *testing.T) {
	for from, want := range map[string]netboot.Silence{
		"fd00::12":                  netboot.Answered,
		"fd00::5054:ff:fe12:3456":   netboot.Answered, // made of the MAC, in the lease's network
		"fd01::5054:ff:fe12:3456":   netboot.SilentForeignAddress,
		"fd00::5054:ff:fe12:3457":   netboot.SilentForeignAddress,
		"fd00::13":                  netboot.SilentForeignAddress,
		"::ffff:10.0.0.12":          netboot.SilentForeignAddress,
		"fe80::5054:ff:fe12:3456%a": netboot.SilentForeignAddress,
	} {
		if got := netboot.MayFetch(settings6(), *window6(nil), netip.MustParseAddr(from), during); got != want {
			t.Errorf("from %s: %q, want %q", from, got, want)
		}
	}
}

func TestScriptOverIPv6(t *testing.T) {
	got, err := netboot.Script(settings6(), *window6(nil), netboot.DefaultCommandLine())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/script6.golden", got)
}
