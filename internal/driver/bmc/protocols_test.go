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
