// Package subscription decides what becomes of a BMCEventSubscription: a receiver of a BMC's events that an operator asks for, as in Metal3.
//
// It owns the order of things: hold the object before the BMC is asked, subscribe, look now and then whether the BMC still has it and subscribe again where it forgot, unsubscribe before
// the object goes. It refuses objects' writes, BMCs and Secrets: facts come in, one action goes out.
//
// Invariants: no object is let go while its subscription may still be at a BMC that we can reach; an object never waits for a BMC that nobody here manages any more; what the BMC
// answers is believed only where destination and context are ours.
package subscription

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/step"
)

// Action is the next thing to do.
type Action string

// The actions. Each is safe to repeat. Remove without an ID looks for one of our destination and context first, and so does Subscribe.
const (
	Nothing   Action = ""
	Hold      Action = "hold"
	Release   Action = "release"
	Look      Action = "look"
	Subscribe Action = "subscribe"
	Remove    Action = "remove"
)

// Host is what is known of the host that an object names.
type Host struct {
	// Object is nil where there is no such host.
	Object *metal3.BareMetalHost
	// Ours: this partition looks after it. Detached: it is let go of. Registered: its BMC was reached once.
	Ours, Detached, Registered bool
}

// Seen is what the BMC said when it was last looked at; the zero value: not yet by this process.
type Seen struct {
	At time.Time
	// Right: the BMC has the subscription of status.subscriptionID, with our destination and context.
	Right bool
}

// Failed is the last action's failure, until one goes well.
type Failed struct {
	Failure *step.Failure
	At      time.Time
	// Count is how many there were in a row.
	Count int
	// Generation is the object's at that time.
	Generation int64
}

// Facts is all that a decision may look at.
type Facts struct {
	Object *metal3.BMCEventSubscription
	Host   Host
	// HeadersProblem says why the Secret of headers cannot be used, empty where it can, or where there is none.
	HeadersProblem string
	Seen           Seen
	Failed         Failed
}

// Decision is one step.
type Decision struct {
	Do Action
	// Error and ID are what status says from now on; Ignore leaves the object alone altogether.
	Error, ID string
	Ignore    bool
	// After is when to look again, 0 for when something changes.
	After time.Duration
}

const (
	// lookEvery is how often the BMC is asked whether it still has the subscription: one request.
	lookEvery = 10 * time.Minute
	// waitEvery is how often what changes without a watch (Secrets) is looked at.
	waitEvery = time.Minute
	// firstRetry and lastRetry bound the pause after failures, which doubles.
	firstRetry = 10 * time.Second
	lastRetry  = 10 * time.Minute
)

// Decide says what to do next.
func Decide(f Facts, now time.Time) Decision {
	s := f.Object.Status
	stay := func(why string, after time.Duration) Decision {
		return Decision{Error: why, ID: s.SubscriptionID, After: after}
	}
	held := slices.Contains(f.Object.Finalizers, metal3.BMCEventSubscriptionFinalizer)
	deleting := !f.Object.DeletionTimestamp.IsZero()
	host := f.Host.Object
	switch {
	case deleting && !held:
		return Decision{Ignore: true}
	case host == nil && deleting:
		return Decision{Do: Release, ID: s.SubscriptionID, Error: s.Error}
	case host == nil:
		// What was subscribed was at a BMC that is nobody's now. A host that comes under this name may have another one.
		return Decision{Error: fmt.Sprintf("there is no BareMetalHost %q in this namespace: create it, or correct spec.hostName in a new subscription", f.Object.Spec.HostName), After: lookEvery}
	case !f.Host.Ours:
		return Decision{Ignore: true}
	case paused(host):
		return Decision{Ignore: true}
	case f.Host.Detached:
		return stay("the host is detached: its BMC is left alone until the annotation "+metal3.DetachedAnnotation+" is gone", waitEvery)
	}
	if deleting {
		return remove(f, now)
	}
	if !held {
		return Decision{Do: Hold, ID: s.SubscriptionID, Error: s.Error}
	}
	return keep(f, now)
}

func paused(h *metal3.BareMetalHost) bool {
	_, is := h.Annotations[metal3.PausedAnnotation]
	return is
}

// remove takes the subscription from the BMC, then lets the object go.
func remove(f Facts, now time.Time) Decision {
	s := f.Object.Status
	switch {
	case !f.Host.Registered && s.SubscriptionID == "", f.Host.Object.Spec.BMC.Address == "":
		return Decision{Do: Release, ID: s.SubscriptionID, Error: s.Error}
	case s.SubscriptionID == "" && f.Failed.Failure != nil:
		// Nothing is known to be there, and the BMC does not say.
		return Decision{Do: Release, Error: s.Error}
	}
	if wait := retryIn(f, now); wait > 0 {
		return Decision{ID: s.SubscriptionID, Error: failureText(f.Failed.Failure) + "; a deletion of the host lets this object go without the BMC", After: wait}
	}
	return Decision{Do: Remove, ID: s.SubscriptionID, Error: s.Error}
}

// keep brings the subscription to the BMC, and sees that it stays there.
func keep(f Facts, now time.Time) Decision {
	s, host := f.Object.Status, f.Host.Object
	stay := func(why string, after time.Duration) Decision {
		return Decision{Error: why, ID: s.SubscriptionID, After: after}
	}
	if problem := Check(f.Object.Spec); problem != "" {
		return stay(problem, 0)
	}
	switch {
	case !host.DeletionTimestamp.IsZero():
		if s.SubscriptionID != "" && f.Failed.Failure == nil {
			return Decision{Do: Remove, ID: s.SubscriptionID, Error: s.Error}
		}
		return stay("the host is being deleted", waitEvery)
	case host.Spec.BMC.Address == "":
		return stay("the host has no BMC", 0)
	case !f.Host.Registered:
		return stay("the host's BMC was not reached yet", waitEvery)
	case f.HeadersProblem != "" && s.SubscriptionID == "":
		return stay(f.HeadersProblem, waitEvery)
	}
	if wait := retryIn(f, now); wait > 0 {
		return stay(failureText(f.Failed.Failure), wait)
	}
	since := now.Sub(f.Seen.At)
	known := !f.Seen.At.IsZero() && since >= 0 && since < lookEvery
	switch {
	case s.SubscriptionID == "":
		return Decision{Do: Subscribe, Error: s.Error}
	case !known:
		return Decision{Do: Look, ID: s.SubscriptionID, Error: s.Error}
	case !f.Seen.Right && f.HeadersProblem != "":
		return Decision{Error: f.HeadersProblem, After: waitEvery}
	case !f.Seen.Right:
		return Decision{Do: Subscribe, Error: s.Error}
	default:
		return stay("", lookEvery-since)
	}
}

func failureText(f *step.Failure) string {
	if f.Fix == "" {
		return f.Message
	}
	return f.Message + ": " + f.Fix
}

// retryIn is how long to wait after the last failure; a BMC that cannot is asked again when its firmware may be another one.
func retryIn(f Facts, now time.Time) time.Duration {
	last := f.Failed
	if last.Failure == nil || last.Generation != f.Object.Generation {
		return 0
	}
	pause := firstRetry
	for range min(last.Count-1, 10) {
		pause = min(2*pause, lastRetry)
	}
	if last.Failure.Kind == step.Unsupported {
		pause = time.Hour
	}
	return last.At.Add(pause).Sub(now)
}

// Check says what is wrong with a spec, empty for nothing. The admission policy refuses the same where it is installed.
func Check(s metal3.BMCEventSubscriptionSpec) string {
	if s.HostName == "" {
		return "spec.hostName: cannot be empty: name a BareMetalHost of this namespace"
	}
	if s.Destination == "" {
		return "spec.destination: cannot be empty: give the http or https URL that takes the events"
	}
	u, err := url.ParseRequestURI(s.Destination)
	switch {
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		return "spec.destination: must be an http or https URL: give one, as https://receiver.example.com/events"
	case u.User != nil:
		return "spec.destination: must not hold a password, which every reader of this object would see: put a header into a Secret and name it in spec.httpHeadersRef"
	case u.Path == "":
		return "spec.destination: a URL of a host alone is not taken: put a slash at its end"
	}
	return ""
}

// Foreign says why a Secret of headers cannot be referred to, empty where it can: one of another namespace could be sent to a receiver of the thief's choice.
func Foreign(o *metal3.BMCEventSubscription) string {
	if ref := o.Spec.HTTPHeadersRef; ref != nil && ref.Namespace != "" && ref.Namespace != o.Namespace {
		return "spec.httpHeadersRef.namespace: a Secret of another namespace cannot be used: put the Secret into the subscription's namespace"
	}
	return ""
}

// IsDetached says whether a host is let go of by its annotation, in the states where that counts.
func IsDetached(h *metal3.BareMetalHost) bool {
	return h.Status.OperationalStatus == metal3.OperationalStatusDetached
}

// CheckHeader says what is wrong with a header of a receiver, empty for nothing. Values are never repeated.
func CheckHeader(name, value string) string {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" // RFC 9110 §5.6.2
	if name == "" || strings.Trim(name, token) != "" {
		return fmt.Sprintf("%q is no name of an HTTP header", name)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return fmt.Sprintf("the value of %s has a line break or another control character", name)
	}
	return ""
}
