package bmctest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

// Storage is the RAID controllers of the rig's machine.
type Storage struct {
	// At first there are these: the first controller has four drives or more that may be used, and supports the levels 0 and 1.
	At raid.Storage
	// OnReset: changes come with the machine's next start.
	OnReset bool
	// Unnamed: volumes are called as the BMC likes.
	Unnamed bool
	// Fail makes every change fail from now on, and say so.
	Fail func(why string)
}

// storage is the BMC's, nil where the rig has none, after the BMC said so.
func (r *run) storage(t *testing.T) bmc.Storage {
	t.Helper()
	has := r.s.Storage() != nil
	if r.Controllers != nil && !has || r.can(bmc.CanStorage) != has {
		t.Fatalf("storage: the rig has it: %v, the session: %v, the capabilities: %v", r.Controllers != nil, has, r.can(bmc.CanStorage))
	}
	if r.Controllers == nil {
		return nil
	}
	return r.s.Storage()
}

func (r *run) controllers(t *testing.T) raid.Storage {
	t.Helper()
	got, err := r.s.Storage().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// volumeChanged follows a change to its end, with a start of the machine where it needs one. failed is what the BMC says where it failed.
func (r *run) volumeChanged(t *testing.T, o bmc.VolumeOrder) (failed string) {
	t.Helper()
	if o.OnReset != r.Controllers.OnReset {
		t.Fatalf("the change is %+v", o)
	}
	if o.OnReset {
		r.restarted(t)
	}
	for deadline := time.Now().Add(patience); o.Ticket != ""; {
		p, err := r.s.Storage().Progress(t.Context(), o.Ticket)
		switch {
		case err != nil:
			t.Fatal(err)
		case p.State == bmc.UpdateFailed:
			return p.Message
		case p.State == bmc.UpdateDone:
			return ""
		case time.Now().After(deadline):
			t.Fatalf("the change is %+v", p)
		}
	}
	return ""
}

// volumes: controllers, drives and volumes are as they are; volumes are made of the named drives, with a name and a size or with all there is, and deleted.
func volumes(t *testing.T, r *run) {
	s := r.storage(t)
	if s == nil {
		return
	}
	before := r.controllers(t)
	if diff := cmp.Diff(r.Controllers.At, before, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("controllers (-want +got):\n%s", diff)
	}
	c := before.Controllers[0]
	ids := []string{c.Drives[0].ID, c.Drives[1].ID}
	one := raid.Made{Name: "system", Level: raid.Mirrored, SizeBytes: 10 << 30, Drives: ids}
	two := raid.Made{Level: raid.Striped, Drives: []string{c.Drives[2].ID, c.Drives[3].ID}}
	for _, v := range []raid.Made{one, two} {
		o, err := s.Make(t.Context(), c.ID, v)
		if err != nil {
			t.Fatal(err)
		}
		if why := r.volumeChanged(t, o); why != "" {
			t.Fatal(why)
		}
	}
	got := r.controllers(t).Controllers[0].Volumes
	if len(got) != 2 {
		t.Fatalf("volumes %+v", got)
	}
	for i, want := range []raid.Made{one, two} {
		g := got[i]
		if g.Level != want.Level || cmp.Diff(g.Drives, want.Drives) != "" || g.ID == "" || raid.CleanWWN(g.WWN) != g.WWN || g.WWN == "" || g.SizeBytes < 10<<30 {
			t.Errorf("volume %+v, asked for as %+v", g, want)
		}
		if want.Name != "" && g.Name != want.Name && !r.Controllers.Unnamed {
			t.Errorf("the volume is called %q, want %q", g.Name, want.Name)
		}
	}
	if got[0].SizeBytes != one.SizeBytes {
		t.Errorf("the volume has %d bytes, want %d", got[0].SizeBytes, one.SizeBytes)
	}
	if _, err := s.Make(t.Context(), c.ID, raid.Made{Level: raid.Striped, Drives: ids[:1]}); bmc.KindOf(err) != step.Invalid {
		t.Errorf("a drive that is in use: %v", err)
	}
	for _, g := range got {
		o, err := s.Delete(t.Context(), c.ID, g.ID)
		if err != nil {
			t.Fatal(err)
		}
		if why := r.volumeChanged(t, o); why != "" {
			t.Fatal(why)
		}
	}
	if diff := cmp.Diff(before, r.controllers(t), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("after all were deleted (-want +got):\n%s", diff)
	}
	if o, err := s.Delete(t.Context(), c.ID, got[0].ID); err != nil || o != (bmc.VolumeOrder{}) {
		t.Errorf("a volume that is gone: %+v, %v", o, err)
	}
}

// volumesRefused: what cannot be is refused, what fails says why, and nothing changes by either.
func volumesRefused(t *testing.T, r *run) {
	s := r.storage(t)
	if s == nil {
		return
	}
	before := r.controllers(t)
	c := before.Controllers[0]
	ids := []string{c.Drives[0].ID, c.Drives[1].ID}
	for what, try := range map[string]func() error{
		"another controller": func() error {
			_, err := s.Make(t.Context(), "none", raid.Made{Level: raid.Mirrored, Drives: ids})
			return err
		},
		"another drive": func() error {
			_, err := s.Make(t.Context(), c.ID, raid.Made{Level: raid.Mirrored, Drives: []string{ids[0], "none"}})
			return err
		},
	} {
		wantKind(t, what, try(), step.Invalid)
	}
	if p, err := s.Progress(t.Context(), "/redfish/v1/TaskService/Tasks/4711"); err != nil || p.State != bmc.UpdateUnknown {
		t.Errorf("a ticket that nobody gave: %+v, %v", p, err)
	}
	const why = "the drive does not answer (simulated fault)"
	r.Controllers.Fail(why)
	o, err := s.Make(t.Context(), c.ID, raid.Made{Level: raid.Mirrored, Drives: ids})
	said := ""
	if err != nil {
		said = err.Error()
	} else {
		said = r.volumeChanged(t, o)
	}
	if !strings.Contains(said, why) {
		t.Errorf("the failure says %q", said)
	}
	if diff := cmp.Diff(before, r.controllers(t), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("after a failure (-want +got):\n%s", diff)
	}
}
