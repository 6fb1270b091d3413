package replace

import "time"

// Phase is how far a replacement is.
type Phase string

// The phases.
const (
	// Idle: there is none.
	Idle Phase = ""
	// Preparing: the new machine is claimed, installed and looked at, and the earlier one serves.
	Preparing Phase = "Preparing"
	// Fencing: nobody may answer; the earlier machine stops, or is turned off.
	Fencing Phase = "Fencing"
	// TakingOver: the new machine may answer, and has not said yet that it does.
	TakingOver Phase = "TakingOver"
	// Returning: nobody may answer; the new machine did not serve, and stops, or is turned off.
	Returning Phase = "Returning"
	// Abandoning: the earlier machine may answer again; the new one is released.
	Abandoning Phase = "Abandoning"
	// Releasing: the new machine answers; the earlier one is released.
	Releasing Phase = "Releasing"
)

// Holder is who may answer for the Firewall's addresses.
type Holder int

// The holders.
const (
	Nobody Holder = iota
	Old
	New
)

// State is what is known of a replacement from one step to the next.
type State struct {
	Phase Phase
	// Since is when the phase began.
	Since time.Time
	// Term is that of the right to answer, which Holder has.
	Term   int64
	Holder Holder
}

// Facts are what a decision rests on.
type Facts struct {
	State
	// Due says that another machine is wanted, Cancelled that this replacement is not wanted any more.
	Due, Cancelled bool
	// Generation is the Firewall's; Resolved says that its rules of that generation are there for machines to read.
	Generation int64
	Resolved   bool
	Old, New   Machine
}

// Machine is one of the two.
type Machine struct {
	// Exists until it is wiped; Leaving says that it is about to be.
	Exists, Leaving bool
	// Ready says that it is installed and on; NotReady why it is not.
	Ready    bool
	NotReady string
	// PowerOff says that it was asked to be off, Off that its BMC says that it is since.
	PowerOff, Off bool
	// Own says that it has addresses beside the Firewall's: only by them it hears that it may answer again, once another machine has answered for the Firewall's. A Firewall's first machine has none.
	Own bool
	// Host is where it is, for people.
	Host   string
	Report Report
}

// Report is what a machine said last.
type Report struct {
	// Seen is when; zero: never.
	Seen time.Time
	// Term is the one that it has read of, and Holds whether it answers since.
	Term  int64
	Holds bool
	// Generation is that of the rules that it has in its kernel, and Problem why it has no later ones.
	Generation int64
	Problem    string
}

// The limits of waiting.
const (
	// Fresh is how old a healthy machine's word is at most; it reports every 30 s, and at each change.
	Fresh = 90 * time.Second
	// Install is after what time a machine that is not installed is called stuck. It is waited for all the same.
	Install = 45 * time.Minute
	// Yield is how long the earlier machine has to stop by itself, before it is turned off. With Serve it is the limit of an outage that is planned: the rest is network.
	Yield = 10 * time.Second
	// PowerOff is how long a BMC may take before people are asked.
	PowerOff = 2 * time.Minute
	// Serve is how long the new machine has to say that it answers, before the earlier one is given the addresses back.
	Serve = 20 * time.Second
)

// Action is what has to be done besides noting the State. Each may be done any number of times.
type Action string

// The actions.
const (
	Nothing     Action = ""
	Claim       Action = "Claim"
	PowerOffOld Action = "PowerOffOld"
	PowerOnOld  Action = "PowerOnOld"
	PowerOffNew Action = "PowerOffNew"
	ReleaseOld  Action = "ReleaseOld"
	ReleaseNew  Action = "ReleaseNew"
)

// Outcome names what a decision comes to; it is the reason of a condition.
type Outcome string

// The outcomes.
const (
	NotAsked     Outcome = "NotAsked"
	Begun        Outcome = "Begun"
	Claiming     Outcome = "Claiming"
	Installing   Outcome = "Installing"
	NotInstalled Outcome = "NotInstalled"
	Joining      Outcome = "Joining"
	Unhealthy    Outcome = "Unhealthy"
	Yielding     Outcome = "Yielding"
	PoweringOff  Outcome = "PoweringOff"
	FenceFailed  Outcome = "FenceFailed"
	Handing      Outcome = "TakingOver"
	NotServing   Outcome = "NotServing"
	GoingBack    Outcome = "GoingBack"
	Cancelled    Outcome = "Cancelled"
	Lost         Outcome = "Lost"
	GivingUp     Outcome = "GivingUp"
	GivenUp      Outcome = "GivenUp"
	Served       Outcome = "Served"
	Wiping       Outcome = "Wiping"
	Replaced     Outcome = "Replaced"
)

// Decision is one step.
type Decision struct {
	// Next is the State to note; where it is other than the one before, nothing is done before it is noted.
	Next    State
	Do      Action
	Outcome Outcome
	// Message is for people: what it waits for, and what they can do.
	Message string
}
