package issue

import (
	"time"

	"github.com/ingotmetal/ingot/health"
)

// Facts are what issues are found in. Names are "namespace/name", or names of what is in no namespace.
type Facts struct {
	Hosts        []Host
	Partitions   []Partition
	Reservations []Reservation
	Machines     []Machine
	Networks     []Network
	IPs          []IP
	// Sized: there are Sizes, so that a host without one is a question.
	Sized bool
}

// Host is what is known of one host.
type Host struct {
	Name      string
	CreatedAt time.Time
	// State is the provisioning state in Metal3's words.
	State string
	// Partition and Size are empty where the host has none; Model is what its maker calls the machine.
	Partition, Size, Model string
	// Left: the host is paused, detached or being deleted, and not looked after as others are.
	Left bool
	// Elsewhere: its system came from elsewhere, and nothing of it is inspected.
	Elsewhere bool
	// BMCAddress is how the BMC is named; BMC says which one it is, and which of its machines: the service's UUID and the system's ID. Both may be empty.
	BMCAddress, BMC string
	// BootMAC is lower case, may be empty.
	BootMAC string
	// Recorded: there is a HostLifecycle. What follows is from it.
	Recorded bool
	Outcome  Outcome
	Failure  *Failure
	// ImageFailures counts the failures of one image in a row, the last of which said ImageMessage.
	ImageFailures int
	ImageMessage  string
	// Wipes are those of the last cleaning that failed.
	FailedWipes []Wipe
	Health      health.Level
	HealthWhy   string
	HealthSince time.Time
	// BurnIn is what went wrong in the last one; empty: nothing.
	BurnIn   string
	BurnInAt time.Time
	// InspectedAt is when an agent last looked at the machine; zero: never.
	InspectedAt time.Time
	// Firmware are versions by what has them: "bios", "bmc".
	Firmware map[string]string
	// Refused is why an agent of this machine was not let in; empty: none was refused.
	Refused   string
	RefusedAt time.Time
	// SilentSince is since when the agent is missed; zero: it is not.
	SilentSince time.Time
	// LastFailed is what the last step that was done failed with; empty: it went well.
	LastFailed   string
	LastFailedAt time.Time
	// Leaked says for which claim the host is held that does not have it, and Copies of which claim copies of Secrets may lie beside it; empty: none.
	Leaked, Copies string
}

// Outcome is the last decision about a host.
type Outcome struct {
	// Blocked: nothing goes on until a person does something.
	Blocked              bool
	Reason, Message, Fix string
	Since                time.Time
	// Deadline and NextAttempt are zero where there is none.
	Deadline, NextAttempt time.Time
}

// Failure is one that was not overcome yet.
type Failure struct {
	// Kind is one of step.FailureKind.
	Kind         string
	Message, Fix string
	Count        int
	At           time.Time
}

// Wipe is a disk that was not wiped.
type Wipe struct {
	Disk, Message string
	At            time.Time
}

// Partition is a site.
type Partition struct {
	Name      string
	CreatedAt time.Time
	// Served: a partition role has told where it is.
	Served bool
	// ScanProblem is why BMCs cannot be looked for; empty: nothing.
	ScanProblem string
}

// Reservation is a SizeReservation.
type Reservation struct {
	Name, Size   string
	Amount, Used int
	// Free is how many hosts of the size are free in its partitions.
	Free int
}

// Machine is a tenant's.
type Machine struct {
	Name string
	// Lost: its host is gone, or somebody took it. Why is what its conditions say.
	Lost bool
	Why  string
	// Image is the one that is installed, ExpiredAt when it stopped being one that may be; zero: it did not.
	Image     string
	ExpiredAt time.Time
	// Waits says what the machine waits for that is not ready; empty: it is ready, or lost.
	Waits     string
	WaitsFrom time.Time
	// Unwell says what is wrong with its host; empty: nothing.
	Unwell     string
	UnwellFrom time.Time
}

// Network is one with numbers of its own; 0 for none.
type Network struct {
	Name     string
	ASN, VRF int64
	// NotReady is why it is not; empty: it is. Since when stands in Since.
	NotReady string
	Since    time.Time
	// Size and Free are IPv4 addresses that it can give, of all and now; 0 of 0 where it gives none.
	Size, Free int64
}

// IP is one that somebody asked for.
type IP struct {
	Name string
	// Address is empty where it has none; VRF is the scope of its network.
	Address, VRF string
	// Refused is why it has none, since Since; empty: it has one, or nobody has looked yet.
	Refused string
	Since   time.Time
	// Leaked says for which Machine it is held that is gone; empty: for none.
	Leaked string
	// Unrecorded is what no record has as the IP's own, as it should since Since; empty: one has, or nobody could look.
	Unrecorded string
	// Orphaned is what a record has for an IP that is not there: there is no more to it than its name. Empty: it is there.
	Orphaned string
	// Unowned: it is to go with its owner and has none, since it was made at CreatedAt.
	Unowned   bool
	CreatedAt time.Time
}
