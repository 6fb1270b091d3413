package redfish_test

import (
	"context"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/redfish"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

func personality(t *testing.T, name string) bmcsim.Personality {
	t.Helper()
	for _, p := range bmcsim.Personalities() {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no personality %s", name)
	return bmcsim.Personality{}
}

// TestQuirksAreNeeded: with the row the make works, and without it the same call goes wrong in the way that the row's reason tells. A row that
// changes nothing would pass the suite and be a lie.
func TestQuirksAreNeeded(t *testing.T) {
	media := mediaServer(t)
	bootsCD := func(t *testing.T, s bmc.Session, b sim) bool {
		if err := s.Media().Insert(t.Context(), media+"/a.iso"); err != nil {
			return false
		}
		if err := s.Boot().Set(t.Context(), bmc.BootSetting{Device: bmc.BootCD, Mode: bmc.ModeUEFI, Once: true}); err != nil {
			return false
		}
		if err := s.Power().Do(t.Context(), bmc.PowerOn); err != nil {
			return false
		}
		boots := b.machine.Boots()
		return len(boots) == 1 && boots[0].Device == bmc.BootCD && boots[0].Mode == bmc.ModeUEFI && boots[0].Medium != nil
	}
	ejects := func(t *testing.T, s bmc.Session, _ sim) bool {
		if s.Media().Insert(t.Context(), media+"/a.iso") != nil || s.Media().Eject(t.Context()) != nil {
			return false
		}
		image, err := s.Media().Inserted(t.Context())
		return err == nil && image == ""
	}
	keepsMode := func(t *testing.T, s bmc.Session, _ sim) bool {
		if s.Boot().Set(t.Context(), bmc.BootSetting{Device: bmc.BootPXE, Once: true}) != nil {
			return false
		}
		got, err := s.Boot().Get(t.Context())
		return err == nil && got.Mode == bmc.ModeUEFI
	}
	for _, tt := range []struct {
		make, what string
		works      func(*testing.T, bmc.Session, sim) bool
	}{
		{"supermicro", "boot from the virtual CD", bootsCD},
		{"supermicro", "see that the drive is empty", ejects},
		{"supermicro", "keep the firmware mode", keepsMode},
		{"idrac", "boot from the virtual CD", bootsCD},
		{"xclarity", "find the drive for URLs", bootsCD},
	} {
		t.Run(tt.make+": "+tt.what, func(t *testing.T) {
			t.Parallel()
			for _, with := range []bool{true, false} {
				b := newSim(t, personality(t, tt.make))
				o := fast()
				o.FollowTimeout = 300 * time.Millisecond
				if with {
					o.FollowTimeout = 10 * time.Second
				}
				d := newDriver(t, o)
				if !with {
					d.WithoutQuirks()
				}
				if works := tt.works(t, open(t, d, b.target), b); works != with {
					t.Errorf("with the quirks in force %v: works %v", with, works)
				}
			}
		})
	}
}

// TestQuirksSaveCalls: rows that only save a refused call do save it.
func TestQuirksSaveCalls(t *testing.T) {
	media := mediaServer(t)
	for _, tt := range []struct {
		make string
		do   func(context.Context, bmc.Session) error
	}{
		{"irmc", booting(bmc.BootPXE, bmc.ModeUEFI)},
		{"xclarity", booting(bmc.BootPXE, bmc.ModeUEFI)},
		{"supermicro", func(ctx context.Context, s bmc.Session) error { return s.Media().Insert(ctx, media+"/a.iso") }},
	} {
		failures := func(with bool) int64 {
			b := newSim(t, personality(t, tt.make))
			d := newDriver(t, fast())
			if !with {
				d.WithoutQuirks()
			}
			s := open(t, d, b.target)
			if err := tt.do(t.Context(), s); err != nil && with {
				t.Errorf("%s: %v", tt.make, err)
			}
			return d.Stats(b.bmc.HostPort()).Failures
		}
		if with, without := failures(true), failures(false); with != 0 || without == 0 {
			t.Errorf("%s: %d refused calls with its quirks, %d without: want none and some", tt.make, with, without)
		}
	}
}

// TestWaitAfterInsert: a make whose media come late is waited for.
func TestWaitAfterInsert(t *testing.T) {
	media := mediaServer(t)
	for name, want := range map[string]time.Duration{"irmc": 5 * time.Second, "openbmc": 2 * time.Second, "generic": 0} {
		d, err := redfish.New(fast())
		if err != nil {
			t.Fatal(err)
		}
		var waited time.Duration
		d.SetSettle(func(_ context.Context, d time.Duration) error { waited += d; return nil })
		s := open(t, d, newSim(t, personality(t, name)).target)
		if err := s.Media().Insert(t.Context(), media+"/a.iso"); err != nil {
			t.Fatal(err)
		}
		if waited != want {
			t.Errorf("%s: waited %s after the insertion, want %s", name, waited, want)
		}
	}
}
