package ipam

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Reason is why an operation was refused.
type Reason string

// The reasons.
const (
	Invalid     Reason = "Invalid"       // the request or the object can't be meant
	Unknown     Reason = "Unknown"       // the pool or network doesn't exist (yet)
	OutsidePool Reason = "OutsideOfPool" // the address is in none of the pool's ranges, or the prefix in none of the parent's
	Excluded    Reason = "Excluded"      // the address is the network's, its broadcast, or reserved
	Taken       Reason = "Taken"         // someone else holds it, or it is kept for someone else: By
	Holding     Reason = "Holding"       // the holder has another one of this pool
	Quarantined Reason = "Quarantined"   // it was released not long ago: Until
	NoFree      Reason = "NoFree"        // nothing is free; Until is when the first rest ends, if one does
	Overlap     Reason = "Overlap"       // a prefix or range has addresses of another: By
	InUse       Reason = "InUse"         // something stands on it: By
)

// Change is what could make a refused operation succeed.
type Change string

// The changes.
const (
	Nothing       Change = "Nothing"       // the request itself must be another one
	Configuration Change = "Configuration" // a network or pool must be made or changed
	Release       Change = "Release"       // somebody must release something
	Time          Change = "Time"          // the rest must end; see Until
)

// Refusal is an expected outcome: what was asked, why not, and what helps.
type Refusal struct {
	Reason  Reason       `json:"reason"`
	Subject string       `json:"subject,omitempty"` // the pool or network that was asked
	Address netip.Addr   `json:"address,omitzero"`
	Prefix  netip.Prefix `json:"prefix,omitzero"`
	By      string       `json:"by,omitempty"` // who is in the way
	Until   time.Time    `json:"until,omitzero"`
	Detail  string       `json:"detail,omitempty"`
}

// Awaits is what to wait for before the same request is made again.
func (r *Refusal) Awaits() Change {
	switch r.Reason {
	case Invalid:
		return Nothing
	case Unknown, OutsidePool, Excluded, Overlap:
		return Configuration
	case Quarantined:
		return Time
	case NoFree:
		if !r.Until.IsZero() {
			return Time
		}
		return Release
	case Taken, Holding, InUse:
		return Release
	}
	return Nothing
}

// Permanent says that the same request can never succeed.
func (r *Refusal) Permanent() bool { return r.Awaits() == Nothing }

// Error is the refusal in words, with what helps.
func (r *Refusal) Error() string {
	var b strings.Builder
	what := r.Subject
	if r.Address.IsValid() {
		what = fmt.Sprintf("%s in %s", r.Address, r.Subject)
	} else if r.Prefix.IsValid() {
		what = fmt.Sprintf("%s in %s", r.Prefix, r.Subject)
	}
	fmt.Fprintf(&b, "%s: %s", what, words[r.Reason])
	if r.By != "" {
		fmt.Fprintf(&b, " %s", r.By)
	}
	if r.Detail != "" {
		fmt.Fprintf(&b, ": %s", r.Detail)
	}
	if !r.Until.IsZero() {
		fmt.Fprintf(&b, ": try again at %s", r.Until.UTC().Format(time.RFC3339))
	} else if help := remedies[r.Reason]; help != "" {
		fmt.Fprintf(&b, ": %s", help)
	}
	return b.String()
}

var words = map[Reason]string{
	Invalid: "not valid", Unknown: "not known", OutsidePool: "outside of its ranges", Excluded: "excluded", Taken: "taken by",
	Holding: "the holder has", Quarantined: "resting after its release by", NoFree: "nothing free", Overlap: "overlaps", InUse: "in use by",
}

var remedies = map[Reason]string{
	Unknown: "create it", OutsidePool: "ask for one inside, or extend the ranges", Excluded: "ask for another", Taken: "ask for another, or release it there",
	Holding: "release that first", NoFree: "release some, or extend the ranges", Overlap: "choose another, or another VRF", InUse: "release that first",
}
