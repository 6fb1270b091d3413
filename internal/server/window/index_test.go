package window_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
)

var opens = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func entry(id, medium string, at time.Duration, macs ...netboot.MAC) window.Entry {
	return window.Entry{MediumName: medium, Window: netboot.Window{
		BootID: id, Boots: netboot.BootsAgent, MACs: macs, OpensAt: opens.Add(at), ClosesAt: opens.Add(at + time.Hour)}}
}

// Whatever is put in, replaced and taken out, in whatever order: the index finds what a plain search of all windows finds.
func TestFindsWhatASearchFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		index, all := window.New(), map[string]window.Entry{}
		id := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		mac := rapid.SampledFrom([]netboot.MAC{{1}, {2}, {3}})
		for range rapid.IntRange(0, 30).Draw(t, "changes") {
			boot := id.Draw(t, "boot")
			if rapid.Bool().Draw(t, "remove") {
				index.Remove(boot)
				delete(all, boot)
				continue
			}
			e := entry(boot, boot+"-medium", time.Duration(rapid.IntRange(0, 3).Draw(t, "opens"))*time.Minute, rapid.SliceOfN(mac, 0, 3).Draw(t, "MACs")...)
			if err := index.Put(e); err != nil {
				t.Fatal(err)
			}
			all[boot] = e
		}
		for _, m := range []netboot.MAC{{1}, {2}, {3}} {
			if got, want := index.ByMAC(m), search(all, m); (got == nil) != (want == "") || got != nil && got.BootID != want {
				t.Fatalf("MAC %s: %+v, want boot %q", m, got, want)
			}
		}
		for _, boot := range []string{"a", "b", "c", "d"} {
			_, want := all[boot]
			if (index.ByBoot(boot) != nil) != want || (index.ByMedium(boot+"-medium") != nil) != want {
				t.Fatalf("boot %s is found: %v", boot, !want)
			}
		}
		if len(index.Boots()) != len(all) {
			t.Fatalf("%d boots, want %d", len(index.Boots()), len(all))
		}
	})
}

func search(all map[string]window.Entry, m netboot.MAC) string {
	best := ""
	for id, e := range all {
		if !slices.Contains(e.MACs, m) {
			continue
		}
		if best == "" || e.OpensAt.After(all[best].OpensAt) || e.OpensAt.Equal(all[best].OpensAt) && id > best {
			best = id
		}
	}
	return best
}

func TestABadWindowIsForgotten(t *testing.T) {
	index := window.New()
	good := entry("boot", "", 0, netboot.MAC{1})
	if err := index.Put(good); err != nil {
		t.Fatal(err)
	}
	bad := good
	bad.Leases = []netboot.Lease{{MAC: netboot.MAC{1}, Address: netip.MustParsePrefix("fe80::1/64")}}
	if err := index.Put(bad); err == nil {
		t.Fatal("a window with a link-local lease was taken")
	}
	if index.ByMAC(netboot.MAC{1}) != nil {
		t.Error("the window of before is still served")
	}
}

func TestArchiveHasTheToken(t *testing.T) {
	e := entry("boot", "", 0)
	e.Config, e.Token = medium.Config{BootID: "boot"}, secret.New("one-time")
	archive, err := e.Archive()
	if err != nil {
		t.Fatal(err)
	}
	c, err := medium.Decode(archive)
	if err != nil || c.Token != "one-time" || c.BootID != "boot" {
		t.Errorf("%+v, %v", c, err)
	}
}
