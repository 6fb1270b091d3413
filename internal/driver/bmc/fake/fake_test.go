package fake_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/bmctest"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

const address = "redfish-virtualmedia+https://10.0.0.5/redfish/v1/Systems/1"

func config() fake.Config {
	return fake.Config{
		Address: address, Username: "admin", Password: secret.New("right"),
		Hardware: bmc.Hardware{Manufacturer: "Ingot", MemoryMebibytes: 512, NICs: []bmc.NIC{{Name: "1", MAC: "52:54:00:00:00:01"}}},
		Settings: map[string]string{"Retries": "3", "Quiet": "true"},
		Registry: firmware.Registry{Name: "Fake.v1_0_0", Settings: map[string]firmware.Setting{
			"Retries": {Kind: firmware.Integer}, "Quiet": {Kind: firmware.Boolean},
		}},
		Updates: fake.Updates{
			Components: []bmc.Component{{Name: "bios", Version: "1.0"}, {Name: "bmc", Version: "2.0"}},
			Images:     map[string]string{"https://boot/bios-1.1": "1.1", "https://boot/bmc-2.1": "2.1"},
		},
		RAID: fake.RAID{Storage: raid.Storage{Controllers: []raid.Controller{{ID: "RAID.1", Levels: []string{"0", "1"}, Drives: []raid.Drive{
			{ID: "d1", SizeBytes: 100 << 30}, {ID: "d2", SizeBytes: 100 << 30}, {ID: "d3", SizeBytes: 100 << 30}, {ID: "d4", SizeBytes: 100 << 30},
		}}}}},
		Unreadable: func(url string) bool { return strings.Contains(url, "missing") },
	}
}

func target() bmc.Target {
	return bmc.Target{Address: address, Username: "admin", Password: secret.New("right")}
}

// biosRig is the fake's firmware as it was configured.
func biosRig(c fake.Config, b *fake.BMC) *bmctest.BIOS {
	if slices.Contains(c.Lacks, bmc.CanBIOS) {
		return nil
	}
	return &bmctest.BIOS{
		Settings: c.Settings, Registry: c.Registry, InForce: b.Settings,
		Change: map[string]string{"Retries": "7", "Quiet": "false"}, Refused: map[string]string{"Retries": "many", "Nothing": "1"},
	}
}

// updatesRig is the fake's firmware that can be updated.
func updatesRig(c fake.Config) *bmctest.Updates {
	if slices.Contains(c.Lacks, bmc.CanComponents) {
		return nil
	}
	return &bmctest.Updates{
		Content:    func(c bmc.Component) []byte { return []byte(c.Version) },
		Components: c.Updates.Components, Missing: "https://boot/missing", Waits: c.Updates.Waits,
		Images: map[string]bmc.Component{"https://boot/bios-1.1": {Name: "bios", Version: "1.1"}, "https://boot/bmc-2.1": {Name: "bmc", Version: "2.1"}},
	}
}

// storageRig is the fake's RAID controller.
func storageRig(c fake.Config, b *fake.BMC) *bmctest.Storage {
	if slices.Contains(c.Lacks, bmc.CanStorage) {
		return nil
	}
	return &bmctest.Storage{At: c.RAID.Storage, OnReset: c.RAID.Waits, Fail: b.FailVolumes}
}

func TestContract(t *testing.T) {
	for name, lacks := range map[string][]bmc.Capability{
		"all":          nil,
		"updates wait": {bmc.CanSessions},
		"less":         {bmc.CanStorage, bmc.CanComponents, bmc.CanEvents, bmc.CanHealth, bmc.CanBIOS, bmc.CanBootOnce, bmc.CanSoftPowerOff, bmc.CanSecureBoot, bmc.CanConsoleLog, bmc.CanSessions},
	} {
		t.Run(name, func(t *testing.T) {
			bmctest.Run(t, func(t *testing.T) bmctest.Rig {
				c := config()
				c.Lacks, c.Updates.Waits = lacks, name == "updates wait"
				c.RAID.Waits = c.Updates.Waits
				d := fake.New()
				b, err := d.Add(c)
				if err != nil {
					t.Fatal(err)
				}
				return bmctest.Rig{
					Driver: d, Target: target(), Powered: b.Powered, Hardware: c.Hardware, Say: b.Say, Events: eventsRig(c, b), Health: healthRig(c, b),
					Media: [2]string{"https://boot/media/a.iso", "https://boot/media/b.iso"}, Missing: "https://boot/media/missing.iso",
					Controllers: storageRig(c, b),
					StalePower:  b.StalePower, BIOS: biosRig(c, b), Updates: updatesRig(c),
					Boots: func() []bmctest.Boot {
						var out []bmctest.Boot
						for _, boot := range b.Boots() {
							out = append(out, bmctest.Boot{Device: boot.Setting.Device, Mode: boot.Setting.Mode, Medium: boot.Medium, URI: boot.Setting.URI})
						}
						return out
					},
				}
			})
		})
	}
}

func open(t *testing.T) (*fake.BMC, bmc.Session) {
	t.Helper()
	d := fake.New()
	b, err := d.Add(config())
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Open(t.Context(), target())
	if err != nil {
		t.Fatal(err)
	}
	return b, s
}

func TestFaultsOnOrder(t *testing.T) {
	b, s := open(t)
	b.FailNext(fake.Fault{Op: "power on", Kind: step.Busy, Message: "starting", Times: 2})
	b.FailNext(fake.Fault{Op: "power on", Kind: step.Unreachable, After: true})
	var kinds []step.FailureKind
	for range 4 {
		kinds = append(kinds, bmc.KindOf(s.Power().Do(t.Context(), bmc.PowerOn)))
	}
	if diff := cmp.Diff([]step.FailureKind{step.Busy, step.Busy, step.Unreachable, ""}, kinds); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	if n := len(b.Boots()); n != 1 {
		t.Errorf("%d boots, want the one whose answer was lost", n)
	}
}

func TestStalePower(t *testing.T) {
	b, s := open(t)
	b.StalePower(2)
	if err := s.Power().Do(t.Context(), bmc.PowerOn); err != nil {
		t.Fatal(err)
	}
	var seen []bmc.PowerState
	for range 3 {
		state, err := s.Power().State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, state)
	}
	if diff := cmp.Diff([]bmc.PowerState{bmc.Off, bmc.Off, bmc.On}, seen); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestHookAndRemoval(t *testing.T) {
	d := fake.New()
	booted := make(chan fake.Boot, 1)
	c := config()
	c.OnBoot = func(b fake.Boot) { booted <- b }
	b, err := d.Add(c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Open(t.Context(), target())
	if err != nil {
		t.Fatal(err)
	}
	b.OnCall(func(_ context.Context, op string) error {
		if op == "read inventory" {
			return errors.New("hook says no")
		}
		return nil
	})
	if _, err := s.Inventory().Read(t.Context()); bmc.KindOf(err) != step.Internal {
		t.Errorf("the hook's error became %v", err)
	}
	if err := s.Boot().Set(t.Context(), bmc.BootSetting{Device: bmc.BootPXE, Mode: bmc.ModeLegacy, Once: true}); err != nil {
		t.Fatal(err)
	}
	b.RebootByItself()
	if got := <-booted; got.Setting.Device != bmc.BootPXE || b.Override().Device != bmc.BootNone {
		t.Errorf("booted %+v, override afterwards %+v", got, b.Override())
	}
	d.Remove(b)
	if _, err := s.Power().State(t.Context()); bmc.KindOf(err) != step.Unreachable {
		t.Errorf("a removed BMC answers %v", err)
	}
	if _, err := d.Open(t.Context(), target()); bmc.KindOf(err) != step.Unreachable {
		t.Errorf("a removed BMC opens: %v", err)
	}
}
