// Package matrix is the communication matrix as data: every flow between two parts of the system, once.
//
// It owns the rows and what can be asked of them. It refuses sockets: listeners and dialers take a row's name from here and are bound in internal/driver/socket.
// A flow that is not a row cannot happen, since the only place that opens a socket looks it up here; the identities (certificate names) and
// the rights (RBAC) of the roles are compiled from the same rows, so that no second list can disagree.
//
// Invariants, held by Check: names and ids are unique, no blank security cell, every "no" has a reason and a bound, every right is held by a
// role that dials the API server. Builtin is Ingot's own matrix; a test runs Check on it and compares the flow names with the constants.
package matrix

// Role is a process or a party with an identity of its own.
type Role string

// The roles of Ingot and the outside parties it talks to.
const (
	APIServer  Role = "apiserver"
	Controller Role = "controller"
	Partition  Role = "partition"
	Boot       Role = "boot"
	Agent      Role = "agent"
	Machine    Role = "machine"
	BMC        Role = "bmc"
	Operator   Role = "operator"
	ImageStore Role = "image-store"
	NameServer Role = "name-server"
	// Switch is the switch that a machine is cabled to.
	Switch Role = "switch"
)

// Zone is where a role stands.
type Zone string

// The zones.
const (
	ZoneControlPlane        Zone = "control-plane"
	ZonePartitionManagement Zone = "partition-management"
	ZoneProvisioning        Zone = "provisioning"
	ZoneBMC                 Zone = "bmc"
	ZoneOperator            Zone = "operator"
	ZoneOutside             Zone = "outside"
)

// Protocol is what a flow speaks on the wire below its application.
type Protocol string

// The protocols.
const (
	TCP    Protocol = "tcp"
	UDP    Protocol = "udp"
	ICMPv6 Protocol = "icmpv6"
	// LLDP is IEEE 802.1AB, straight on Ethernet: it has no ports and never crosses a switch.
	LLDP Protocol = "lldp"
)

// Property is one security cell: it holds, and how; or it does not, and why and within which bound.
type Property struct {
	Holds bool
	// How it holds ("mTLS"), or why it does not.
	How string
	// Bound limits an exception; required where Holds is false.
	Bound string
}

// Right is what a caller may do at the API server over a flow. Empty Namespace: all.
type Right struct {
	Group     string
	Resources []string
	Verbs     []string
	Namespace string
	// Paths are of the API server itself ("/metrics"), for a right without Resources.
	Paths []string
}

// Endpoint is one end of a flow.
type Endpoint struct {
	Role Role
	Zone Zone
}

// Row is one flow. The dialing side is From.
type Row struct {
	ID   string
	Name FlowName
	From Endpoint
	To   Endpoint

	Protocol Protocol
	// Port is the server's default port. 0: the address is the other party's to say.
	Port int

	Confidential, Integrity, Authenticated, Trusted Property
	// Identity is the certificate name that the dialing side shows, empty for flows without one.
	Identity string
	Rights   []Right
	// Stages in which it may happen; empty: any.
	Stages  []string
	Purpose string
	Feature string
}

// FlowName is a row's name in code.
type FlowName string
