package update

import (
	"fmt"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// verify looks whether a component has another version since a time at which it should have. Which one the image brings nobody says beforehand; one that is named by the image's file and was
// there already needed no update.
func verify(d *journey.Draft, u ingot.UpdateStatus, since time.Time, seen Seen) (n Next, verified bool) {
	s := d.Record.Components
	limit := since.Add(inForceWithin)
	switch {
	case seen == Unanswered && d.Now.Before(limit):
		return act(d.Wait(journey.ReasonUpdatingFirmware, fmt.Sprintf("the BMC does not answer after the update of %s; it may be restarting", u.Component), d.Now.Add(unansweredRetry), limit)), false
	case s.ReadAt == nil || s.ReadAt.Time.Before(since):
		return act(read(d)), false
	}
	version := d.Facts.Components.Version(u.Component)
	named := !u.Lost && firmware.Update{Component: u.Component, URL: u.URL}.Names(version)
	switch {
	case version != "" && version != u.From || named:
		finish(d, u, version)
		return Next{}, true
	case d.Now.Before(limit) && !d.Now.Before(s.ReadAt.Add(readAgain)):
		return act(read(d)), false
	case d.Now.Before(limit):
		return act(d.Wait(journey.ReasonUpdatingFirmware, fmt.Sprintf("the update of %s has ended, and the BMC still shows version %s", u.Component, version), s.ReadAt.Add(readAgain), limit)), false
	}
	drop(s, u)
	f := step.Failure{Kind: step.Internal, Message: fmt.Sprintf("the BMC says that the update of %s is done, and %s later it still shows version %s", u.Component, inForceWithin, version),
		Fix: "see the BMC's own log; an image of the very version that is there already, which its file's name does not say, need not stand in spec.updates"}
	if u.Lost {
		f = step.Failure{Kind: step.Timeout, Message: fmt.Sprintf("how the update of %s ended is not known, and it still has version %s; it is begun again", u.Component, version)}
	}
	return Next{Failure: &f}, false
}

// finish notes an update that was carried out. A new BIOS may have other settings, and the BMC's own version stands in the record, too.
func finish(d *journey.Draft, u ingot.UpdateStatus, version string) {
	s := d.Record.Components
	drop(s, u)
	done := ingot.UpdateDone{Component: u.Component, URL: u.URL, Version: version, At: *d.Stamp()}
	for i := range s.Done {
		if s.Done[i].Component == u.Component {
			s.Done[i] = done
			done.Component = ""
		}
	}
	if done.Component != "" {
		s.Done = append(s.Done, done)
	}
	switch {
	case u.Component == firmware.BIOS && d.Record.Firmware != nil:
		d.Record.Firmware.ReadAt = nil
	case u.Component == firmware.BMC && d.Record.BMC != nil:
		d.Record.BMC.FirmwareVersion = version
	}
}
