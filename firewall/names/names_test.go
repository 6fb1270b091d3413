package names_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/firewall/names"
)

func TestPatterns(t *testing.T) {
	for _, good := range []string{"example.org", "*.example.org", "a-b.c_d.example", "_srv._tcp.example.org", "xn--bcher-kva.example"} {
		if err := names.Check(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"", ".", "*", "*.", "org", "*.org", "a..b", "A.example", "example.org.", "*.*.example.org", "a.*.example.org", "*a.example.org", "-a.example", "a-.example", "a b.example", "192.0.2.1",
		"*.192.0.2.1", strings.Repeat("a", 64) + ".example", strings.Repeat("abcdefghi.", 26) + "example",
	} {
		if err := names.Check(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"example.org", "example.org", true}, {"example.org", "a.example.org", false}, {"*.example.org", "a.example.org", true}, {"*.example.org", "a.b.example.org", true},
		{"*.example.org", "example.org", false}, {"*.example.org", ".example.org", false}, {"*.example.org", "badexample.org", false}, {"*.example.org", "a.example.org.evil.example", false},
	} {
		if names.Match(c.pattern, c.name) != c.want {
			t.Errorf("%s of %s: want %v", c.name, c.pattern, c.want)
		}
	}
}

func TestSpecialAddresses(t *testing.T) {
	for _, bad := range []string{
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.31.0.1", "192.168.1.1", "224.0.0.1", "255.255.255.255", "::", "::1", "::10.0.0.1", "::ffff:10.0.0.1",
		"::ffff:198.51.100.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:1::", "fd00::1", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1%eth0",
	} {
		if !names.Special(netip.MustParseAddr(bad)) {
			t.Errorf("%s is let be", bad)
		}
	}
	for _, good := range []string{"1.1.1.1", "172.32.0.1", "192.0.2.1", "100.128.0.1", "2606:4700::1111", "2001:db8::1"} {
		if names.Special(netip.MustParseAddr(good)) {
			t.Errorf("%s is special", good)
		}
	}
}

var (
	start  = time.Unix(1_800_000_000, 0)
	bounds = names.Bounds{Least: time.Minute, Most: time.Hour, Grace: 20 * time.Second, PerName: 3, Total: 7, Remember: 2 * time.Hour}
)

func at(last byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, last}) }

func addresses(all []names.Element) string {
	var texts []string
	for _, e := range all {
		texts = append(texts, strings.TrimPrefix(e.Address.String(), "192.0.2."))
	}
	return strings.Join(texts, " ")
}

func TestTableBoundsTime(t *testing.T) {
	for ttl, want := range map[time.Duration]time.Duration{0: 80 * time.Second, 5 * time.Minute: 320 * time.Second, 24 * time.Hour: 3620 * time.Second} {
		table := names.NewTable(bounds, nil, start)
		l := table.Learn("a.example", []netip.Addr{at(1)}, ttl, start)
		if len(l.Add) != 1 || l.Add[0].Until.Sub(start) != want {
			t.Errorf("TTL %s: %+v, want %s", ttl, l, want)
		}
		of := func(when time.Duration) int { return len(table.Of([]string{"*.example"}, start.Add(when))) }
		if of(want-1) != 1 || of(want) != 0 {
			t.Errorf("TTL %s: it is there %d and %d times", ttl, of(want-1), of(want))
		}
		if !table.Had([]string{"a.example"}, at(1)) || table.Had([]string{"b.example"}, at(1)) {
			t.Errorf("TTL %s: what was is not remembered", ttl)
		}
		if table.Tidy([]string{"a.example"}, start.Add(want+bounds.Remember)); table.Had([]string{"a.example"}, at(1)) {
			t.Errorf("TTL %s: it is remembered for too long", ttl)
		}
	}
}

// An answer from a cache, whose TTL counts down, writes nothing; one that holds longer does.
func TestTableWritesWhatIsNew(t *testing.T) {
	table := names.NewTable(bounds, nil, start)
	table.Learn("a.example", []netip.Addr{at(1)}, 10*time.Minute, start)
	for _, c := range []struct {
		after, ttl time.Duration
		want       int
	}{{time.Minute, 9 * time.Minute, 0}, {5 * time.Second, 10 * time.Minute, 0}, {11 * time.Second, 10 * time.Minute, 1}} {
		if l := table.Learn("a.example", []netip.Addr{at(1)}, c.ttl, start.Add(c.after)); len(l.Add) != c.want {
			t.Errorf("after %s: %+v", c.after, l)
		}
	}
}

func TestTableBoundsNumbers(t *testing.T) {
	table := names.NewTable(bounds, nil, start)
	table.Learn("a.example", []netip.Addr{at(1), at(2), at(3)}, time.Minute, start)
	l := table.Learn("a.example", []netip.Addr{at(4)}, time.Minute, start.Add(time.Second))
	if len(l.Gone) != 1 || addresses(l.Add) != "4" || len(table.Of([]string{"a.example"}, start)) != 3 {
		t.Errorf("the fourth address: %+v", l)
	}
	// An answer with more than a name may have: its first ones are taken.
	if l := table.Learn("b.example", []netip.Addr{at(11), at(12), at(13), at(14)}, time.Minute, start); addresses(l.Add) != "11 12 13" {
		t.Errorf("too long an answer: %+v", l)
	}
	table.Learn("c.example", []netip.Addr{at(21)}, time.Minute, start)
	if l := table.Learn("d.example", []netip.Addr{at(31)}, time.Minute, start); !l.Full || len(table.All()) != 7 {
		t.Errorf("an eighth: %+v", l)
	}
	if l := table.Learn("c.example", []netip.Addr{at(21)}, time.Hour, start); l.Full || addresses(l.Add) != "21" {
		t.Errorf("one that is there, for longer: %+v", l)
	}
	// What is only remembered makes room.
	if l := table.Learn("d.example", []netip.Addr{at(31)}, time.Minute, start.Add(10*time.Minute)); l.Full || addresses(table.All()) != "21 31" {
		t.Errorf("after the others went: %+v, %+v", l, table.All())
	}
}

func TestTableIsKept(t *testing.T) {
	table := names.NewTable(bounds, nil, start)
	table.Learn("a.example", []netip.Addr{at(1)}, time.Minute, start)
	table.Learn("b.example", []netip.Addr{at(2)}, time.Minute, start)
	kept := append(table.All(), names.Element{Name: "c.example", Address: netip.MustParseAddr("10.0.0.1"), Until: start.Add(time.Minute)}, names.Element{Name: "NO", Address: at(9), Until: start.Add(time.Minute)},
		names.Element{Name: "d.example", Address: at(4), Until: start.Add(1000 * time.Hour)})
	again := names.NewTable(bounds, kept, start)
	if addresses(again.All()) != "1 2 4" || again.All()[2].Until.Sub(start) != bounds.Most+bounds.Grace {
		t.Errorf("%+v", again.All())
	}
	again.Tidy([]string{"b.example"}, start)
	if addresses(again.All()) != "2" {
		t.Errorf("%+v", again.All())
	}
	if !slices.Equal(names.NewTable(bounds, table.All(), start).All(), table.All()) {
		t.Error("what was kept is not what was there")
	}
}
