// Package account decides about Ingot's own account at a host's BMC: which login to use, and when to make, set anew, rotate or remove the account.
//
// It owns the order of things that keeps a BMC open to us whatever dies when: a password is stored before the BMC is told of it, the one before it is kept until the new one has worked, and the
// credentials that the operator gave stay as they are, at the BMC and in their Secret, as the last way in. It owns passwords and names too (password.go). It refuses doing: calls of BMCs and
// Secrets are internal/controller/host/account's.
//
// By default a host has an account of its own. The given credentials are often a rack's or a maker's and known to many; ours is known to one Secret. It is never the other way in that is
// closed: a person who must get at the machine without Ingot needs an account that Ingot does not change. Who wants the given one used alone says so ("given").
//
// Invariants, which model_test.go holds against a BMC with faults and deaths: a password that was not stored is never set; the BMC's password is the stored one or the one before it, unless the
// BMC seems to have neither and the given account makes it anew; a password that the BMC refused is not tried again within the hour
// unless the BMC took it anew, so that a host costs its BMC four failed logins an hour at most, whatever is done to the account; the given account is never changed; when the faults end, the account is
// as asked for.
package account

import (
	"fmt"
	"time"
)

// Use is whose account logs in.
type Use string

// The uses. Own: an account of Ingot's, made by the given one. Given: the one of the host's Secret alone; an account that was made is removed.
const (
	Own   Use = "own"
	Given Use = "given"
)

// Policy is what is asked for.
type Policy struct {
	Use Use
	// RotateAfter is how old a password gets; 0: as old as it likes.
	RotateAfter time.Duration
	// Asked is an operator's word for a rotation now: another one than the stored account's asks for one.
	Asked string
	// Leaves: the host is being deleted. Its account is let go of at the end, and until then nothing about it is changed.
	Leaves bool
}

// ParseUse reads a host's own word, or else the site's; Own where both are silent.
func ParseUse(host string, site Use) (Use, error) {
	switch u := Use(host); {
	case u == Own || u == Given:
		return u, nil
	case host != "":
		return Given, fmt.Errorf("%q is neither %q nor %q", host, Own, Given)
	case site == Given:
		return Given, nil
	}
	return Own, nil
}

// Stored is the account as its Secret has it.
type Stored struct {
	// SetAt is when the password was stored, Asked the operator's word that it was stored for.
	SetAt time.Time
	Asked string
	// HasPrevious: the password before it is stored as well.
	HasPrevious bool
}

// Login is one way in.
type Login string

// The ways in.
const (
	// ByGiven is the host's Secret, ByCurrent the stored password, ByPrevious the one before.
	ByGiven    Login = "given"
	ByCurrent  Login = "current"
	ByPrevious Login = "previous"
)

// Trial is what a process remembers of the ways in. The zero value is a process that has tried nothing.
type Trial struct {
	// Worked is the way that the BMC took last; empty: none was tried since the last change.
	Worked Login
	// CurrentRefusedAt and PreviousRefusedAt are when the stored passwords were refused, or in the case of a current one that was not set yet, when it was stored; zero: they may well work.
	CurrentRefusedAt, PreviousRefusedAt time.Time
	// Unproven: the BMC took a password and has not been asked for a login with it.
	Unproven bool
	// FailedAt is when a change of the account failed last, Failures how often in a row. Impossible: the BMC has no accounts to make.
	FailedAt   time.Time
	Failures   int
	Impossible bool
}

// RetryRefused is after how long a login that the BMC refused is tried again with nothing changed. Makers' lockouts begin at three to five failures within minutes to an hour.
const RetryRefused = time.Hour

// Logins are the ways in that are worth trying, in this order, until one is not refused.
func Logins(stored *Stored, t Trial, now time.Time) []Login {
	var out []Login
	if stored == nil {
		return append(out, ByGiven)
	}
	current := now.Sub(t.CurrentRefusedAt) >= RetryRefused
	previous := stored.HasPrevious && t.Worked != ByCurrent && now.Sub(t.PreviousRefusedAt) >= RetryRefused
	if previous && t.Worked == ByPrevious {
		out, previous = append(out, ByPrevious), false
	}
	if current {
		out = append(out, ByCurrent)
	}
	if previous {
		out = append(out, ByPrevious)
	}
	return append(out, ByGiven)
}

// Act is what is to be done about the account.
type Act string

// The acts.
const (
	Nothing Act = ""
	// Make stores a new password, beside the one before where there is one, then sets it by the given account. Rotate does it by our own. SetAgain sets the one that is stored.
	Make Act = "make"
	// Replace stores another password in the place of the one that the BMC doesn't take; the one before it, which is the BMC's, stays beside it.
	Replace  Act = "replace"
	Rotate   Act = "rotate"
	SetAgain Act = "set again"
	// Remove takes the account from the BMC, then its Secret.
	Remove Act = "remove"
)

// Decide says what is due. It is asked when the host's BMC just answered, so that one of the ways in is known to work.
func Decide(p Policy, stored *Stored, t Trial, now time.Time) Act {
	switch {
	case p.Leaves, stored == nil && p.Use == Given:
		return Nothing
	case now.Before(nextTry(t)):
		return Nothing
	case stored == nil:
		return Make
	case p.Use == Given:
		return Remove
	case t.Worked != ByCurrent:
		return restore(t)
	case stored.Asked != p.Asked && p.Asked != "", p.RotateAfter > 0 && now.Sub(stored.SetAt) >= p.RotateAfter:
		return Rotate
	}
	return Nothing
}

// restore brings a stored password that is not known to be the BMC's to the BMC. No other takes its place meanwhile, since the one before it may be what the BMC has. Where the BMC
// would not take it again and again, it is the password that it doesn't like, and another one is tried.
func restore(t Trial) Act {
	const often = 2
	switch {
	case t.Worked == "":
		return Nothing
	case t.Worked == ByGiven && t.Failures >= often:
		return Make
	case t.Worked == ByPrevious && t.Failures >= often:
		return Replace
	}
	return SetAgain
}

// By is the way in by which an act is done. A password is changed by its own account where that one works, which some BMCs want; an account is made and removed by the given one.
func By(a Act, t Trial) Login {
	switch {
	case a == Rotate:
		return ByCurrent
	case (a == SetAgain || a == Replace) && t.Worked == ByPrevious:
		return ByPrevious
	}
	return ByGiven
}

// The pauses after changes that failed.
const (
	firstPause      = 5 * time.Minute
	longestPause    = 12 * time.Hour
	impossiblePause = 24 * time.Hour
)

// nextTry is when a change may be tried again.
func nextTry(t Trial) time.Time {
	switch {
	case t.Impossible:
		return t.FailedAt.Add(impossiblePause)
	case t.Failures == 0:
		return time.Time{}
	}
	return t.FailedAt.Add(min(longestPause, firstPause<<min(t.Failures-1, 10)))
}

// Refused takes up that the BMC refused a way in.
func (t Trial) Refused(l Login, now time.Time) Trial {
	// slow is as many failures as make the next pause longer than RetryRefused.
	const slow = 5
	switch l {
	case ByCurrent:
		if t.Unproven {
			// What the BMC took a moment ago it refuses now: to set it again and again would be as many failed logins.
			t.Failures, t.FailedAt, t.Unproven = max(t.Failures+1, slow), now, false
		}
		t.CurrentRefusedAt = now
	case ByPrevious:
		t.PreviousRefusedAt = now
	case ByGiven: // whose it is decides elsewhere
	}
	if t.Worked == l {
		t.Worked = ""
	}
	return t
}

// Took takes up that the BMC took a way in.
func (t Trial) Took(l Login) Trial {
	switch l {
	case ByCurrent:
		return Trial{Worked: l}
	case ByPrevious:
		t.PreviousRefusedAt = time.Time{}
	case ByGiven: // says nothing about ours
	}
	t.Worked = l
	return t
}

// Stored takes up that a new password was stored for an act, and is about to be set. It is not tried before the BMC took it.
func (t Trial) Stored(a Act, now time.Time) Trial {
	if a != Replace {
		t.PreviousRefusedAt = t.CurrentRefusedAt
	}
	if t.Worked == ByCurrent {
		t.Worked = ByPrevious
	}
	t.CurrentRefusedAt, t.Unproven = now, false
	return t
}

// Failed takes up that a change failed. What the BMC has now is not known, and the way in that worked before is the likeliest.
func (t Trial) Failed(now time.Time, impossible bool) Trial {
	t.Failures, t.FailedAt, t.Impossible = t.Failures+1, now, impossible
	return t
}

// Changed takes up that the BMC took the stored password.
func (t Trial) Changed() Trial {
	return Trial{Worked: ByCurrent, Unproven: true, Failures: t.Failures, FailedAt: t.FailedAt}
}
