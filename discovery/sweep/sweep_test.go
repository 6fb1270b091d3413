package sweep

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		texts string
		size  int
		first string
		last  string
		err   string
	}{
		{"10.0.0.5", 1, "10.0.0.5", "10.0.0.5", ""},
		{"10.0.0.0/24", 254, "10.0.0.1", "10.0.0.254", ""},
		{"10.0.0.0/31", 2, "10.0.0.0", "10.0.0.1", ""},
		{"10.0.0.250-10.0.1.5", 12, "10.0.0.250", "10.0.1.5", ""},
		{"10.0.0.9,10.0.0.5-10.0.0.8,10.0.0.7", 5, "10.0.0.5", "10.0.0.9", ""},
		{"10.0.0.0/16", 65534, "10.0.0.1", "10.0.255.254", ""},
		{"2001:db8::5,10.0.0.1", 2, "10.0.0.1", "2001:db8::5", ""},
		{"2001:db8::10-2001:db8::1f", 16, "2001:db8::10", "2001:db8::1f", ""},
		{"2001:db8::/112", 65536, "2001:db8::", "2001:db8::ffff", ""},
		{"2001:db8::/64", 0, "", "", "more than 65536"},
		{"10.0.0.0/15", 0, "", "", "more than 65536"},
		{"10.0.0.0-10.255.0.0", 0, "", "", "more than 65536"},
		{"2001:db8::-2001:db8:0:1::", 0, "", "", "more than 65536"},
		{"10.0.0.0/16,10.1.0.0/24", 0, "", "", "all ranges together"},
		{"10.0.0.5/24", 0, "", "", "10.0.0.0/24 is meant"},
		{"10.0.0.9-10.0.0.5", 0, "", "", "before the first"},
		{"10.0.0.9-2001:db8::", 0, "", "", "the other IPv6"},
		{"bmc1.example.org", 0, "", "", "no IP address"},
		{"fe80::1%eth0", 0, "", "", "zone"},
		{"fe80::1", 0, "", "", "one link"},
		{"::ffff:10.0.0.1", 0, "", "", "as IPv4"},
		{"224.0.0.1", 0, "", "", "no machine's"},
		{"255.255.255.255", 0, "", "", "no machine's"},
		{"0.0.0.0", 0, "", "", "no machine's"},
		{"", 0, "", "", "no IP address"},
	} {
		r, err := Parse(strings.Split(c.texts, ","))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want …%s…", c.texts, err, c.err)
			}
			continue
		}
		if err != nil || r.Size() != c.size || r.At(0).String() != c.first || r.At(c.size-1).String() != c.last || r.At(c.size).IsValid() || r.At(-1).IsValid() {
			t.Errorf("%s: %v, %d from %s to %s", c.texts, err, r.Size(), r.At(0), r.At(r.Size()-1))
		}
	}
}

// A pass gives each address of the ranges once and none besides, whatever the ranges and the seed.
func TestPassIsWholeAndStaysInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var texts []string
		for range rapid.IntRange(1, 5).Draw(t, "ranges") {
			first := netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 3).Draw(t, "net")), byte(rapid.IntRange(1, 250).Draw(t, "host"))})
			texts = append(texts, first.String()+"-"+add(first, uint64(rapid.IntRange(0, 300).Draw(t, "size"))).String())
		}
		r, err := Parse(texts)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[netip.Addr]bool{}
		p := NewPass(r, rapid.Uint64().Draw(t, "seed"))
		for a, more := p.Next(); more; a, more = p.Next() {
			if seen[a] || !r.Contains(a) {
				t.Fatalf("%v: %s again or outside", texts, a)
			}
			seen[a] = true
		}
		if len(seen) != r.Size() {
			t.Fatalf("%v: %d of %d", texts, len(seen), r.Size())
		}
	})
}

func TestContains(t *testing.T) {
	r, err := Parse([]string{"10.0.0.0/24", "2001:db8::/120"})
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]bool{"10.0.0.1": true, "10.0.0.255": false, "10.0.1.1": false, "2001:db8::9": true, "2001:db8::9%eth0": false, "2001:db9::": false, "::ffff:10.0.0.1": false} {
		if r.Contains(netip.MustParseAddr(a)) != want {
			t.Errorf("%s: %v", a, !want)
		}
	}
	if r.Contains(netip.Addr{}) {
		t.Error("no address is contained")
	}
}

// Twenty probes a second are ten addresses a second, and what was not used is not made up for.
func TestPace(t *testing.T) {
	var p Pace
	now := noon
	for i := range 25 {
		if at := p.Take(now); at != noon.Add(time.Duration(i)*100*time.Millisecond) {
			t.Fatalf("%d: %s", i, at.Sub(noon))
		}
	}
	now = noon.Add(time.Hour)
	if at := p.Take(now); at != now {
		t.Error("it waits without need")
	}
	if at := p.Take(now); at != now.Add(100*time.Millisecond) {
		t.Error("unused time came back as a burst")
	}
	fast := Pace{ProbesPerSecond: 200}
	fast.Take(now)
	if at := fast.Take(now); at != now.Add(10*time.Millisecond) {
		t.Errorf("%s", at.Sub(now))
	}
}

func TestDue(t *testing.T) {
	scan := ingot.BMCScan{Ranges: []string{"10.0.0.0/24"}, IntervalMinutes: 60}
	at := func(minutes int) *metav1.Time {
		m := metav1.NewTime(noon.Add(time.Duration(minutes) * time.Minute))
		return &m
	}
	whole := ingot.BMCScanStatus{Ranges: scan.Ranges, StartedAt: at(0), FinishedAt: at(5), Request: "a"}
	for _, c := range []struct {
		name    string
		last    *ingot.BMCScanStatus
		request string
		now     int
		due     bool
	}{
		{"never", nil, "", 0, true},
		{"only a problem", &ingot.BMCScanStatus{Problem: "x"}, "", 0, true},
		{"just now", &whole, "a", 6, false},
		{"nearly the interval", &whole, "a", 53, false},
		{"more than the interval", &whole, "a", 67, true},
		{"asked for", &whole, "b", 6, true},
		{"a request that was removed", &whole, "", 6, false},
		{"other ranges", &ingot.BMCScanStatus{Ranges: []string{"10.0.1.0/24"}, StartedAt: at(0), FinishedAt: at(5)}, "", 6, true},
		{"broken off", &ingot.BMCScanStatus{Ranges: scan.Ranges, StartedAt: at(5), FinishedAt: at(0)}, "", 6, true},
		{"the first one broken off", &ingot.BMCScanStatus{Ranges: scan.Ranges, StartedAt: at(5)}, "", 6, true},
	} {
		now := noon.Add(time.Duration(c.now) * time.Minute)
		if d := Due("site1", scan, c.request, c.last, now); d.After(now) == c.due {
			t.Errorf("%s: due at %s", c.name, d)
		}
	}
	// Sites that began together do not go on together, and the same site says the same twice.
	times := map[time.Time]bool{}
	for _, site := range []string{"a", "b", "c", "d", "e", "f"} {
		d := Due(site, scan, "a", &whole, noon)
		if d != Due(site, scan, "a", &whole, noon.Add(time.Minute)) {
			t.Errorf("%s: it changes its mind", site)
		}
		if d.Before(noon.Add(54*time.Minute)) || d.After(noon.Add(66*time.Minute)) {
			t.Errorf("%s: %s", site, d.Sub(noon))
		}
		times[d] = true
	}
	if len(times) < 4 {
		t.Errorf("%d different times for six sites", len(times))
	}
	if d := Due("a", ingot.BMCScan{Ranges: scan.Ranges}, "a", &whole, noon); d.Before(noon.Add(5 * time.Hour)) {
		t.Errorf("without an interval: %s", d.Sub(noon))
	}
}

func TestWanted(t *testing.T) {
	r, err := Parse([]string{"10.0.0.0/24"})
	if err != nil {
		t.Fatal(err)
	}
	object := func(ip string, change func(*ingot.DiscoveredHost)) ingot.DiscoveredHost {
		o := ingot.DiscoveredHost{Spec: ingot.DiscoveredHostSpec{Partition: "site1", Source: ingot.SourceLease, BMCIPAddress: ip}}
		if change != nil {
			change(&o)
		}
		return o
	}
	objects := []ingot.DiscoveredHost{
		object("10.0.0.5", nil), object("10.0.9.5", nil), object("", nil),
		object("10.0.0.6", func(o *ingot.DiscoveredHost) { o.Spec.Partition = "other" }),
		object("10.0.0.7", func(o *ingot.DiscoveredHost) { o.Spec.Ignore = true }),
		object("10.0.0.8", func(o *ingot.DiscoveredHost) { o.Status.BMC = &ingot.DiscoveredBMC{IPAddress: "10.0.0.8"} }),
		object("10.0.0.9", func(o *ingot.DiscoveredHost) { o.Status.Host = &ingot.HostReference{} }),
		object("10.0.0.10", func(o *ingot.DiscoveredHost) {
			o.Status.BMC = &ingot.DiscoveredBMC{IPAddress: "10.0.0.10"}
			o.Status.Netboot = &ingot.NetbootRequests{BMC: true, Address: "10.0.0.11"}
		}),
	}
	var w Wanted
	got := w.Of(objects, "site1", r, noon)
	if len(got) != 2 || got[0].String() != "10.0.0.5" || got[1].String() != "10.0.0.11" {
		t.Errorf("%v", got)
	}
	if got := w.Of(objects, "site1", r, noon.Add(9*time.Minute)); len(got) != 0 {
		t.Errorf("again too soon: %v", got)
	}
	if got := w.Of(objects, "site1", r, noon.Add(11*time.Minute)); len(got) != 2 {
		t.Errorf("not again: %v", got)
	}
	// A flood of made-up leases is bounded.
	big, err := Parse([]string{"10.1.0.0/16"})
	if err != nil {
		t.Fatal(err)
	}
	var flood []ingot.DiscoveredHost
	for i := range 2000 {
		flood = append(flood, object(big.At(i).String(), nil))
	}
	if got := w.Of(flood, "site1", big, noon.Add(30*time.Minute)); len(got) != MostWanted {
		t.Errorf("%d at once", len(got))
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"10.0.0.0/24", "10.0.0.1-10.0.0.9", "2001:db8::/120", "::-::", "-", "/", "1.2.3.4/33", "ffff::-ffff::ffff", "255.255.255.0/24", "::/128"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse([]string{s})
		if err != nil {
			return
		}
		if r.Size() < 1 || r.Size() > MaxAddresses || !r.Contains(r.At(0)) || !r.Contains(r.At(r.Size()-1)) {
			t.Errorf("%q: %d addresses", s, r.Size())
		}
	})
}
