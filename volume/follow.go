package volume

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/ramdisk"
	"github.com/ingotmetal/ingot/step"
)

// follow brings the change under way to its end. The next one begins in another pass, when the record has none any more.
func follow(d *journey.Draft, c *ingot.RAIDChange, seen Seen) journey.Decision {
	switch {
	case c.EndedAt != nil:
		return prove(d, c, seen, c.EndedAt.Add(shownWithin))
	case c.AcceptedAt == nil:
		return lost(d, c, seen)
	}
	limit := c.AskedAt.Add(Limit)
	if c.Staged {
		up, dec, restarted := restart(d, c)
		if !restarted {
			return dec
		}
		limit = up.Add(stagedWithin)
		if c.Ticket == "" {
			// There is nothing to ask by: the start has done it, or not.
			return prove(d, c, seen, up.Add(shownWithin))
		}
	}
	switch {
	case !d.Now.Before(limit):
		c.EndedAt = d.Stamp()
		return d.Again(journey.ReasonChangingVolumes, told(c)+": the BMC does not come to an end; the controller is looked at")
	case seen.Unanswered:
		return d.Wait(journey.ReasonChangingVolumes, told(c)+": the BMC does not answer", d.Now.Add(unansweredRetry), limit)
	case seen.Looked:
		return d.Wait(journey.ReasonChangingVolumes, told(c), d.Now.Add(min(followEvery, max(followFirst, d.Now.Sub(c.AskedAt.Time)/10))), limit)
	}
	return d.ActUntil(journey.FollowVolume{Ticket: c.Ticket}, journey.Outcome{Reason: journey.ReasonChangingVolumes, Message: told(c), Deadline: limit})
}

// lost looks what became of an order whose answer is not known. One that does not show within a while may wait at its controller for the machine's next start, which it then gets.
func lost(d *journey.Draft, c *ingot.RAIDChange, seen Seen) journey.Decision {
	if seen.Storage != nil && shown(c, *seen.Storage) || d.Now.Before(c.AskedAt.Add(staging)) {
		return prove(d, c, seen, c.AskedAt.Add(shownWithin))
	}
	if !c.Staged {
		stage(d, c)
	}
	up, dec, restarted := restart(d, c)
	if !restarted {
		return dec
	}
	return prove(d, c, seen, up.Add(staging))
}

// restart has the machine started into another boot of the agent than the one in which the change was staged. up is when that agent called first.
func restart(d *journey.Draft, c *ingot.RAIDChange) (up time.Time, dec journey.Decision, restarted bool) {
	b := d.Record.Boot
	if b != nil && b.ID != c.StagedIn && b.Purpose == ingot.PurposeAgent && b.EnrolledAt != nil {
		return b.EnrolledAt.Time, journey.Decision{}, true
	}
	if b != nil && b.ID == c.StagedIn {
		d.DropBoot()
	}
	dec, ready := ramdisk.Ensure(d, metal3.PreparationError)
	if ready {
		// The agent is there and its first word is not in the record yet, which Begin has written by the next pass.
		dec = d.Wait(journey.ReasonChangingVolumes, told(c)+": the machine was started for it", d.Now.Add(readAgain), time.Time{})
	}
	return time.Time{}, dec, false
}

// prove looks whether the controller shows the change, until a time.
func prove(d *journey.Draft, c *ingot.RAIDChange, seen Seen, until time.Time) journey.Decision {
	late := !d.Now.Before(until)
	switch {
	case seen.Storage != nil && shown(c, *seen.Storage):
		d.EndVolume(c.Delete, "")
		carriedOut(d.Record.RAID, c)
		return d.Again(journey.ReasonChangingVolumes, told(c)+" is done")
	case seen.Storage != nil && late && c.AcceptedAt == nil:
		// The BMC never heard of it.
		drop(d, c, "the BMC's answer was lost, and nothing came of it")
		return d.Again(journey.ReasonChangingVolumes, told(c)+": the BMC's answer was lost, and nothing came of it")
	case seen.Storage != nil && late:
		f := step.Failure{Kind: step.Internal, Message: fmt.Sprintf("%s: the BMC took the order, and %s after its end the controller does not show it", told(c), shownWithin), Fix: "see the BMC's own log of the controller"}
		drop(d, c, f.Message)
		return d.Fail(metal3.PreparationError, f)
	case seen.Unanswered && !late:
		return d.Wait(journey.ReasonChangingVolumes, told(c)+": the BMC does not answer", d.Now.Add(unansweredRetry), until)
	case seen.Unanswered:
		f := step.Failure{Kind: step.Unreachable, Message: told(c) + ": the BMC does not answer any more"}
		return d.Fail(metal3.PreparationError, f)
	case c.ReadAt == nil || !d.Now.Before(c.ReadAt.Add(readAgain)) || late:
		return d.ActUntil(journey.ReadVolumes{}, journey.Outcome{Reason: journey.ReasonChangingVolumes, Message: told(c) + ": looking whether the controller shows it", Deadline: until})
	}
	return d.Wait(journey.ReasonChangingVolumes, told(c)+": the controller does not show it yet", c.ReadAt.Add(readAgain), until)
}

// shown says whether a controller is as after the change: the volume is gone, or one that was not there before is of its drives.
func shown(c *ingot.RAIDChange, s raid.Storage) bool {
	for _, k := range s.Controllers {
		if k.ID != c.Volume.Controller {
			continue
		}
		for _, m := range k.Volumes {
			switch {
			case c.Delete && m.ID == c.Volume.ID:
				return false
			case c.Delete || slices.Contains(c.Before, m.ID):
			case len(m.Drives) == 0 || sameSet(m.Drives, c.Volume.Drives):
				c.Volume.ID = m.ID
				return true
			}
		}
		return c.Delete
	}
	// The controller itself is not shown at the moment: nothing is known.
	return false
}

func sameSet(a, b []string) bool {
	x, y := slices.Clone(a), slices.Clone(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// told is the change, for people.
func told(c *ingot.RAIDChange) string {
	v := c.Volume
	if c.Delete {
		return fmt.Sprintf("deletion of volume %s of controller %s", v.ID, v.Controller)
	}
	name := ""
	if v.AskedName != "" {
		name = " " + v.AskedName
	}
	return fmt.Sprintf("making of volume%s of level %s at controller %s of %s", name, v.Level, v.Controller, strings.Join(v.Drives, ", "))
}
