package run

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/power"
	"github.com/ingotmetal/ingot/update"
)

// reboot is what the reboot annotations ask for together.
type reboot struct {
	// soft unless one of them says hard.
	soft bool
	// plain: the annotation without a key is among them; keys are the others, sorted.
	plain bool
	keys  []string
}

// rebootWanted reads reboot.metal3.io and reboot.metal3.io/<key>. A value that is no JSON means the default, soft, as in Metal3.
func rebootWanted(annotations map[string]string) (reboot, bool) {
	r := reboot{soft: true}
	for name, value := range annotations {
		key, isKey := strings.CutPrefix(name, metal3.RebootAnnotationPrefix+"/")
		switch {
		case name == metal3.RebootAnnotationPrefix:
			r.plain = true
		case isKey:
			r.keys = append(r.keys, key)
		default:
			continue
		}
		var a metal3.RebootAnnotationArguments
		if json.Unmarshal([]byte(value), &a) == nil && a.Mode == metal3.RebootModeHard {
			r.soft = false
		}
	}
	slices.Sort(r.keys)
	return r, r.plain || len(r.keys) > 0
}

// carryReboot takes the machine down, holds it there while a key is left, and says when it is over: then spec.online decides again.
func carryReboot(d *journey.Draft, r reboot, asked bool, seen update.Seen) (dec journey.Decision, over bool) {
	if d.Record.Reboot == nil {
		d.Record.Reboot = &ingot.RebootStatus{Mode: string(mode(r))}
	}
	if d.Host.Spec.DisablePowerOff {
		return restart(d, r, seen)
	}
	s := d.Record.Reboot
	if s.OffAt == nil || asked {
		if s.OffRequestedAt == nil {
			s.OffRequestedAt = d.Stamp()
		}
		if dec, off := power.Align(d, power.Want{State: journey.PowerOff, Soft: r.soft, Why: "a reboot annotation asks for it", Since: s.OffRequestedAt.Time}); !off {
			return dec, false
		}
		s.OffAt = d.Stamp()
	}
	switch {
	case r.plain:
		delete(d.Host.Annotations, metal3.RebootAnnotationPrefix)
		return d.Again(journey.ReasonObjectsChanged, "the machine is off, the reboot annotation has done its work"), false
	case len(r.keys) > 0:
		return held(d, r), false
	}
	d.Record.Reboot = nil
	return journey.Decision{}, true
}

// restart resets a machine whose power may not be turned off. It cannot be held: a key that stays does nothing more.
func restart(d *journey.Draft, r reboot, seen update.Seen) (dec journey.Decision, over bool) {
	s := d.Record.Reboot
	switch {
	case s.OffAt != nil:
	case d.Succeeded(journey.Restart{}):
		s.OffAt = d.Stamp()
	default:
		if dec, ready := beforeStart(d, seen, true); !ready {
			return dec, false
		}
		s.OffRequestedAt = first(s.OffRequestedAt, d.Stamp())
		want := drive(d)
		d.WantDrive(want)
		return d.Act(journey.Restart{Soft: r.soft, Drive: want}, journey.ReasonRestarting, "a reboot annotation asks for it, and the power may not be turned off"), false
	}
	switch {
	case r.plain:
		delete(d.Host.Annotations, metal3.RebootAnnotationPrefix)
		return d.Again(journey.ReasonObjectsChanged, "the machine was reset, the reboot annotation has done its work"), false
	case len(r.keys) > 0:
		return held(d, r), false
	}
	d.Record.Reboot = nil
	return journey.Decision{}, true
}

func held(d *journey.Draft, r reboot) journey.Decision {
	state := "off"
	if d.Host.Spec.DisablePowerOff {
		state = "as it is after its reset"
	}
	return d.Wait(journey.ReasonRebootHeld, fmt.Sprintf("the machine is kept %s until these annotations are removed: %s/%s", state,
		metal3.RebootAnnotationPrefix, strings.Join(r.keys, ", "+metal3.RebootAnnotationPrefix+"/")), d.Now.Add(power.PollEvery), time.Time{})
}

func mode(r reboot) metal3.RebootMode {
	if r.soft {
		return metal3.RebootModeSoft
	}
	return metal3.RebootModeHard
}

func first(a, b *metav1.Time) *metav1.Time {
	if a != nil {
		return a
	}
	return b
}
