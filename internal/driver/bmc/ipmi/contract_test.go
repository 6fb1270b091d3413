package ipmi_test

import (
	"net"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/bmctest"
	"github.com/ingotmetal/ingot/internal/driver/bmc/ipmi"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim/machinetest"
	"github.com/ingotmetal/ingot/internal/lab/ipmisim"
	"github.com/ingotmetal/ingot/internal/secret"
)

const uuid = "4c4c4544-0050-3010-8051-b9c04f4d3533"

// sim is a simulated BMC with its machine and a target for it.
type sim struct {
	bmc     *ipmisim.BMC
	machine *machinetest.Machine
	target  bmc.Target
}

func newSim(t testing.TB, suites ...uint8) sim {
	t.Helper()
	m := machinetest.New(machinetest.Hardware(uuid))
	c := ipmisim.Config{Machine: m, Attach: m.Attach, Username: "admin", Password: secret.New("calvin-8472"), CipherSuites: suites}
	b, err := ipmisim.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close the simulated BMC: %v", err)
		}
	})
	return sim{bmc: b, machine: m, target: bmc.Target{Address: b.Address(), Username: c.Username, Password: c.Password}}
}

// fast are options for tests: no budget to wait for.
func fast() ipmi.Options {
	return ipmi.Options{Dial: (&net.Dialer{}).DialContext, CallsPerSecond: 1e6, Burst: 1e6, CallTimeout: 5 * time.Second}
}

func newDriver(t testing.TB, o ipmi.Options) *ipmi.Driver {
	t.Helper()
	d, err := ipmi.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func boots(m *machinetest.Machine) func() []bmctest.Boot {
	return func() []bmctest.Boot {
		var out []bmctest.Boot
		for _, p := range m.Boots() {
			out = append(out, bmctest.Boot{Device: p.Device, Mode: p.Mode})
		}
		return out
	}
}

// TestContract runs the suite against BMCs that take either cipher suite.
func TestContract(t *testing.T) {
	for name, suite := range map[string]uint8{"suite 17": 17, "suite 3": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bmctest.Run(t, func(t *testing.T) bmctest.Rig {
				s := newSim(t, suite)
				return bmctest.Rig{
					Driver: newDriver(t, fast()), Target: s.target, Boots: boots(s.machine), Powered: s.machine.Powered, Say: s.machine.Say,
					Health: &bmctest.Health{
						Sensor: "CPU1 Temp", Worsen: func() { s.bmc.SetCritical("CPU1 Temp") }, Heal: func() { s.bmc.SetCritical("") }, NoRollup: true,
					},
					Lacks: []bmc.Capability{bmc.CanVirtualMedia, bmc.CanInventory, bmc.CanConsoleLog, bmc.CanSecureBoot},
				}
			})
		})
	}
}
