package console

import (
	"fmt"
	"time"
)

// Right is what a person may do at a console by RBAC: the verb get of the subresource console is to look, create is to type as well.
type Right int

// The rights.
const (
	NoRight Right = iota
	Look
	Type
)

// Allocation is what a session is bound to: a host, and what it was given to at that time.
type Allocation struct {
	// Host is the BareMetalHost's UID.
	Host string `json:"host"`
	// Consumer is the UID of the HostClaim that has the host, of another consumer "KIND NAMESPACE/NAME", and empty for a host that nobody has.
	Consumer string `json:"consumer,omitempty"`
}

// Object is a Machine.
type Object struct {
	UID      string
	Deleting bool
}

// Claim is a HostClaim.
type Claim struct {
	Object

	// Owner is the UID of the Machine that it is of; empty for none.
	Owner string
	// HostNamespace and HostName are the host that it was given; empty for none yet.
	HostNamespace, HostName string
}

// Consumer is what a host says that it was given to.
type Consumer struct{ Kind, Namespace, Name string }

// Host is a BareMetalHost.
type Host struct {
	Object

	Namespace, Name string
	// Partition is whose it is.
	Partition string
	// BMC says that it has one.
	BMC bool
	// Consumer is nil for a host that nobody has; ConsumerUID is the UID of the HostClaim that it names, empty where that is not known or is no HostClaim.
	Consumer    *Consumer
	ConsumerUID string
}

// Facts are all that a decision is made of.
type Facts struct {
	Target Target
	// Partition is the one whose consoles are served here.
	Partition string
	// Machine, Claim and Host are what the target leads to; nil for what is not there.
	Machine *Object
	Claim   *Claim
	Host    *Host
	// Right is what the API server said last, at RightAt.
	Right   Right
	RightAt time.Time
	// Started is when the session began; zero for one that asks to. Bound is its allocation.
	Started time.Time
	Bound   *Allocation
	// BlindSince is since when objects could not be watched; zero while they are.
	BlindSince time.Time
}

// The bounds of a session.
const (
	// RightLife is how long the API server's word is believed: it is asked again well before.
	RightLife = 3 * time.Minute
	// BlindLife is how long a session goes on while nobody can see whether its allocation still holds.
	BlindLife = 30 * time.Second
	// SessionLife is how long a session lasts; its holder begins another one.
	SessionLife = 8 * time.Hour
)

// Reason is why a console is refused or a session ends.
type Reason string

// The reasons.
const (
	NotAllowed      Reason = "NotAllowed"
	NoSuchObject    Reason = "NoSuchObject"
	BeingGivenUp    Reason = "BeingGivenUp"
	NoHostYet       Reason = "NoHostYet"
	OtherPartition  Reason = "OtherPartition"
	NoBMC           Reason = "NoBMC"
	NoLongerYours   Reason = "NoLongerYours"
	Reallocated     Reason = "Reallocated"
	RightsNotKnown  Reason = "RightsNotKnown"
	ObjectsNotKnown Reason = "ObjectsNotKnown"
	TooLong         Reason = "TooLong"
)

// Verdict says whether the console is open to the session, what it is bound to, and why not.
type Verdict struct {
	Open       bool
	Allocation Allocation
	// HostNamespace and HostName are the host whose console it is; Right is what may be done there.
	HostNamespace, HostName string
	Right                   Right
	Reason                  Reason
	Message                 string
}

// Decide says whether a console is open.
func Decide(f Facts, now time.Time) Verdict {
	if v := f.rights(now); v != nil {
		return *v
	}
	if f.Target.Kind != HostKind {
		if v := f.owned(); v != nil {
			return *v
		}
	}
	if v := f.host(); v != nil {
		return *v
	}
	a := Allocation{Host: f.Host.UID, Consumer: f.Host.consumer()}
	if f.Bound != nil && *f.Bound != a {
		return refuse(Reallocated, "%s is given to somebody else, or was given back: the session was for the time before", f.Target)
	}
	return Verdict{Open: true, Allocation: a, HostNamespace: f.Host.Namespace, HostName: f.Host.Name, Right: f.Right}
}

func refuse(r Reason, format string, a ...any) Verdict {
	return Verdict{Reason: r, Message: fmt.Sprintf(format, a...)}
}

// rights are what ends a session whatever the objects say.
func (f Facts) rights(now time.Time) *Verdict {
	var v Verdict
	switch {
	case f.Right != Look && f.Right != Type:
		v = refuse(NotAllowed, "you may not get %s/console of %s", f.Target.Kind.Resource(), f.Target)
	case now.Sub(f.RightAt) > RightLife:
		v = refuse(RightsNotKnown, "the API server could not be asked for %s whether you may still see this console", RightLife)
	case !f.BlindSince.IsZero() && now.Sub(f.BlindSince) > BlindLife:
		v = refuse(ObjectsNotKnown, "the API server could not be watched for %s: whose %s is, is not known", BlindLife, f.Target)
	case !f.Started.IsZero() && now.Sub(f.Started) > SessionLife:
		v = refuse(TooLong, "the session is older than %s: begin another one", SessionLife)
	default:
		return nil
	}
	return &v
}

// owned says what keeps a tenant out.
func (f Facts) owned() *Verdict {
	var v Verdict
	switch {
	case f.Target.Kind == MachineKind && f.Machine == nil, f.Target.Kind == ClaimKind && f.Claim == nil:
		v = refuse(NoSuchObject, "there is no %s", f.Target)
	case f.Machine != nil && f.Machine.Deleting, f.Claim != nil && f.Claim.Deleting:
		v = refuse(BeingGivenUp, "%s is being given up: its host is no longer yours", f.Target)
	case f.Claim == nil, f.Target.Kind == MachineKind && f.Claim.Owner != f.Machine.UID, f.Claim.HostName == "":
		v = refuse(NoHostYet, "%s has no host yet", f.Target)
	case f.Host == nil, f.Host.Namespace != f.Claim.HostNamespace, f.Host.Name != f.Claim.HostName:
		v = refuse(NoHostYet, "the host of %s is not there", f.Target)
	case !f.Host.givenTo(f.Target.Namespace, f.Target.Name), f.Host.ConsumerUID != f.Claim.UID:
		v = refuse(NoLongerYours, "the host of %s is not, or no longer, given to it", f.Target)
	default:
		return nil
	}
	return &v
}

// host says what is wrong with the host for whoever asks.
func (f Facts) host() *Verdict {
	var v Verdict
	switch {
	case f.Host == nil:
		v = refuse(NoSuchObject, "there is no %s", f.Target)
	case f.Host.Deleting:
		v = refuse(BeingGivenUp, "the host of %s is being deleted", f.Target)
	case f.Host.Partition != "" && f.Host.Partition != f.Partition:
		v = refuse(OtherPartition, "the host of %s is of partition %s: ask the console there", f.Target, f.Host.Partition)
	case !f.Host.BMC:
		v = refuse(NoBMC, "the host of %s has no BMC", f.Target)
	default:
		return nil
	}
	return &v
}

func (h *Host) givenTo(namespace, name string) bool {
	return h.Consumer != nil && *h.Consumer == Consumer{Kind: claimConsumer, Namespace: namespace, Name: name}
}

// claimConsumer is the kind that a host's consumerRef has when a HostClaim has it.
const claimConsumer = "HostClaim"

// consumer tells one time of a host from another.
func (h *Host) consumer() string {
	switch {
	case h.Consumer == nil:
		return ""
	case h.ConsumerUID != "":
		return h.ConsumerUID
	default:
		return h.Consumer.Kind + " " + h.Consumer.Namespace + "/" + h.Consumer.Name
	}
}
