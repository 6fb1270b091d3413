package prepare

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

func software(levels ...string) *metal3.RAIDConfig {
	r := &metal3.RAIDConfig{SoftwareRAIDVolumes: []metal3.SoftwareRAIDVolume{}}
	for _, l := range levels {
		r.SoftwareRAIDVolumes = append(r.SoftwareRAIDVolumes, metal3.SoftwareRAIDVolume{Level: l})
	}
	return r
}

// TestWhatRAIDMeans: nil and an empty list, as Metal3 means them.
func TestWhatRAIDMeans(t *testing.T) {
	hardware := func(v ...metal3.HardwareRAIDVolume) *metal3.RAIDConfig {
		return &metal3.RAIDConfig{HardwareRAIDVolumes: append([]metal3.HardwareRAIDVolume{}, v...)}
	}
	kept := hardware(metal3.HardwareRAIDVolume{Level: "1"})
	for name, c := range map[string]struct{ spec, have, want *metal3.RAIDConfig }{
		"nothing, ever":                {nil, nil, nil},
		"nothing in an empty object":   {&metal3.RAIDConfig{}, nil, nil},
		"software":                     {software("1"), nil, software("1")},
		"software cleared":             {software(), software("1"), software()},
		"software no longer asked for": {nil, software("1"), software()},
		"hardware":                     {kept, nil, kept},
		"hardware cleared":             {hardware(), kept, hardware()},
		"hardware left as it is":       {nil, kept, &metal3.RAIDConfig{HardwareRAIDVolumes: kept.HardwareRAIDVolumes, SoftwareRAIDVolumes: []metal3.SoftwareRAIDVolume{}}},
		"hardware cleared before":      {nil, hardware(), software()},
	} {
		h := &metal3.BareMetalHost{}
		h.Spec.RAID, h.Status.Provisioning.RAID = c.spec, c.have
		got := raidStatus(h)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		// Once written and read again it stays.
		b, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		h.Status.Provisioning.RAID = nil
		if err := json.Unmarshal(b, &h.Status.Provisioning.RAID); err != nil {
			t.Fatal(err)
		}
		if again := raidStatus(h); !reflect.DeepEqual(again, got) {
			t.Errorf("%s: %+v, then %+v", name, got, again)
		}
	}
}

// arrayed is a host that was prepared with a mirror.
func arrayed() journey.Facts {
	f := settledFacts()
	f.Firmware.Wanted = nil
	f.Host.Spec.AutomatedCleaningMode, f.Host.Spec.RAID = metal3.CleaningModeMetadata, software("1")
	f.Host.Status.Provisioning.RAID = f.Host.Spec.RAID.DeepCopy()
	f.Record.CleanedAt = before(time.Minute)
	f.Record.RAID = &ingot.RAIDStatus{ArraysFor: journey.RAIDKey(journey.SoftwareRAID(f.Host)), Arrays: []ingot.RAIDArray{{UUID: "u", Level: "1"}}}
	return f
}

func TestSoftwareRAID(t *testing.T) {
	ended := func(f *journey.Facts, o step.Outcome) {
		f.Record.Step = &ingot.StepStatus{ID: "b-1-configure-raid", Kind: string(step.ConfigureRAID), StartedAt: *before(time.Minute)}
		f.Record.RAID = nil
		f.Agent.StepID, f.Agent.Phase, f.Agent.Outcome = "b-1-configure-raid", step.Finished, &o
	}
	for name, c := range map[string]struct {
		edit func(*journey.Facts)
		// action is the decision's, empty for none; says a part of its message; arrays how many the record has; clean whether the proof stands.
		action, says string
		arrays       int
		clean        bool
	}{
		"made":              {func(*journey.Facts) {}, "", "to spec", 1, true},
		"not made yet":      {func(f *journey.Facts) { f.Record.RAID = nil }, "configure-raid", "handing", 0, true},
		"disks not clean":   {func(f *journey.Facts) { f.Record.RAID, f.Record.CleanedAt = nil, nil }, "clean", "handing", 0, false},
		"others are there":  {func(f *journey.Facts) { f.Record.RAID.ArraysFor = "other" }, "clean", "handing", 1, false},
		"asked for no more": {func(f *journey.Facts) { f.Host.Spec.RAID = nil }, "clean", "handing", 1, false},
		"cleared":           {func(f *journey.Facts) { f.Host.Spec.RAID = software() }, "clean", "handing", 1, false},
		"cleared before":    {func(f *journey.Facts) { f.Host.Spec.RAID, f.Record.RAID = software(), nil }, "", "to spec", 0, true},
		"another volume":    {func(f *journey.Facts) { f.Host.Spec.RAID = software("1", "0") }, "clean", "handing", 1, false},
		"a striped root":    {func(f *journey.Facts) { f.Host.Spec.RAID = software("0") }, "", "has to be level 1", 1, true},
		"legacy":            {func(f *journey.Facts) { f.Record.RAID, f.Host.Spec.BootMode = nil, metal3.Legacy }, "", "legacy", 0, true},
		"no cleaning, made": {func(f *journey.Facts) { f.Host.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled }, "", "to spec", 1, true},
		"no cleaning, not": {func(f *journey.Facts) {
			f.Record.RAID, f.Host.Spec.AutomatedCleaningMode = nil, metal3.CleaningModeDisabled
		}, "", "automatedCleaningMode is disabled", 0, true},
		"no cleaning, taken": {func(f *journey.Facts) {
			f.Host.Spec.RAID, f.Host.Spec.AutomatedCleaningMode = nil, metal3.CleaningModeDisabled
		}, "", "automatedCleaningMode is disabled", 1, true},
		"just made": {func(f *journey.Facts) {
			ended(f, step.Outcome{Arrays: []step.Array{{UUID: "v", Level: "1", Disks: []step.Disk{{Name: "/dev/sda"}}}}})
		}, "", "to spec", 1, true},
		"made by halves": {func(f *journey.Facts) { ended(f, step.Outcome{}) }, "", "without saying", 0, false},
		"failed": {func(f *journey.Facts) {
			ended(f, step.Outcome{Failure: &step.Failure{Kind: step.Invalid, Message: "too few disks"}})
		}, "", "too few disks", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := arrayed()
			c.edit(&f)
			dec := Decide(f, noon)
			if broken := journey.Check(f, dec); len(broken) > 0 {
				t.Errorf("the decision breaks %v", broken)
			}
			action := ""
			if dec.Action != nil {
				action = dec.Action.Name()
			}
			if action != c.action || !strings.Contains(dec.Outcome.Message, c.says) {
				t.Errorf("%q (%s), want %q (%s)", action, dec.Outcome.Message, c.action, c.says)
			}
			if got := len(journey.Arrays(&dec.Record)); got != c.arrays || (dec.Record.CleanedAt != nil) != c.clean {
				t.Errorf("%d arrays, clean since %v; want %d, %v", got, dec.Record.CleanedAt, c.arrays, c.clean)
			}
		})
	}
}

// TestChangedRAIDLeadsBack: an available host is prepared again for other volumes, and for those that a cleaning took away.
func TestChangedRAIDLeadsBack(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*journey.Facts)
		want metal3.ProvisioningState
	}{
		"as it was":     {func(*journey.Facts) {}, metal3.StateAvailable},
		"other volumes": {func(f *journey.Facts) { f.Host.Spec.RAID = software("1", "1") }, metal3.StatePreparing},
		"none":          {func(f *journey.Facts) { f.Host.Spec.RAID = nil }, metal3.StatePreparing},
		"cleaned since": {func(f *journey.Facts) { f.Record.RAID = nil }, metal3.StatePreparing},
		"hardware asked": {func(f *journey.Facts) {
			f.Host.Spec.RAID = &metal3.RAIDConfig{HardwareRAIDVolumes: []metal3.HardwareRAIDVolume{}}
		}, metal3.StatePreparing},
		"never had any": {func(f *journey.Facts) {
			f.Host.Spec.RAID, f.Host.Status.Provisioning.RAID, f.Record.RAID = nil, nil, nil
		}, metal3.StateAvailable},
		"cleared, asked": {func(f *journey.Facts) {
			f.Host.Spec.RAID, f.Host.Status.Provisioning.RAID, f.Record.RAID = software(), software(), nil
		}, metal3.StateAvailable},
	} {
		f := arrayed()
		f.Host.Status.Provisioning.State, f.Host.Spec.Online = metal3.StateAvailable, true
		f.Power = journey.PowerReading{State: journey.PowerOn, ReadAt: noon}
		c.edit(&f)
		if got := Offer(f, noon).Host.Status.Provisioning.State; got != c.want {
			t.Errorf("%s: the host is %s, want %s", name, got, c.want)
		}
	}
}
