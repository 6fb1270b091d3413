package lldp

import (
	"encoding/hex"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/step"
)

// Data units laid out by 802.1AB: a switch with MAC identifiers, name and port VLAN; one with network address and interface name and no end.
const (
	fromSwitch = "020704001b21aabbcc" + "0405" + "0565746831" + "06020078" + "0a09" + "737769746368203031" + "fe06" + "0080c2010064" + "0000"
	byAddress  = "0206" + "05010a000001" + "0404" + "05414243" + "06020078"
	goingAway  = "020704001b21aabbcc" + "0403" + "076131" + "06020000" + "0000"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		frame string
		want  step.LLDP
		ok    bool
	}{
		"switch":     {fromSwitch, step.LLDP{ChassisID: "00:1b:21:aa:bb:cc", PortID: "eth1", SystemName: "switch 01", VLAN: 100}, true},
		"by address": {byAddress, step.LLDP{ChassisID: "10.0.0.1", PortID: "ABC"}, true},
		"going away": {goingAway, step.LLDP{ChassisID: "00:1b:21:aa:bb:cc", PortID: "a1"}, false},
	} {
		got, ok, err := Parse(unhex(t, c.frame))
		if err != nil || ok != c.ok {
			t.Errorf("%s: ok %v, err %v", name, ok, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		frame string
		want  error
	}{
		"nothing":               {"", ErrShort},
		"cut in a field":        {fromSwitch[:12], ErrShort},
		"cut between mandatory": {fromSwitch[:18], ErrShort},
		"order":                 {"0403076131" + "020704001b21aabbcc" + "06020078", ErrMandatory},
		"end at once":           {"0000", ErrMandatory},
	} {
		if _, _, err := Parse(unhex(t, c.frame)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{fromSwitch, byAddress, goingAway, "", "ffff"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, _, err := Parse(b)
		if err != nil && n != (step.LLDP{}) {
			t.Errorf("an error and a neighbour %+v", n)
		}
		for _, s := range []string{n.ChassisID, n.PortID, n.SystemName} {
			if len(s) > maxText || !utf8.ValidString(s) {
				t.Errorf("text %q", s)
			}
		}
		if n.VLAN < 0 || n.VLAN > 4094 {
			t.Errorf("VLAN %d", n.VLAN)
		}
	})
}
