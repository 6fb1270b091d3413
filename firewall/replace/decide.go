package replace

import (
	"fmt"
	"time"
)

// Decide is the next step.
func Decide(f Facts, now time.Time) Decision {
	switch f.Phase {
	case Preparing:
		return f.preparing(now)
	case Fencing:
		return f.fencing(now)
	case TakingOver:
		return f.takingOver(now)
	case Returning:
		return f.returning(now)
	case Abandoning:
		return f.abandoning(now)
	case Releasing:
		return f.releasing(now)
	case Idle:
	}
	if f.Due && !f.Cancelled {
		return f.to(Preparing, now, Begun, "another machine is claimed")
	}
	return f.stay(Nothing, NotAsked, "")
}

func (f Facts) stay(do Action, o Outcome, message string, args ...any) Decision {
	return Decision{Next: f.State, Do: do, Outcome: o, Message: fmt.Sprintf(message, args...)}
}

// to is another phase under the same right.
func (f Facts) to(p Phase, now time.Time, o Outcome, message string, args ...any) Decision {
	d := f.stay(Nothing, o, message, args...)
	d.Next.Phase, d.Next.Since = p, now
	return d
}

// hand is another phase with another holder, and so another term.
func (f Facts) hand(p Phase, h Holder, now time.Time, o Outcome, message string, args ...any) Decision {
	d := f.to(p, now, o, message, args...)
	d.Next.Term, d.Next.Holder = f.Term+1, h
	return d
}

func (f Facts) preparing(now time.Time) Decision {
	const serves = "the earlier machine serves on"
	switch {
	case f.Cancelled:
		return f.to(Abandoning, now, Cancelled, "the replacement is cancelled: the new machine is given back, %s", serves)
	case f.New.Leaving:
		return f.to(Abandoning, now, Lost, "somebody deleted the new machine: ask for another one; %s", serves)
	case !f.New.Exists:
		return f.stay(Claim, Claiming, "the new machine is made; %s", serves)
	case !f.New.Ready && now.Sub(f.Since) > Install:
		return f.stay(Nothing, NotInstalled, "the new machine is not installed since %s: %s; %s; cancel with `ingot firewall replace --cancel`, or mend what it waits for", stamp(f.Since), f.New.NotReady, serves)
	case !f.New.Ready:
		return f.stay(Nothing, Installing, "the new machine is claimed and installed: %s; %s", f.New.NotReady, serves)
	}
	if o, why := f.unhealthy(now); o != "" {
		return f.stay(Nothing, o, "the new machine %s; %s; cancel with `ingot firewall replace --cancel`", why, serves)
	}
	if f.Holder == Nobody { // the earlier one is gone already
		return f.to(Fencing, now, Yielding, "the new machine is healthy")
	}
	return f.hand(Fencing, Nobody, now, Yielding, "the new machine is healthy: the earlier one is told to stop answering")
}

// unhealthy says why the new machine could not take over; empty: it could.
func (f Facts) unhealthy(now time.Time) (Outcome, string) {
	r := f.New.Report
	switch {
	case r.Seen.IsZero():
		return Joining, "is installed, and has not joined yet: it gets its identity at its first boot"
	case now.Sub(r.Seen) > Fresh:
		return Unhealthy, "is silent since " + stamp(r.Seen)
	case r.Problem != "":
		return Unhealthy, "does not enforce the rules: " + r.Problem
	case !f.Resolved:
		return Unhealthy, "has no rules to take: the Firewall's condition Resolved says why"
	case r.Generation != f.Generation:
		return Unhealthy, fmt.Sprintf("has the rules of generation %d, and this is %d", r.Generation, f.Generation)
	case r.Term < f.Term:
		return Joining, "has not read the Firewall lately"
	}
	return "", ""
}

// fenced says whether it is proved that a machine does not answer, and will not before it has read of another term.
func (m Machine) fenced(term int64) bool {
	return !m.Exists || m.Off || m.Report.Term >= term && !m.Report.Holds
}

// able says whether the earlier machine can have the addresses back: it is there and was not turned off.
func (m Machine) able() bool { return m.Exists && !m.Leaving && m.Ready && !m.PowerOff }

func (f Facts) fencing(now time.Time) Decision {
	_, sick := f.unhealthy(now)
	if f.New.Report.Term < f.Term && f.New.Report.Problem == "" && f.New.Exists && now.Sub(f.New.Report.Seen) <= Fresh {
		sick = "" // it was healthy a moment ago, and need not have read that nobody answers
	}
	unwanted := f.Cancelled || sick != "" || !f.New.Exists || f.New.Leaving
	switch {
	case unwanted && f.Old.able():
		// The new machine never had the right: nothing has to be proved of it.
		o, why := Lost, "the new machine cannot take over: "+sick
		if f.Cancelled {
			o, why = Cancelled, "the replacement is cancelled"
		}
		return f.hand(Abandoning, Old, now, o, "%s; the earlier machine answers again", why)
	case !f.Old.fenced(f.Term):
		return f.stop(f.Old, PowerOffOld, "the earlier machine", now)
	case !f.New.Exists && f.Old.Exists && !f.Old.Leaving:
		return f.hand(Abandoning, Old, now, Lost, "the new machine is gone: the earlier one is turned on again")
	case !f.New.Exists || f.New.Leaving:
		return f.to(Preparing, now, Lost, "both machines are gone: another one is claimed")
	}
	return f.hand(TakingOver, New, now, Handing, "the new machine takes the addresses over")
}

// stop waits for a machine to stop by itself, and then has it turned off.
func (f Facts) stop(m Machine, do Action, name string, now time.Time) Decision {
	waited := now.Sub(f.Since)
	switch {
	case !m.PowerOff && waited <= Yield:
		return f.stay(Nothing, Yielding, "%s is told to stop answering", name)
	case waited <= Yield+PowerOff:
		return f.stay(do, PoweringOff, "%s did not say that it stopped answering: it is turned off by its BMC", name)
	}
	return f.stay(do, FenceFailed, "%s did not say that it stopped answering, and its BMC does not say that it is off since %s: turn it off by hand (host %s), so that no two machines answer for one address; then this goes on", name, stamp(f.Since), m.Host)
}

func (f Facts) takingOver(now time.Time) Decision {
	r := f.New.Report
	gone := !f.New.Exists || f.New.Leaving
	late := now.Sub(f.Since) > Serve
	switch {
	case !gone && r.Term >= f.Term && r.Holds && r.Problem == "":
		return f.to(Releasing, now, Served, "the new machine answers: the earlier one is given back")
	case (gone || late || f.Cancelled) && f.Old.able() && f.Old.Own:
		why := "the new machine does not say that it answers"
		if f.Cancelled {
			why = "the replacement is cancelled"
		}
		return f.hand(Returning, Nobody, now, GoingBack, "%s: the addresses go back", why)
	case !f.New.Exists && f.Old.Exists && !f.Old.Leaving && f.Old.Own:
		return f.hand(Abandoning, Old, now, Lost, "the new machine is gone: the earlier one is turned on again")
	case !f.New.Exists:
		return f.hand(Preparing, Nobody, now, Lost, "the new machine is gone, and the earlier one cannot be told to answer: another one is claimed")
	case late:
		return f.stay(Nothing, NotServing, "the new machine does not say that it answers since %s, and the earlier one cannot be told to: look at both (hosts %s, %s), or delete the new Machine, and another one is claimed", stamp(f.Since), f.New.Host, f.Old.Host)
	}
	return f.stay(Nothing, Handing, "the new machine takes the addresses over")
}

func (f Facts) returning(now time.Time) Decision {
	if !f.New.fenced(f.Term) {
		return f.stop(f.New, PowerOffNew, "the new machine", now)
	}
	return f.hand(Abandoning, Old, now, GivingUp, "the earlier machine answers again; the new one is given back")
}

func (f Facts) abandoning(now time.Time) Decision {
	switch {
	case f.Old.PowerOff && f.Old.Exists && !f.Old.Leaving:
		return f.stay(PowerOnOld, GivingUp, "the earlier machine is turned on again")
	case f.New.Exists:
		return f.stay(ReleaseNew, GivingUp, "the new machine is wiped and given back; the earlier one serves")
	}
	if f.Holder != Old {
		return f.hand(Idle, Old, now, GivenUp, "the replacement was given up: the Firewall's machine is made anew")
	}
	return f.to(Idle, now, GivenUp, "the replacement was given up, and the earlier machine serves: ask again with `ingot firewall replace`")
}

func (f Facts) releasing(now time.Time) Decision {
	if f.Old.Exists {
		return f.stay(ReleaseOld, Wiping, "the new machine serves; the earlier one is wiped and given back")
	}
	return f.to(Idle, now, Replaced, "the new machine serves, and the earlier one was wiped and given back")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
