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
	// everything has descriptions, two management addresses of which the first is no IP address, VLAN names of which one comes twice and one is cut off, and the largest frame.
	everything = "020704001b21aabbcc" + "0405" + "0565746831" + "06020078" + "0806" + "75706c696e6b" + "0a05" + "6c65616631" + "0c07" + "4e4f532039" + "2e31" +
		"1009" + "0706001b21aabbcc00" + "100c" + "05010a00000502000000" + "0100" + "fe06" + "0080c2010064" + "fe0b" + "0080c203006404" + "70726f64" + "fe0b" + "0080c203006404" + "74776f78" +
		"fe0a" + "0080c20300c803" + "737461" + "fe07" + "0080c203012c09" + "fe06" + "00120f04" + "2400" + "0000"
	goingAway = "020704001b21aabbcc" + "0403" + "076131" + "06020000" + "0000"
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
		"everything": {everything, step.LLDP{
			ChassisID: "00:1b:21:aa:bb:cc", PortID: "eth1", SystemName: "leaf1", SystemText: "NOS 9.1", PortText: "uplink", ManagementAddress: "10.0.0.5", VLAN: 100,
			VLANs: []step.LLDPVLAN{{ID: 100, Name: "prod"}, {ID: 200, Name: "sta"}}, MaxFrameBytes: 9216,
		}, true},
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
	for _, s := range []string{fromSwitch, byAddress, everything, goingAway, "", "ffff"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, _, err := Parse(b)
		if err != nil && !cmp.Equal(n, step.LLDP{}) {
			t.Errorf("an error and a neighbour %+v", n)
		}
		said := []string{n.ChassisID, n.PortID, n.SystemName, n.SystemText, n.PortText, n.ManagementAddress}
		if len(n.VLANs) > step.MaxLLDPVLANs || n.MaxFrameBytes < 0 || n.MaxFrameBytes > 65535 {
			t.Errorf("%d VLANs, frames of %d bytes", len(n.VLANs), n.MaxFrameBytes)
		}
		for _, v := range n.VLANs {
			said = append(said, v.Name)
			if v.ID < 1 || v.ID > 4094 {
				t.Errorf("VLAN %d", v.ID)
			}
		}
		for _, s := range said {
			if len(s) > maxText || !utf8.ValidString(s) {
				t.Errorf("text %q", s)
			}
		}
		if n.VLAN < 0 || n.VLAN > 4094 {
			t.Errorf("VLAN %d", n.VLAN)
		}
	})
}
