package v1alpha1

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func everyWord() RecordedAddress {
	until := metav1.NewTime(time.Date(2026, 11, 22, 22, 30, 0, 0, time.UTC))
	return RecordedAddress{Address: "10.0.0.7", Pool: "Network/racks/lan", Claim: "IP/team/web-0", UID: "0b8f8a0e-5a5e-4d43-9a3e-8c1c2f6f2a11", As: "IPClaim/team/web", Turn: 41, Until: &until, Pending: "JBSWY3DP"}
}

// What is recorded is stored as lines and read back the same; what was stored as objects is read, and becomes lines.
func TestRecordedAddressesAreLines(t *testing.T) {
	want := AddressRecordSpec{VRF: "red", Block: "10.0.0.0/26", Addresses: []RecordedAddress{{Address: "10.0.0.1", Pool: "Network/racks/lan", Claim: "IP/team/db"}, everyWord(), {Address: "fd00::7", Pool: "p", Claim: "c"}}}
	text, err := json.Marshal(AddressRecord{Spec: want})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), `"addresses"`) || !strings.Contains(string(text), `"10.0.0.1 pool=Network/racks/lan claim=IP/team/db"`) {
		t.Errorf("stored as %s", text)
	}
	type asObjects struct {
		VRF       string            `json:"vrf"`
		Block     string            `json:"block"`
		Addresses []RecordedAddress `json:"addresses"`
	}
	objects, err := json.Marshal(map[string]any{"spec": asObjects{want.VRF, want.Block, want.Addresses}})
	if err != nil {
		t.Fatal(err)
	}
	for name, stored := range map[string][]byte{"lines": text, "objects": objects} {
		var got AddressRecord
		if err := json.Unmarshal(stored, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// A time that was read has the local zone.
		if until := got.Spec.Addresses[1].Until; until == nil || !until.Equal(want.Addresses[1].Until) {
			t.Errorf("%s: until %v", name, until)
		} else {
			got.Spec.Addresses[1].Until = want.Addresses[1].Until
		}
		if !reflect.DeepEqual(got.Spec, want) {
			t.Errorf("%s: %+v", name, got.Spec)
		}
	}
}

// A line that is not understood is never left out: whose address it is would be forgotten.
func TestRecordedAddressRefused(t *testing.T) {
	for _, line := range []string{
		"", "10.0.0.1", "web pool=p claim=c", "10.0.0.1 pool=p", "10.0.0.1 claim=c", "10.0.0.1 pool= claim=c", "10.0.0.1 pool=p claim=c claim=d", "10.0.0.1 pool=p claim=c owner=o",
		"10.0.0.1 pool=p claim=c turn=many", "10.0.0.1 pool=p claim=c until=tomorrow", "10.0.0.1  pool=p claim=c", "10.0.0.1 pool=p claim=c ", "10.0.0.1 pool=p claim=c\tuid=u", "fd00::1%eth0 pool=p claim=c",
	} {
		text, err := json.Marshal(map[string]any{"held": []string{line}})
		if err != nil {
			t.Fatal(err)
		}
		var s AddressRecordSpec
		if err := json.Unmarshal(text, &s); err == nil {
			t.Errorf("%q was read as %+v", line, s.Addresses)
		}
	}
	for _, a := range []RecordedAddress{{Address: "10.0.0.1", Pool: "a b", Claim: "c"}, {Address: "10.0.0.1", Pool: "p", Claim: "c", UID: "\n"}} {
		if text, err := json.Marshal(AddressRecordSpec{Addresses: []RecordedAddress{a}}); err == nil {
			t.Errorf("%+v was written as %s", a, text)
		}
	}
}

// FuzzRecordedAddress: whatever is read is written as a line that is read as the same.
func FuzzRecordedAddress(f *testing.F) {
	whole := everyWord()
	line, err := whole.line()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{line, "10.0.0.1 pool=p claim=c", "fd00::1 pool=p claim=c turn=-1", "::%\x00 pool=0 claim=0", "10.0.0.1 pool=p claim=a=b", "", " ", "10.0.0.1 pool=p claim=c until=0000-01-01T00:00:00+01:00", "10.0.0.1 pool=p claim=c until=9999-12-31T23:59:59-01:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		a, err := parseRecordedAddress(line)
		if err != nil {
			return
		}
		again, err := a.line()
		if err != nil {
			t.Fatalf("%q was read and is not written: %v", line, err)
		}
		b, err := parseRecordedAddress(again)
		if err != nil {
			t.Fatalf("%q was written as %q: %v", line, again, err)
		}
		third, err := b.line()
		if err != nil || third != again {
			t.Fatalf("%q, then %q: %v", again, third, err)
		}
	})
}
