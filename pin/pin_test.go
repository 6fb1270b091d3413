package pin_test

import (
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/pin"
)

func TestParse(t *testing.T) {
	a, b := pin.Of([]byte("a")), pin.Of([]byte("b"))
	for text, want := range map[string][]pin.Pin{"": nil, a.String(): {a}, a.String() + "," + b.String(): {a, b}} {
		got, err := pin.Parse(text)
		if err != nil || pin.Text(got) != pin.Text(want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if pins, _ := pin.Parse(a.String()); !pin.Matches(pins, []byte("a")) || pin.Matches(pins, []byte("b")) || pin.Matches(nil, []byte("a")) {
		t.Error("a certificate matches its own pin and no other")
	}
	for _, text := range []string{"sha256:", a.String()[7:], "SHA256:" + a.String()[7:], "sha256:" + strings.ToUpper(a.String()[7:]), a.String() + "00", a.String() + ",", " " + a.String(), a.String() + "," + b.String() + "," + a.String(), "md5:00"} {
		if pins, err := pin.Parse(text); err == nil || !strings.Contains(err.Error(), "pinned") {
			t.Errorf("%q is taken as %v (%v)", text, pins, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb")
	f.Add("sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb,sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d")
	f.Add("sha256:CA:97:81")
	f.Add(",")
	f.Fuzz(func(t *testing.T, text string) {
		if pins, err := pin.Parse(text); err == nil && pin.Text(pins) != text {
			t.Errorf("%q reads as %q", text, pin.Text(pins))
		}
	})
}
