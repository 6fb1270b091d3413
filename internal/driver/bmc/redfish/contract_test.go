package redfish_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/bmctest"
	"github.com/ingotmetal/ingot/internal/driver/bmc/redfish"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim/machinetest"
	"github.com/ingotmetal/ingot/internal/secret"
)

const uuid = "4c4c4544-0050-3010-8051-b9c04f4d3533"

// medium is what the media server gives for every path but one.
const medium = "this is an ISO image, as far as anybody here looks"

func mediaServer(t testing.TB) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "missing.iso") {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Unix(1, 0), strings.NewReader(medium))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// fast are options for tests: no budget to wait for, quick polls.
func fast() redfish.Options {
	return redfish.Options{
		Dial: (&net.Dialer{}).DialContext, CallsPerSecond: 1e6, Burst: 1e6, PollInterval: 5 * time.Millisecond, CallTimeout: 10 * time.Second, FollowTimeout: 3 * time.Second,
	}
}

func newDriver(t testing.TB, o redfish.Options) *redfish.Driver {
	t.Helper()
	d, err := redfish.New(o)
	if err != nil {
		t.Fatal(err)
	}
	d.SetSettle(func(context.Context, time.Duration) error { return nil })
	return d
}

// sim is a simulated BMC with its machine and a target for it.
type sim struct {
	server  *bmcsim.Server
	bmc     *bmcsim.BMC
	machine *machinetest.Machine
	target  bmc.Target
}

func newSim(t testing.TB, p bmcsim.Personality, change ...func(*bmcsim.Config)) sim {
	t.Helper()
	server, err := bmcsim.New(bmcsim.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close the simulator: %v", err)
		}
	})
	m := machinetest.New(machinetest.Hardware(uuid))
	c := bmcsim.Config{Name: "node-1", RAID: raidControllers(), Machine: m, Attach: m.Attach, Username: "admin", Password: secret.New("calvin-8472"), Personality: p}
	for _, f := range change {
		f(&c)
	}
	b, err := server.Add(c)
	if err != nil {
		t.Fatal(err)
	}
	return sim{
		server: server, bmc: b, machine: m,
		target: bmc.Target{Address: b.Address(), Username: c.Username, Password: c.Password, CAPEM: server.CAPEM()},
	}
}

// hardware is what the driver must read of machinetest's hardware.
func hardware(p bmcsim.Personality) bmc.Hardware {
	hw := bmc.Hardware{
		Manufacturer: "Ingot Lab", ProductName: "Test Machine", SerialNumber: "SN-4c4c4544", UUID: uuid, BIOSVersion: "1.2.3", MemoryMebibytes: 1536, CPUModel: "Test CPU", CPUArchitecture: "x86_64", CPUCount: 8,
		NICs: []bmc.NIC{{Name: "1", MAC: "52:54:00:00:00:01", SpeedMbps: 1000, LinkUp: true}, {Name: "2", MAC: "52:54:00:00:00:02", SpeedMbps: 10000}},
		Disks: []bmc.Disk{
			{Name: "disk0", Model: "Fast", SerialNumber: "D0", SizeBytes: 2 << 30},
			{Name: "disk1", Model: "Slow", SerialNumber: "D1", SizeBytes: 4 << 40, Rotational: true},
		},
	}
	for _, d := range raidControllers()[0].Drives {
		hw.Disks = append(hw.Disks, bmc.Disk{Name: d.Name, Model: d.Model, SerialNumber: d.SerialNumber, SizeBytes: d.SizeBytes, Rotational: d.Rotational})
	}
	if p.Manufacturer != "" {
		hw.Manufacturer = p.Manufacturer
	}
	if p.Model != "" {
		hw.ProductName = p.Model
	}
	return hw
}

func boots(m *machinetest.Machine) func() []bmctest.Boot {
	return func() []bmctest.Boot {
		var out []bmctest.Boot
		for _, p := range m.Boots() {
			b := bmctest.Boot{Device: p.Device, Mode: p.Mode, URI: p.URI, Authorities: p.Authorities}
			if p.Medium != nil {
				b.Medium = p.Medium.URL
			}
			out = append(out, b)
		}
		return out
	}
}

// TestContract runs the suite against every personality of the simulator, over TLS, with power transitions that take time.
func TestContract(t *testing.T) {
	for _, p := range bmcsim.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			media := mediaServer(t)
			bmctest.Run(t, func(t *testing.T) bmctest.Rig {
				s := newSim(t, p, func(c *bmcsim.Config) { c.PowerDelay = 5 * time.Millisecond })
				return bmctest.Rig{
					Driver: newDriver(t, fast()), Target: s.target, Boots: boots(s.machine), Powered: s.machine.Powered, Hardware: hardware(p), Say: s.machine.Say,
					Media: [2]string{media + "/media/a.iso", media + "/media/b.iso"}, Missing: media + "/media/missing.iso",
					BIOS:        biosRig(s, p),
					Events:      eventsRig(t, s, p),
					Health:      healthRig(s),
					Updates:     updatesRig(t, p),
					Controllers: storageRig(s, p),
					StalePower:  func(reads int) { s.bmc.SetFaults(bmcsim.Faults{StalePowerReads: reads}) },
				}
			})
		})
	}
}

// biosRig is the firmware of the simulator's machines.
func biosRig(s sim, p bmcsim.Personality) *bmctest.BIOS {
	if p.NoBIOS {
		return nil
	}
	rig := &bmctest.BIOS{
		Settings: map[string]string{
			"LogicalProc": "Enabled", "ProcVirtualization": "Enabled", "SriovGlobalEnable": "Disabled", "PowerProfile": "Balanced", "BootRetries": "3", "QuietBoot": "true",
			"AssetTag": "", "SetupPassword": "", "SystemSerialNumber": "SN-4c4c4544",
		},
		AtOnce: p.BIOSAtOnce, InForce: s.bmc.BIOSSettings,
		Change:  map[string]string{"SriovGlobalEnable": "Enabled", "BootRetries": "7", "QuietBoot": "false", "AssetTag": "rack 7"},
		Refused: map[string]string{"PowerProfile": "Fast", "NoSuchSetting": "1", "SystemSerialNumber": "X", "BootRetries": "11", "QuietBoot": "perhaps", "AssetTag": "longer than it can be"},
	}
	if p.NoBIOSRegistry {
		return rig
	}
	onOff := firmware.Setting{Kind: firmware.Enumeration, Values: []string{"Enabled", "Disabled"}}
	zero, none, sixteen := int64(0), 0, 16
	ten := int64(10)
	rig.Registry = firmware.Registry{Name: "BiosAttributeRegistry.v1_0_0", Settings: map[string]firmware.Setting{
		"LogicalProc": onOff, "ProcVirtualization": onOff, "SriovGlobalEnable": onOff,
		"PowerProfile":       {Kind: firmware.Enumeration, Values: []string{"Balanced", "Performance", "PowerSaving"}},
		"BootRetries":        {Kind: firmware.Integer, Lowest: &zero, Highest: &ten},
		"QuietBoot":          {Kind: firmware.Boolean},
		"AssetTag":           {Kind: firmware.String, MinLength: &none, MaxLength: &sixteen},
		"SetupPassword":      {Kind: firmware.Password},
		"SystemSerialNumber": {Kind: firmware.String, MinLength: &none, MaxLength: &none, ReadOnly: true, Unique: true},
	}}
	return rig
}

// badPersonality is any personality, where only the certificate matters.
func badPersonality() bmcsim.Personality { return bmcsim.Personality{} }
