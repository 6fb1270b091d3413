package tracing_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"pgregory.net/rapid"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/tracing"
)

// TestWhatIsServedHangsBelowItsStage: another process knows the stage by its header alone, and what it tells is of the trace that the stage's end makes.
func TestWhatIsServedHangsBelowItsStage(t *testing.T) {
	was, is := provisioning()
	host := hostIn(metal3.StateProvisioning)
	parent, err := tracing.ParseParent(tracing.Open(host, was).String())
	if err != nil || parent.IsZero() {
		t.Fatalf("%v: %v", parent, err)
	}
	root := tracing.Ended(hostIn(metal3.StateProvisioned), was, is)[0]
	if parent.Trace != root.Trace || parent.Span != root.ID {
		t.Errorf("%s is not the root that the stage's end makes", parent)
	}
	s := tracing.Served{
		Below: parent, Boot: "b1", Server: "tftp", File: "ipxe.efi", Answer: "client-silent", Client: "10.0.0.2", Bytes: 5, Requests: 1, Start: begun, End: begun.Add(-time.Second), Failed: true,
	}.Span()
	if s.Trace != root.Trace || s.Parent != root.ID || s.Name != "boot tftp" || !s.Failed || s.Message != "client-silent" || s.End.Before(s.Start) {
		t.Errorf("%+v", s)
	}
	for key, want := range map[string]string{
		tracing.KeyBoot: "b1", tracing.KeyFile: "ipxe.efi", tracing.KeyClient: "10.0.0.2", tracing.KeyBytes: "5", tracing.KeyRequests: "1", tracing.KeyMAC: "",
	} {
		if got := value(s, key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
}

// TestRestsHaveNoParent: what is served while a host rests belongs to no trace.
func TestRestsHaveNoParent(t *testing.T) {
	_, is := provisioning()
	for name, r := range map[string]*ingot.HostLifecycleStatus{
		"at rest":   is,
		"no record": {},
		"between":   {Timeline: []ingot.TimelineEntry{entry("provisioning", "", 0, 10, journey.ResultOK)}},
	} {
		if p := tracing.Open(hostIn(metal3.StateProvisioned), r); !p.IsZero() || p.String() != "" {
			t.Errorf("%s: %s", name, p)
		}
	}
}

func TestParentsFromElsewhere(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for text, right := range map[string]bool{
		good: true, "": true,
		strings.ToUpper(good):                false,
		"01" + good[2:]:                      false,
		good + "-1":                          false,
		good[:len(good)-1]:                   false,
		strings.ReplaceAll(good, "a", "g"):   false,
		strings.Replace(good, "01", "0x", 1): false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": false,
	} {
		if p, err := tracing.ParseParent(text); (err == nil) != right || (err != nil && !p.IsZero()) {
			t.Errorf("%q: %v, %v", text, p, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var p tracing.Parent
		copy(p.Trace[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace"))
		copy(p.Span[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "span"))
		if p.Trace == (tracing.TraceID{}) || p.Span == (tracing.SpanID{}) {
			t.Skip("no identity is zero")
		}
		if got, err := tracing.ParseParent(p.String()); err != nil || got != p {
			t.Fatalf("%s: %v, %v", p, got, err)
		}
	})
}

// TestReadsAreOne in any order.
func TestReadsAreOne(t *testing.T) {
	read := func(from, to int, bytes int64) tracing.Served {
		return tracing.Served{Boot: "b", Server: "media", Bytes: bytes, Requests: 1, Start: at(from).Time, End: at(to).Time}
	}
	all := []tracing.Served{read(5, 9, 1), read(1, 2, 10), read(3, 12, 100)}
	for range 2 {
		one := all[0].And(all[1]).And(all[2])
		if one.Bytes != 111 || one.Requests != 3 || !one.Start.Equal(at(1).Time) || !one.End.Equal(at(12).Time) {
			t.Errorf("%+v", one)
		}
		slices.Reverse(all)
	}
}

func FuzzParent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := tracing.ParseParent(text)
		if err != nil {
			return
		}
		again, err := tracing.ParseParent(p.String())
		if err != nil || again != p {
			t.Errorf("%q is %v, written as %s it is %v: %v", text, p, p, again, err)
		}
	})
}
