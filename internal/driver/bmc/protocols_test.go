package bmc_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// named is a driver whose errors say which one was asked.
type named string

func (n named) Open(context.Context, bmc.Target) (bmc.Session, error) {
	return nil, errors.New(string(n))
}

func TestProtocolsPickTheDriver(t *testing.T) {
	both := bmc.Protocols{bmc.Redfish: named("redfish"), bmc.IPMI: named("ipmi")}
	for address, want := range map[string]string{
		"redfish-virtualmedia+https://h/redfish/v1/Systems/1": "redfish", "idrac-redfish://h": "redfish", "ipmi://h": "ipmi", "10.0.0.5": "ipmi", "libvirt://h": "ipmi",
	} {
		if _, err := both.Open(t.Context(), bmc.Target{Address: address}); err == nil || err.Error() != want {
			t.Errorf("%s went to %v, want %s", address, err, want)
		}
	}
	if _, err := both.Open(t.Context(), bmc.Target{Address: "gopher://h"}); bmc.KindOf(err) != step.Invalid {
		t.Errorf("an address that is none: %v", err)
	}
	if _, err := (bmc.Protocols{}).Open(t.Context(), bmc.Target{Address: "ipmi://h"}); bmc.KindOf(err) != step.Unsupported {
		t.Errorf("a protocol without a driver: %v", err)
	}
}

// answering is a driver that answers with one error, or a session, and counts.
type answering struct {
	kind  step.FailureKind
	calls int
	last  string
}

func (a *answering) Open(_ context.Context, t bmc.Target) (bmc.Session, error) {
	a.calls++
	a.last = t.Address
	if a.kind == "" {
		return nil, nil
	}
	return nil, &bmc.Error{Op: "connect", Address: t.Address, Kind: a.kind, Err: errors.New("no")}
}

// TestProbing: a bare address is whatever answers there, and nobody is asked twice, nor after a refused login.
func TestProbing(t *testing.T) {
	for name, c := range map[string]struct {
		address             string
		redfish, ipmi, want step.FailureKind
		redfishes, ipmis    int
	}{
		"Redfish answers":                     {"10.0.0.5", "", step.Unreachable, "", 2, 0},
		"IPMI answers":                        {"10.0.0.5", step.Unreachable, "", "", 1, 2},
		"a web server that is no Redfish":     {"bmc-7", step.Internal, "", "", 1, 2},
		"Redfish refuses the login":           {"10.0.0.5", step.Denied, "", step.Denied, 2, 0},
		"Redfish is busy":                     {"10.0.0.5", step.Busy, "", step.Busy, 2, 0},
		"a certificate that nobody vouches":   {"10.0.0.5", step.Invalid, step.Unreachable, step.Invalid, 2, 2},
		"nobody answers":                      {"10.0.0.5", step.Unreachable, step.Unreachable, step.Unreachable, 2, 2},
		"IPMI refuses the login":              {"10.0.0.5", step.Unreachable, step.Denied, step.Denied, 2, 2},
		"a port says that it is IPMI":         {"10.0.0.5:623", "", step.Unreachable, step.Unreachable, 0, 2},
		"a scheme says that it is IPMI":       {"ipmi://10.0.0.5", "", step.Unreachable, step.Unreachable, 0, 2},
		"a scheme says that it is Redfish":    {"redfish://10.0.0.5", step.Unreachable, "", step.Unreachable, 2, 0},
		"an IPv6 address of which one speaks": {"[2001:db8::5]", "", "", "", 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			redfish, ipmi := &answering{kind: c.redfish}, &answering{kind: c.ipmi}
			p := bmc.NewProbing(bmc.Protocols{bmc.Redfish: redfish, bmc.IPMI: ipmi})
			for range 2 {
				if _, err := p.Open(t.Context(), bmc.Target{Address: c.address}); bmc.KindOf(err) != c.want {
					t.Errorf("%v, want %q", err, c.want)
				}
			}
			if redfish.calls != c.redfishes || ipmi.calls != c.ipmis {
				t.Errorf("%d times Redfish and %d times IPMI, want %d and %d", redfish.calls, ipmi.calls, c.redfishes, c.ipmis)
			}
		})
	}
}
