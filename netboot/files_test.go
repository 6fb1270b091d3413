package netboot_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/netboot"
)

func TestScript(t *testing.T) {
	got, err := netboot.Script(settings(netboot.Server), *window(nil), netboot.DefaultCommandLine())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/script.golden", got)
	for _, word := range strings.Fields(got) {
		path, isURL := strings.CutPrefix(word, "http://10.0.0.1")
		if !isURL {
			continue
		}
		if id, _, ok := netboot.ParsePath(netboot.HTTP, path); !ok || id != bootID {
			t.Errorf("the script fetches %s, which is not served", word)
		}
	}
}

// CVE-2026-46447 is the class: text of an object that ends up as an iPXE command.
func TestScriptRefusesTextOfOthers(t *testing.T) {
	for _, id := range []string{"", "a\nshell", "a b", "${next-server}", "a/../b", "A", "-a", strings.Repeat("a", 65), "ä"} {
		w := window(func(w *netboot.Window) { w.BootID = id })
		if s, err := netboot.Script(settings(netboot.Server), *w, netboot.DefaultCommandLine()); err == nil {
			t.Errorf("boot ID %q is in the script:\n%s", id, s)
		}
	}
	for _, console := range []netboot.Console{"", "tty0 init=/bin/sh", "ttyS0\nshell", "ttyS0,115200n8;", "${net0/mac}", "tty0\n"} {
		c := netboot.CommandLine{Consoles: []netboot.Console{console}}
		if s, err := netboot.Script(settings(netboot.Server), *window(nil), c); err == nil {
			t.Errorf("console %q is in the script:\n%s", console, s)
		}
		if c.String() != "" {
			t.Errorf("console %q is in the command line %q", console, c)
		}
	}
}

func TestArgumentsOfTheSite(t *testing.T) {
	s := settings(netboot.Server)
	s.Arguments = []string{"nomodeset", "pci=noaer,nommconf"}
	c := netboot.DefaultCommandLine()
	c.Extra = []string{"mitigations=off"}
	got, err := netboot.Script(s, *window(nil), c)
	if err != nil || !strings.Contains(got, " mitigations=off nomodeset pci=noaer,nommconf || goto again\n") {
		t.Errorf("%v:\n%s", err, got)
	}
	for _, bad := range []string{"", " ", "a b", "a\nshell", "${net0/mac}", "a=${x}", "console=ttyS1", "init=/bin/sh", "rdinit=/bin/sh", "ip=dhcp", "ingot.x=1", "a='b'", "a\\", "a||b", "a;b", strings.Repeat("a", 65), "-a", "a\n"} {
		if err := netboot.CheckArgument(bad); err == nil {
			t.Errorf("the argument %q is taken", bad)
		}
		s.Arguments = []string{bad}
		if got, err := netboot.Script(s, *window(nil), c); err == nil {
			t.Errorf("the argument %q is in the script:\n%s", bad, got)
		}
		if line := (netboot.CommandLine{Extra: []string{bad}}).String(); line != "" {
			t.Errorf("the argument %q is in the command line %q", bad, line)
		}
	}
	if err := (netboot.CommandLine{Extra: make([]string, 17)}).Validate(); err == nil {
		t.Error("17 arguments are taken")
	}
}

func TestPortInURLs(t *testing.T) {
	s := settings(netboot.Server)
	s.HTTPPort = 8080
	r := netboot.Request{Type: netboot.Discover, MAC: mac, UserClass: []string{"iPXE"}}
	a, silence := netboot.Decide(s, window(nil), r, during)
	if want := "http://10.0.0.1:8080/boot/" + bootID + "/boot.ipxe"; a.BootFile != want || silence != netboot.Answered {
		t.Errorf("boot file %q (%s), want %q", a.BootFile, silence, want)
	}
}

func TestMayFetch(t *testing.T) {
	tests := []struct {
		name string
		mode netboot.Mode
		w    *netboot.Window
		from netip.Addr
		now  time.Time
		want netboot.Silence
	}{
		{"the machine", netboot.Server, window(nil), address.Addr(), during, netboot.Answered},
		{"the machine, as a dual-stack socket sees it", netboot.Server, window(nil), netip.MustParseAddr("::ffff:10.0.0.12"), during, netboot.Answered},
		{"a neighbour", netboot.Server, window(nil), other, during, netboot.SilentForeignAddress},
		{"anybody, when another server gives addresses", netboot.Proxy, window(func(w *netboot.Window) { w.Leases = nil }), other, during, netboot.Answered},
		{"too early", netboot.Server, window(nil), address.Addr(), opens.Add(-1), netboot.SilentNotOpen},
		{"too late", netboot.Server, window(nil), address.Addr(), closes, netboot.SilentClosed},
		{"redeemed", netboot.Server, window(func(w *netboot.Window) { w.Redeemed = true }), address.Addr(), during, netboot.SilentRedeemed},
		{"for media", netboot.Server, window(func(w *netboot.Window) { w.Boots = netboot.BootsMedia }), address.Addr(), during, netboot.SilentNoFile},
		{"for the disk", netboot.Server, window(func(w *netboot.Window) { w.Boots = netboot.BootsDisk }), address.Addr(), during, netboot.SilentNoFile},
		{"off", netboot.Off, window(nil), address.Addr(), during, netboot.SilentOff},
	}
	for _, tc := range tests {
		if got := netboot.MayFetch(settings(tc.mode), *tc.w, tc.from, tc.now); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestMayRead(t *testing.T) {
	media := func(w *netboot.Window) { w.Boots = netboot.BootsMedia }
	tests := []struct {
		name string
		w    *netboot.Window
		now  time.Time
		want netboot.Silence
	}{
		{"open", window(media), during, netboot.Answered},
		{"too early", window(media), opens.Add(-1), netboot.SilentNotOpen},
		{"too late", window(media), closes, netboot.SilentClosed},
		{"redeemed", window(func(w *netboot.Window) { media(w); w.Redeemed = true }), during, netboot.SilentRedeemed},
		{"a boot over the network", window(nil), during, netboot.SilentNoFile},
	}
	for _, tc := range tests {
		if got := netboot.MayRead(*tc.w, tc.now); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestWindowCheck(t *testing.T) {
	for _, good := range []func(*netboot.Window){nil, func(w *netboot.Window) { w.Leases[0].Address = netip.MustParsePrefix("fd00::1/64") }} {
		if err := window(good).Check(); err != nil {
			t.Errorf("a good window: %v", err)
		}
	}
	bad := map[string]func(w *netboot.Window){
		"closes before it opens":                  func(w *netboot.Window) { w.ClosesAt = w.OpensAt },
		"lease of a multicast address":            func(w *netboot.Window) { w.Leases[0].Address = netip.MustParsePrefix("ff02::1/64") },
		"lease of a link-local address":           func(w *netboot.Window) { w.Leases[0].Address = netip.MustParsePrefix("fe80::1/64") },
		"lease of an IPv4 address in IPv6's form": func(w *netboot.Window) { w.Leases[0].Address = netip.MustParsePrefix("::ffff:10.0.0.1/120") },
		"no address": func(w *netboot.Window) { w.Leases[0].Address = netip.Prefix{} },
	}
	for name, edit := range bad {
		if err := window(edit).Check(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"/boot/a/boot.ipxe", "a/snponly.efi", "/a/undionly.kpxe", "/boot/../etc/passwd", "/boot//vmlinuz", "\x00", "boot.ipxe"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		for _, transport := range []netboot.Transport{netboot.TFTP, netboot.HTTP} {
			id, file, ok := netboot.ParsePath(transport, path)
			if ok && (id == "" || strings.Contains(id, "/") || !strings.HasSuffix(path, id+"/"+file)) {
				t.Fatalf("%s %q became boot %q and file %q", transport, path, id, file)
			}
		}
	})
}

func FuzzParseMAC(f *testing.F) {
	f.Add("52:54:00:12:34:56")
	f.Add("52:54:00:12:34:5")
	f.Add("5254.0012.3456")
	f.Add("::::::::::::::::7")
	f.Fuzz(func(t *testing.T, s string) {
		if m, err := netboot.ParseMAC(s); err == nil && m.String() != strings.ToLower(s) {
			t.Fatalf("%q became %s", s, m)
		}
	})
}
