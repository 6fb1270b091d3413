package web

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/capacity"
	"github.com/ingotmetal/ingot/claim"
	netcli "github.com/ingotmetal/ingot/internal/cli/network"
	"github.com/ingotmetal/ingot/ipam/chart"
	"github.com/ingotmetal/ingot/ipam/span"
)

func pieceOf(t *testing.T, state chart.State, text, holder string) chart.Piece {
	t.Helper()
	r, err := span.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return chart.Piece{Span: r.Span(), State: state, Holder: holder}
}

// TestHowFullANetworkIs: IPv4 together, and IPv6 only where there is nothing else; what is beyond counting stays so.
func TestHowFullANetworkIs(t *testing.T) {
	four, eight := useOf(netcli.Usage{Prefix: "10.0.0.0/29", Size: 6, Held: 2, Quarantined: 1, Free: 3}), useOf(netcli.Usage{Prefix: "10.0.1.0/29", Size: 6, Free: 6})
	six := useOf(netcli.Usage{Prefix: "2001:db8::/64", Size: math.MaxUint64, Held: 1, Free: math.MaxUint64 - 1})
	for name, c := range map[string]struct {
		all  []Use
		want Use
	}{
		"both":    {[]Use{six, four, eight}, Use{Family: "IPv4", Size: 12, Held: 2, Resting: 1, Free: 9, SizeText: "12", FreeText: "9"}},
		"IPv6":    {[]Use{six, six}, Use{Family: "IPv6", Size: math.MaxUint64, Held: 2, Free: math.MaxUint64, SizeText: "2^64+", FreeText: "2^64+"}},
		"nothing": {nil, Use{Family: "IPv6", SizeText: "0", FreeText: "0"}},
	} {
		if d := cmp.Diff(c.want, whole(c.all)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestWhatADrawingTells: a block says who has it, and leads on where there is more to see.
func TestWhatADrawingTells(t *testing.T) {
	prefix := netip.MustParsePrefix("10.0.0.0/22")
	m := draw(prefix, prefix, []chart.Piece{pieceOf(t, chart.Held, "10.0.0.0/30", "Network/a/x"), pieceOf(t, chart.Resting, "10.0.0.5", "IP/a/y")})
	want := []MapBlock{
		{Count: chart.Count{Size: 4, Held: 4}, Text: "10.0.0.0/30", Has: []MapPiece{{State: "held", Name: "Network/a/x"}}, Number: 1},
		{Count: chart.Count{Size: 4, Resting: 1, Free: 3}, Text: "10.0.0.4/30", Look: "10.0.0.4/30", Has: []MapPiece{{State: "resting", Name: "IP/a/y"}}, Number: 1},
		{Count: chart.Count{Size: 4, Free: 4}, Text: "10.0.0.8/30"},
	}
	if d := cmp.Diff(want, m.Blocks[:3]); d != "" || !m.Grid || m.Count.Free != 1019 {
		t.Errorf("%v, %+v: %s", m.Grid, m.Count, d)
	}
}

// TestEntriesAreWhatIsHeldRestsAndWaits, each with what is known of its IP; what rests no more is none.
func TestEntriesAreWhatIsHeldRestsAndWaits(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	later, before := metav1.NewTime(now.Add(time.Hour)), metav1.NewTime(now.Add(-time.Hour))
	books := netcli.Read([]ingot.AddressRecord{{Spec: ingot.AddressRecordSpec{VRF: "red", Addresses: []ingot.RecordedAddress{
		{Address: "10.0.0.2", Claim: "IP/a/x"}, {Address: "10.0.0.3", Claim: "IPClaim/b/y", Until: &later}, {Address: "10.0.0.4", Claim: "IP/a/z", Until: &before},
	}}}})
	n := &ingot.Network{Spec: ingot.NetworkSpec{Type: ingot.ExternalNetwork}, Status: ingot.NetworkStatus{VRF: "red", Prefixes: []string{"10.0.0.0/29"}}}
	has := &ingot.IP{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "x", OwnerReferences: []metav1.OwnerReference{{Kind: "Machine", Name: "m"}}}, Status: ingot.IPStatus{Address: "10.0.0.2"}}
	waits := &ingot.IP{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "w"}, Spec: ingot.IPSpec{Address: "10.0.0.1", Type: ingot.StaticIP},
		Status: ingot.IPStatus{Conditions: []metav1.Condition{{Type: ingot.ReadyCondition, Status: metav1.ConditionFalse, Reason: "Excluded", Message: "it is the gateway"}}}}
	got, err := entries(n, books, map[string]*ingot.IP{"a/x": has, "a/w": waits}, now)
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{
		NetworkEntry{ID: "10.0.0.2", Address: "10.0.0.2", State: "held", Kind: "IP", Namespace: "a", Name: "x", Owner: "Machine/m"},
		NetworkEntry{ID: "10.0.0.3", Address: "10.0.0.3", State: "resting", Kind: "IPClaim", Namespace: "b", Name: "y", Until: "2026-03-01T13:00:00Z"},
		NetworkEntry{ID: "IP/a/w", Address: "10.0.0.1", State: "waiting", Kind: "IP", Namespace: "a", Name: "w", Static: true, Why: "Excluded: it is the gateway"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestWhatIsSaidOfAHost(t *testing.T) {
	for want, v := range map[HostVerdict]claim.Verdict{
		{Host: "a", Verdict: "chosen", Rank: 0, Why: "this one"}:    {Host: "a", Fits: true, Chosen: true},
		{Host: "b", Verdict: "fits", Rank: 1, Why: "it would do"}:   {Host: "b", Fits: true},
		{Host: "c", Verdict: "no", Rank: 2, Why: "somebody has it"}: {Host: "c", Why: "somebody has it"},
	} {
		if got := verdictOf(v); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	refused := claim.Decision{Refusal: &claim.Refusal{Reason: claim.NoneFree, Message: "none is free", Fix: "wait"}}
	if got, want := choiceOf(refused), (MachineExplain{Reason: "NoneFree", Why: "none is free", Fix: "wait"}); got != want {
		t.Errorf("%+v", got)
	}
	if got, want := choiceOf(claim.Decision{Host: "a", Why: "the first"}), (MachineExplain{Host: "a", Why: "the first"}); got != want {
		t.Errorf("%+v", got)
	}
}

// TestReservationsOfASize: only those of it, with how many are used and could be had.
func TestReservationsOfASize(t *testing.T) {
	hosts := []capacity.Host{{Partition: "p", Size: "s", State: capacity.Allocated, Tenant: "t"}, {Partition: "p", Size: "s", State: capacity.Available}, {Partition: "q", Size: "s", State: capacity.Available}}
	all := []capacity.Reservation{{Name: "r", Size: "s", Partitions: []string{"p"}, Amount: 3, Tenant: "t", Project: "x"}, {Name: "else", Size: "z"}, {Name: "all", Size: "s", Partitions: []string{"p"}, Amount: 3, Tenant: "t"}}
	want := []Reserved{{Name: "r", For: "t/x", Partitions: []string{"p"}, Amount: 3, Available: 1}, {Name: "all", For: "t", Partitions: []string{"p"}, Amount: 3, Used: 1, Available: 1}}
	if d := cmp.Diff(want, reservedOf("s", all, hosts)); d != "" {
		t.Error(d)
	}
}

func TestAnImagesTime(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	days := int32(10)
	for expires, want := range map[time.Duration][2]string{time.Hour: {"Current", "2026-03-01T13:00:00Z"}, -24 * time.Hour: {"Grace", "2026-03-10T12:00:00Z"}, -240 * time.Hour: {"Over", ""}} {
		o := &ingot.Image{Spec: ingot.ImageSpec{ExpiresAt: &metav1.Time{Time: now.Add(expires)}, GraceDays: &days}}
		if r := imageRow(o, ask{now: now}); [2]string{r.Phase, r.Ends} != want {
			t.Errorf("%s: %s until %s", expires, r.Phase, r.Ends)
		}
	}
	if r := imageRow(&ingot.Image{}, ask{now: now}); r.Phase != "Current" || r.Ends != "" {
		t.Errorf("without an end: %+v", r)
	}
}
