package bmctest

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// BIOS is a firmware with settings.
type BIOS struct {
	// Settings are in force at first. Registry describes them; without a name the BMC does not describe them.
	Settings map[string]string
	Registry firmware.Registry
	// AtOnce: the BMC shows a changed setting as in force before the boot.
	AtOnce bool
	// Change are settings that can be set, each other than it is; Refused some that cannot, one by one.
	Change, Refused map[string]string
	// InForce are the machine's own settings.
	InForce func() map[string]string
}

// bios is the BMC's, nil where the rig has none, after the BMC said so.
func (r *run) bios(t *testing.T) bmc.BIOS {
	t.Helper()
	has := r.s.BIOS() != nil
	if has != (r.BIOS != nil) || r.can(bmc.CanBIOS) != has {
		t.Fatalf("BIOS settings: the rig has them: %v, the session: %v, the capabilities: %v", r.BIOS != nil, has, r.can(bmc.CanBIOS))
	}
	return r.s.BIOS()
}

func (r *run) biosIs(t *testing.T, want map[string]string) bmc.BIOSSettings {
	t.Helper()
	got, err := r.s.BIOS().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Settings); diff != "" {
		t.Fatalf("BIOS settings (-want +got):\n%s", diff)
	}
	return got
}

func (r *run) pendingIs(t *testing.T, want map[string]string) {
	t.Helper()
	got, err := r.s.BIOS().Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Fatalf("pending %v, want %v", got, want)
	}
}

// biosSettings: what is set comes into force with the next boot, and not before; what is in force can be asked for again.
func biosSettings(t *testing.T, r *run) {
	b := r.bios(t)
	if b == nil {
		return
	}
	r.described(t, r.biosIs(t, r.BIOS.Settings).Registry)
	r.pendingIs(t, nil)
	for range 2 {
		if err := b.Set(t.Context(), r.BIOS.Change); err != nil {
			t.Fatal(err)
		}
	}
	after := maps.Clone(r.BIOS.Settings)
	maps.Copy(after, r.BIOS.Change)
	if r.BIOS.AtOnce {
		r.pendingIs(t, nil)
	} else {
		r.pendingIs(t, r.BIOS.Change)
		r.biosIs(t, r.BIOS.Settings)
	}
	r.restarted(t)
	r.biosIs(t, after)
	r.pendingIs(t, nil)
	if diff := cmp.Diff(after, r.BIOS.InForce()); diff != "" {
		t.Errorf("the machine's own settings (-want +got):\n%s", diff)
	}
	for _, same := range []map[string]string{r.BIOS.Change, nil} {
		if err := b.Set(t.Context(), same); err != nil {
			t.Errorf("set what is in force already: %v", err)
		}
	}
	r.pendingIs(t, nil)
	r.changedMind(t, after)
}

// changedMind: a setting that waits is set back before the boot, which then changes nothing.
func (r *run) changedMind(t *testing.T, now map[string]string) {
	t.Helper()
	back := map[string]string{}
	for name := range r.BIOS.Change {
		back[name] = r.BIOS.Settings[name]
	}
	for _, set := range []map[string]string{back, r.BIOS.Change} {
		if err := r.s.BIOS().Set(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	r.restarted(t)
	r.biosIs(t, now)
}

func (r *run) described(t *testing.T, name string) {
	t.Helper()
	if name != r.BIOS.Registry.Name {
		t.Fatalf("the registry is named %q, want %q", name, r.BIOS.Registry.Name)
	}
	_, err := r.s.BIOS().Registry(t.Context(), "NoSuchRegistry.v1_0_0")
	wantKind(t, "read a registry that is not there", err, step.Unsupported)
	got, err := r.s.BIOS().Registry(t.Context(), name)
	if name == "" {
		wantKind(t, "read a registry without a name", err, step.Unsupported)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.BIOS.Registry, got); diff != "" {
		t.Errorf("registry (-want +got):\n%s", diff)
	}
}

// biosRefused: a setting that cannot be takes those that could be with it.
func biosRefused(t *testing.T, r *run) {
	b := r.bios(t)
	if b == nil {
		return
	}
	for name, value := range r.BIOS.Refused {
		ask := maps.Clone(r.BIOS.Change)
		ask[name] = value
		err := b.Set(t.Context(), ask)
		wantKind(t, "set "+name, err, step.Invalid)
	}
	r.pendingIs(t, nil)
	r.restarted(t)
	r.biosIs(t, r.BIOS.Settings)
}
