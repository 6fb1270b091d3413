package lifecycle

import (
	"slices"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// actions are the names of a plan's actions.
func actions(plan []PlannedStep) string {
	var out []string
	for _, s := range plan {
		if s.Action != "" {
			out = append(out, s.Action)
		}
	}
	return strings.Join(out, ", ")
}

const (
	findOut = "verify BMC, open boot window, boot agent, inspect, save hardware data, clean"
	put     = "choose-disk, write-image, set power, open boot window, boot from disk"
)

func TestPlanOfANewHost(t *testing.T) {
	for name, c := range map[string]struct {
		edits []string
		want  string
		end   journey.OutcomeKind
		last  string
	}{
		"with an image: two boots":    {[]string{"image"}, findOut + ", " + put, journey.Done, "provisioned"},
		"without one: it waits, on":   {nil, findOut, journey.Done, "available; the agent stays"},
		"without one and offline":     {[]string{"offline"}, findOut + ", set power, close boot window", journey.Done, "available and off"},
		"not inspected":               {[]string{"no inspection", "offline"}, "verify BMC, open boot window, boot agent, clean, set power, close boot window", journey.Done, "available"},
		"with a live ISO":             {[]string{"live ISO"}, findOut + ", set power, open boot window, boot live ISO", journey.Done, "provisioned"},
		"inspected by its BMC":        {[]string{"fast inspection", "image"}, "verify BMC, read inventory, save hardware data, open boot window, boot agent, clean, " + put, journey.Done, "provisioned"},
		"neither inspected nor wiped": {[]string{"no inspection", "no cleaning", "offline"}, "verify BMC", journey.Done, "available"},
		"with no RAID volume":         {[]string{"raid"}, "verify BMC, open boot window, boot agent, inspect, save hardware data, read RAID controllers, clean", journey.Done, "available; the agent stays"},
		"with a RAID volume": {[]string{"volume"}, "verify BMC, open boot window, boot agent, inspect, save hardware data, read RAID controllers, make RAID volume, read RAID controllers, read RAID controllers, " +
			"open boot window, boot agent, inspect, save hardware data, read RAID controllers, clean", journey.Done, "available; the agent stays"},
		"externally provisioned":       {[]string{"external"}, "verify BMC, set power", journey.Done, "externally provisioned"},
		"paused":                       {[]string{"pause"}, "", journey.Done, "paused"},
		"with an image that is no URL": {[]string{"ftp image"}, findOut, journey.Blocked, "is not http(s)"},
		"power may not be turned off":  {[]string{"no power off", "image"}, findOut + ", choose-disk, write-image, open boot window, boot from disk", journey.Done, "provisioned"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(1, nil)
			for _, e := range c.edits {
				edits()[e](w)
			}
			plan := Plan(journey.Facts{Host: w.host}, w.now)
			last := plan[len(plan)-1]
			if got := actions(plan); got != c.want || last.End != c.end || !strings.Contains(last.What, c.last) {
				t.Fatalf("actions %q\nwant    %q\nend %q: %s", got, c.want, last.End, last.What)
			}
		})
	}
}

// TestPlanComesTrue: in a world without faults exactly what was planned happens.
func TestPlanComesTrue(t *testing.T) {
	for _, edit := range []string{"image", "no image", "offline"} {
		w := newWorld(3, nil)
		edits()[edit](w)
		plan := Plan(journey.Facts{Host: w.host, Site: w.facts().Site}, w.now)
		var did []string
		_, rests := w.settle(func(dec journey.Decision) bool {
			if dec.Action != nil && dec.Action.Name() != (journey.ReadPower{}).Name() {
				did = append(did, dec.Action.Name())
			}
			return atRest(dec)
		})
		if !rests || strings.Join(did, ", ") != actions(plan) {
			t.Fatalf("%s: planned %q\ndone    %q\n%s", edit, actions(plan), strings.Join(did, ", "), w.report())
		}
	}
}

func TestPlanOfALivingHost(t *testing.T) {
	w := newWorld(4, nil)
	edits()["image"](w)
	w.settle(atRest)
	facts := journey.Facts{Host: w.host, Record: w.record, Hardware: w.hardware}
	if p := Plan(facts, w.now); len(p) != 1 || p[0].End != journey.Done {
		t.Fatalf("a provisioned host has nothing ahead: %+v", p)
	}
	w.deleteHost()
	facts.Host = w.host
	want := "open boot window, boot agent, clean, set power, release host"
	if got := actions(Plan(facts, w.now)); got != want {
		t.Fatalf("deletion plans %q, want %q", got, want)
	}
	w.host.DeletionTimestamp = nil
	edits()["bad hints"](w)
	edits()["other image"](w)
	p := Plan(journey.Facts{Host: w.host, Record: w.record, Hardware: w.hardware}, w.now)
	if !slices.ContainsFunc(p, func(s PlannedStep) bool { return strings.Contains(s.What, `serialNumber is "A", not "none"`) }) {
		t.Fatalf("the plan does not show that the hints match no disk: %+v", p)
	}
}

// TestPlanMidway: a plan made in the middle of a step goes on from there.
func TestPlanMidway(t *testing.T) {
	w := newWorld(5, nil)
	edits()["image"](w)
	for range 200 {
		dec := w.pass()
		w.advance(dec)
		if s := w.record.Step; s != nil && s.Kind == string(step.WriteImage) {
			break
		}
	}
	got := actions(Plan(journey.Facts{Host: w.host, Record: w.record, Hardware: w.hardware}, w.now))
	if want := "set power, open boot window, boot from disk"; got != want {
		t.Fatalf("planned %q, want %q", got, want)
	}
}

func TestExplain(t *testing.T) {
	w := newWorld(6, nil)
	edits()["image"](w)
	edits()["bad hints"](w)
	for range 400 {
		dec := w.pass()
		w.advance(dec)
		if dec.Outcome.Reason == journey.ReasonImageGivenUp {
			break
		}
	}
	e := Explain(journey.Facts{Host: w.host, Record: w.record, Hardware: w.hardware}, w.now)
	switch {
	case e.Stage != string(metal3.StateAvailable), e.Kind != string(journey.Blocked), e.Reason != string(journey.ReasonImageGivenUp):
		t.Fatalf("%+v", e)
	case !strings.Contains(e.Unblock, "correct spec.image or the root device hints"), !strings.Contains(e.Error, "provisioning error (5 so far)"):
		t.Fatalf("%+v", e)
	case len(e.Disks) != 2 || !strings.Contains(e.Disks[0], "serialNumber"), e.Since == nil:
		t.Fatalf("%+v", e)
	}
	fresh := Explain(journey.Facts{Host: newWorld(1, nil).host}, noon)
	if !strings.Contains(fresh.Unblock, "has not looked") {
		t.Fatalf("%+v", fresh)
	}
}

// TestPlanOfAnUpdate: an available host whose BIOS is to be updated is prepared for it, by one boot.
func TestPlanOfAnUpdate(t *testing.T) {
	w := newWorld(4, nil)
	w.settle(atRest)
	f := journey.Facts{Host: w.host, Record: w.record, Hardware: w.hardware}
	f.Record.BMC.Capabilities = append(slices.Clone(f.Record.BMC.Capabilities), journey.CapabilityComponents)
	f.Components = journey.ComponentsFacts{Wanted: []firmware.Update{{Component: "bios", URL: "https://files/bios.bin"}}}
	const want = "read firmware versions, update firmware, follow firmware update, open boot window, boot agent, read firmware versions"
	if got := actions(Plan(f, w.now)); !strings.HasPrefix(got, want) {
		t.Errorf("actions %q\nwant    %q first", got, want)
	}
}
