// Package bmctest is the suite that every implementation of the BMC contract passes: the in-memory fake, and the Redfish driver against simulated BMCs of several makes.
//
// It owns what the contract means, as calls and what must be seen after them, both through the contract and at the machine. It refuses to know an implementation: a
// Rig gives it a driver and a view of the machine behind the BMC. What a BMC cannot do by its own word (Identity.Capabilities) must fail as
// Unsupported or be absent, and is then not asked for further.
package bmctest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// Boot is one boot of the machine behind the BMC, as the machine saw it.
type Boot struct {
	Device bmc.Device
	Mode   bmc.Mode
	// Medium is the URL of the medium that was in the drive.
	Medium string
	// URI and Authorities are UEFI HTTP boot's.
	URI, Authorities string
}

// Rig is one BMC with a machine that is off, has nothing in its drive and no boot override, supports UEFI, legacy and Secure Boot, and follows the power button.
type Rig struct {
	Driver bmc.Driver
	Target bmc.Target
	// Boots are the machine's boots until now. Powered says whether it is on.
	Boots   func() []Boot
	Powered func() bool
	// Media are two media that the BMC can read, Missing one that it cannot.
	Media   [2]string
	Missing string
	// Hardware is what the inventory must be; ReadAt is not compared.
	Hardware bmc.Hardware
	// Say makes the machine write a line to its console.
	Say func(line string)
	// StalePower makes the next reads of the power state, after the next change, show what was before it. Nil where the protocol has no state that is kept: its readings are the board's.
	StalePower func(reads int)
	// BIOS is what the machine's firmware can be set to; nil: the BMC does not show it.
	BIOS *BIOS
	// Updates is the firmware that can be updated; nil: the BMC has no service for it. Controllers are the machine's RAID controllers; nil: it has none.
	Updates     *Updates
	Controllers *Storage
	// Events is how the BMC sends events; nil: it does not. Health is how its machine gets ill; nil: it does not say.
	Events *Events
	Health *Health
	// Lacks are capabilities that the protocol does not have. The BMC must neither claim them nor have their interface.
	Lacks []bmc.Capability
}

// Run runs the suite; newRig is called for each of its tests.
func Run(t *testing.T, newRig func(t *testing.T) Rig) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, r *run)
	}{
		{"identity", identity},
		{"credentials", credentials},
		{"power on and off", powerOnOff},
		{"power is idempotent", powerIdempotent},
		{"restart", restart},
		{"graceful restart", gracefulRestart},
		{"restart past a stale reading", staleRestart},
		{"graceful off", gracefulOff},
		{"boot override is kept", bootKept},
		{"boot override once", bootOnce},
		{"boot mode", bootMode},
		{"boot by HTTP", httpBoot},
		{"media", mediaInsertEject},
		{"media failures", mediaFailures},
		{"boot from medium", bootFromMedium},
		{"inventory", inventory},
		{"console log", consoleLog},
		{"console", console},
		{"BIOS settings", biosSettings},
		{"BIOS settings that cannot be", biosRefused},
		{"firmware versions", firmwareVersions},
		{"firmware update", firmwareUpdate},
		{"firmware push", firmwarePush},
		{"firmware update that fails", firmwareFails}, {"RAID volumes", volumes}, {"RAID volumes that cannot be", volumesRefused},
		{"event subscriptions", subscriptions},
		{"event delivery", delivery},
		{"event stream", eventStream},
		{"health", healthReadings},
		{"account", accountLife},
		{"accounts are full", accountsFull},
		{"close", closing},
		{"cancelled", cancelled},
		{"concurrent use", concurrent},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &run{Rig: newRig(t)}
			r.open(t)
			test.run(t, r)
		})
	}
}

// run is one test's rig with a session.
type run struct {
	Rig
	s bmc.Session
}

// patience bounds every wait.
const patience = 30 * time.Second

func (r *run) open(t *testing.T) {
	t.Helper()
	s, err := r.Driver.Open(t.Context(), r.Target)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	r.s = s
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// lacks says whether the rig is without a capability; a test of it ends then, after it saw that the BMC says so too.
func (r *run) lacks(t *testing.T, c bmc.Capability, has bool) bool {
	t.Helper()
	if !slices.Contains(r.Lacks, c) {
		return false
	}
	if has || r.can(c) {
		t.Errorf("the BMC has %s, which its protocol does not", c)
	}
	return true
}

func (r *run) can(c bmc.Capability) bool { return slices.Contains(r.s.Identity().Capabilities, c) }

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func (r *run) do(t *testing.T, a bmc.PowerAction, want bmc.PowerState) {
	t.Helper()
	if err := r.s.Power().Do(t.Context(), a); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	r.reaches(t, want)
}

func (r *run) reaches(t *testing.T, want bmc.PowerState) {
	t.Helper()
	eventually(t, "power state "+string(want), func() bool {
		got, err := r.s.Power().State(t.Context())
		if err != nil {
			t.Fatalf("read power state: %v", err)
		}
		return got == want
	})
	if r.Powered() != (want == bmc.On) {
		t.Fatalf("the BMC says %s, the machine is powered: %v", want, r.Powered())
	}
}

func wantKind(t *testing.T, what string, err error, want step.FailureKind) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: no error, want %s", what, want)
	}
	e, ok := errors.AsType[*bmc.Error](err)
	if !ok {
		t.Fatalf("%s: %T is no *bmc.Error: %v", what, err, err)
	}
	if e.Kind != want || e.Op == "" || e.Address == "" {
		t.Fatalf("%s: kind %s, op %q, address %q, want %s: %v", what, e.Kind, e.Op, e.Address, want, err)
	}
}

func identity(t *testing.T, r *run) {
	id := r.s.Identity()
	if id.Driver == "" || id.Vendor == "" || id.SystemID == "" {
		t.Errorf("identity lacks driver, vendor or system: %+v", id)
	}
	if !slices.IsSorted(id.Capabilities) || len(slices.Compact(slices.Clone(id.Capabilities))) != len(id.Capabilities) {
		t.Errorf("capabilities are not sorted and unique: %v", id.Capabilities)
	}
	if !r.can(bmc.CanPower) || r.s.Power() == nil {
		t.Error("a BMC without power control")
	}
	for capability, has := range map[bmc.Capability]bool{
		bmc.CanBootOnce: r.s.Boot() != nil, bmc.CanVirtualMedia: r.s.Media() != nil, bmc.CanInventory: r.s.Inventory() != nil, bmc.CanConsoleLog: r.s.ConsoleLog() != nil,
	} {
		if r.can(capability) && !has {
			t.Errorf("capability %s without its interface", capability)
		}
		if capability != bmc.CanBootOnce && has && !r.can(capability) {
			t.Errorf("an interface without its capability %s", capability)
		}
	}
}

func credentials(t *testing.T, r *run) {
	wrong := r.Target
	wrong.Password = secret.New("not-my-password-4711")
	_, err := r.Driver.Open(t.Context(), wrong)
	wantKind(t, "open with a wrong password", err, step.Denied)
	if strings.Contains(err.Error(), "4711") {
		t.Errorf("the error repeats the password: %v", err)
	}
	if f := bmc.FailureOf(err); f.Fix == "" {
		t.Errorf("refused credentials come without a fix: %+v", f)
	}
}

func powerOnOff(t *testing.T, r *run) {
	r.reaches(t, bmc.Off)
	r.do(t, bmc.PowerOn, bmc.On)
	r.do(t, bmc.ForceOff, bmc.Off)
	if n := len(r.Boots()); n != 1 {
		t.Errorf("%d boots, want 1", n)
	}
}

func powerIdempotent(t *testing.T, r *run) {
	r.do(t, bmc.ForceOff, bmc.Off)
	r.do(t, bmc.PowerOn, bmc.On)
	r.do(t, bmc.PowerOn, bmc.On)
	if n := len(r.Boots()); n != 1 {
		t.Errorf("turning on what is on booted it again: %d boots", n)
	}
	r.do(t, bmc.ForceOff, bmc.Off)
	r.do(t, bmc.ForceOff, bmc.Off)
}

func restart(t *testing.T, r *run) {
	for i, a := range []bmc.PowerAction{bmc.ForceRestart, bmc.PowerCycle, bmc.ForceRestart} {
		// The first one finds the machine off: it must be on afterwards.
		r.do(t, a, bmc.On)
		if n := len(r.Boots()); n != i+1 {
			t.Fatalf("%s: %d boots, want %d", a, n, i+1)
		}
	}
}

// gracefulRestart: the operating system is asked, or the BMC says that it can't; nothing is forced. A machine that is off has nobody to ask, and is turned on.
func gracefulRestart(t *testing.T, r *run) {
	r.do(t, bmc.GracefulRestart, bmc.On)
	if n := len(r.Boots()); n != 1 {
		t.Fatalf("%d boots of a machine that was off, want 1", n)
	}
	err := r.s.Power().Do(t.Context(), bmc.GracefulRestart)
	if err != nil {
		wantKind(t, "graceful restart", err, step.Unsupported)
		if n := len(r.Boots()); n != 1 {
			t.Errorf("what the BMC cannot do was forced: %d boots", n)
		}
		r.reaches(t, bmc.On)
		return
	}
	eventually(t, "the second boot", func() bool { return len(r.Boots()) == 2 })
	r.reaches(t, bmc.On)
}

// staleRestart: a BMC that still says "off" of a machine that is on must not swallow a restart, by being asked to turn the machine on.
func staleRestart(t *testing.T, r *run) {
	if r.StalePower == nil {
		return
	}
	for i, a := range []bmc.PowerAction{bmc.ForceRestart, bmc.PowerCycle} {
		r.do(t, bmc.ForceOff, bmc.Off)
		r.StalePower(1)
		if err := r.s.Power().Do(t.Context(), bmc.PowerOn); err != nil {
			t.Fatal(err)
		}
		if err := r.s.Power().Do(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		r.StalePower(0)
		eventually(t, "the restart", func() bool { return len(r.Boots()) == 2*(i+1) && r.Powered() })
	}
}

func gracefulOff(t *testing.T, r *run) {
	r.do(t, bmc.PowerOn, bmc.On)
	err := r.s.Power().Do(t.Context(), bmc.GracefulOff)
	if !r.can(bmc.CanSoftPowerOff) {
		wantKind(t, "graceful off", err, step.Unsupported)
		r.reaches(t, bmc.On)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	r.reaches(t, bmc.Off)
	r.do(t, bmc.GracefulOff, bmc.Off)
	if n := len(r.Boots()); n != 1 {
		t.Errorf("a power button pressed on a machine that is off turned it on: %d boots", n)
	}
}

func (r *run) boot(t *testing.T) bmc.Boot {
	t.Helper()
	if r.s.Boot() == nil {
		t.Fatal("the BMC has no boot override, which the rig promises")
	}
	return r.s.Boot()
}

// restarted boots the machine and gives what it saw.
func (r *run) restarted(t *testing.T) Boot {
	t.Helper()
	n := len(r.Boots())
	r.do(t, bmc.ForceRestart, bmc.On)
	boots := r.Boots()
	if len(boots) != n+1 {
		t.Fatalf("%d boots after a restart, want %d", len(boots), n+1)
	}
	return boots[n]
}

func bootKept(t *testing.T, r *run) {
	b := r.boot(t)
	for _, d := range []bmc.Device{bmc.BootPXE, bmc.BootDisk} {
		want := bmc.BootSetting{Device: d, Mode: bmc.ModeUEFI}
		if err := b.Set(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := r.restarted(t); got.Device != d {
				t.Errorf("set to boot from %s for good, it booted from %s", d, got.Device)
			}
		}
		r.overrideIs(t, want)
	}
	if err := b.Set(t.Context(), bmc.BootSetting{Device: bmc.BootNone, Mode: bmc.ModeUEFI, Once: true}); err != nil {
		t.Fatal(err)
	}
	r.overrideIs(t, bmc.BootSetting{Device: bmc.BootNone, Mode: bmc.ModeUEFI})
	if got := r.restarted(t); got.Device != bmc.BootNone {
		t.Errorf("with the override cleared it booted from %s", got.Device)
	}
}

func (r *run) overrideIs(t *testing.T, want bmc.BootSetting) {
	t.Helper()
	got, err := r.s.Boot().Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("boot override %+v, want %+v", got, want)
	}
}

func bootOnce(t *testing.T, r *run) {
	set := bmc.BootSetting{Device: bmc.BootPXE, Mode: bmc.ModeUEFI, Once: true}
	for range 2 {
		if err := r.boot(t).Set(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	shown := set
	shown.Once = r.can(bmc.CanBootOnce)
	r.overrideIs(t, shown)
	if got := r.restarted(t); got.Device != bmc.BootPXE || got.Mode != bmc.ModeUEFI {
		t.Errorf("booted %+v, want from the network", got)
	}
	if !r.can(bmc.CanBootOnce) {
		r.overrideIs(t, shown)
		return
	}
	r.overrideIs(t, bmc.BootSetting{Device: bmc.BootNone, Mode: bmc.ModeUEFI})
	if got := r.restarted(t); got.Device != bmc.BootNone {
		t.Errorf("the second boot after a one-time override was from %s", got.Device)
	}
}

func bootMode(t *testing.T, r *run) {
	for _, m := range []bmc.Mode{bmc.ModeLegacy, bmc.ModeUEFI, bmc.ModeSecureBoot, bmc.ModeUEFI} {
		err := r.boot(t).Set(t.Context(), bmc.BootSetting{Device: bmc.BootDisk, Mode: m})
		if m == bmc.ModeSecureBoot && !r.can(bmc.CanSecureBoot) {
			wantKind(t, "secure boot", err, step.Unsupported)
			continue
		}
		if err != nil {
			t.Fatalf("mode %s: %v", m, err)
		}
		r.overrideIs(t, bmc.BootSetting{Device: bmc.BootDisk, Mode: m})
		if got := r.restarted(t); got.Mode != m || got.Device != bmc.BootDisk {
			t.Errorf("booted %+v, want from disk in mode %s", got, m)
		}
	}
	// Without a mode the one in force stays.
	if err := r.boot(t).Set(t.Context(), bmc.BootSetting{Device: bmc.BootPXE}); err != nil {
		t.Fatal(err)
	}
	r.overrideIs(t, bmc.BootSetting{Device: bmc.BootPXE, Mode: bmc.ModeUEFI})
}

func inventory(t *testing.T, r *run) {
	if r.lacks(t, bmc.CanInventory, r.s.Inventory() != nil) {
		return
	}
	if r.s.Inventory() == nil {
		t.Fatal("the BMC has no inventory, which the rig promises")
	}
	got, err := r.s.Inventory().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Hardware, got, cmpopts.IgnoreFields(bmc.Hardware{}, "ReadAt")); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
	if got.ReadAt.IsZero() {
		t.Error("the inventory does not say when it was read")
	}
}

func closing(t *testing.T, r *run) {
	s, err := r.Driver.Open(t.Context(), r.Target)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Power().State(t.Context()); err == nil {
		t.Error("a closed session still answers")
	}
	r.reaches(t, bmc.Off) // the other session is untouched
}

func cancelled(t *testing.T, r *run) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.s.Power().State(ctx)
	wantKind(t, "read with a cancelled context", err, step.Timeout)
	wantKind(t, "change with a cancelled context", r.s.Power().Do(ctx, bmc.PowerOn), step.Timeout)
	_, err = r.Driver.Open(ctx, r.Target)
	wantKind(t, "open with a cancelled context", err, step.Timeout)
	if len(r.Boots()) != 0 {
		t.Error("a cancelled call turned the machine on")
	}
}

func concurrent(t *testing.T, r *run) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 4 {
				if _, err := r.s.Power().State(t.Context()); err != nil {
					t.Errorf("read power state: %v", err)
				}
				if m := r.s.Media(); m != nil {
					if _, err := m.Inserted(t.Context()); err != nil {
						t.Errorf("read medium: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
}
