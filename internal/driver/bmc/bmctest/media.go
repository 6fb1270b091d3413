package bmctest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

func (r *run) cd(t *testing.T) bmc.Media {
	t.Helper()
	if r.s.Media() == nil {
		t.Fatal("the BMC has no virtual media, which the rig promises")
	}
	return r.s.Media()
}

func (r *run) inserted(t *testing.T, want string) {
	t.Helper()
	got, err := r.cd(t).Inserted(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("inserted is %q, want %q", got, want)
	}
}

func mediaInsertEject(t *testing.T, r *run) {
	if r.lacks(t, bmc.CanVirtualMedia, r.s.Media() != nil) {
		return
	}
	m := r.cd(t)
	r.inserted(t, "")
	if err := m.Eject(t.Context()); err != nil {
		t.Fatalf("eject an empty drive: %v", err)
	}
	for _, url := range []string{r.Media[0], r.Media[1], r.Media[1]} {
		if err := m.Insert(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		r.inserted(t, url)
	}
	for range 2 {
		if err := m.Eject(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.inserted(t, "")
	}
}

func mediaFailures(t *testing.T, r *run) {
	if r.lacks(t, bmc.CanVirtualMedia, r.s.Media() != nil) {
		return
	}
	m := r.cd(t)
	wantKind(t, "insert a file", m.Insert(t.Context(), "file:///etc/passwd"), step.Invalid)
	if err := m.Insert(t.Context(), r.Media[0]); err != nil {
		t.Fatal(err)
	}
	err := m.Insert(t.Context(), r.Missing)
	if err == nil {
		t.Fatal("a medium that cannot be read was inserted")
	}
	if _, ok := errors.AsType[*bmc.Error](err); !ok {
		t.Errorf("%T is no *bmc.Error: %v", err, err)
	}
	if i := strings.LastIndexByte(r.Missing, '/'); strings.Contains(err.Error(), r.Missing[i+1:]) {
		t.Errorf("the error repeats the medium's secret path: %v", err)
	}
	r.inserted(t, "")
}

func bootFromMedium(t *testing.T, r *run) {
	if r.lacks(t, bmc.CanVirtualMedia, r.s.Media() != nil) {
		return
	}
	if err := r.cd(t).Insert(t.Context(), r.Media[0]); err != nil {
		t.Fatal(err)
	}
	if err := r.boot(t).Set(t.Context(), bmc.BootSetting{Device: bmc.BootCD, Mode: bmc.ModeUEFI, Once: true}); err != nil {
		t.Fatal(err)
	}
	r.do(t, bmc.PowerOn, bmc.On)
	want := []Boot{{Device: bmc.BootCD, Mode: bmc.ModeUEFI, Medium: r.Media[0]}}
	if diff := cmp.Diff(want, r.Boots()); diff != "" {
		t.Fatalf("boots (-want +got):\n%s", diff)
	}
	if !r.can(bmc.CanBootOnce) {
		return
	}
	if err := r.cd(t).Eject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.restarted(t); got.Device != bmc.BootNone || got.Medium != "" {
		t.Errorf("the next boot was %+v, want from the machine's own order with an empty drive", got)
	}
}
