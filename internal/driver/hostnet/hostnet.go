// Package hostnet is the contract with one host's network stack: its packet filter, its connection tracking, its sockets, its addresses, and whoever else
// filters packets there.
//
// It owns the words and the comparison of what the kernel has with what it should have (Compare). It refuses to decide: which rules stand in the text that
// is applied, and which flows are cut, is the caller's business; package ruleset makes the text. The interfaces are cut by capability, so that a part that
// only reads sockets cannot change a rule.
//
// Implementations: linux (nft and netlink, in the namespace that it is given) and fake (in memory). Both pass the suite in hostnettest.
//
// Invariants: only the table that a call names is ever written; every write is one transaction, which the kernel takes whole or not at all; nothing here
// is kept, so that two readers of one host see the same.
package hostnet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/ruleset"
)

// Host is all that a host can be asked and told.
type Host interface {
	Firewall
	Tracking
	Sockets
	Links
	Others
}

// Firewall is everything about the packet filter. Tables are of family inet.
type Firewall interface {
	Transactions
	States
	Counting
	Inventory
	Members
}

// Transactions change the packet filter by text for nft, as package ruleset writes it.
type Transactions interface {
	// Check says whether the kernel would take a text now, and changes nothing. The error is a *Rejected where the text is at fault.
	Check(ctx context.Context, text string) error
	// Apply gives a text to the kernel as one transaction: all of it holds, or none does. A text with ruleset.Barrier is as many transactions as it has
	// steps, each begun when no packet is under way in the rules that were before; it is checked as a whole before the first one. The error is a *Rejected
	// where the text is at fault.
	Apply(ctx context.Context, text string) error
}

// States read what the kernel has.
type States interface {
	// State is a table as it is now. ErrNoTable where there is none. The members of dynamic sets, which packets add, are left out: see Inventory.
	State(ctx context.Context, table string) (Table, error)
	// Expect is what State would say had the text been applied to a kernel without any table: what Compare compares State with. Nothing changes. Texts that
	// follow each other (an Install and a Try) may be given as one.
	Expect(ctx context.Context, table, text string) (Table, error)
}

// Counting reads the counters of rules.
type Counting interface {
	// Counters are the counters of a table's rules, added up by comment, sorted by it. They begin at 0 with each generation. ErrNoTable.
	Counters(ctx context.Context, table string) ([]Counter, error)
}

// Inventory reads the sets in which the kernel notes whose packets it met.
type Inventory interface {
	// Tuples are the noted tuples, most packets first. None, and no error, where the ruleset does not keep the inventory. ErrNoTable.
	Tuples(ctx context.Context, table string, kind Kind) ([]Tuple, error)
	// Drain is Tuples, and removes what it gives. A tuple that is noted meanwhile stays; packets of a given tuple between its reading and its removal are
	// not counted.
	Drain(ctx context.Context, table string, kind Kind) ([]Tuple, error)
}

// Members change the members of named sets and maps, one by one: the cost does not follow how many there are.
type Members interface {
	// Change applies a delta as one transaction. ErrNoTable; ErrStale where the kernel does not have what the delta begins with (a set that is not there, an
	// element to remove that is not there): then nothing has changed, and the whole ruleset has to be installed.
	Change(ctx context.Context, d ruleset.Delta) error
}

// Counter counts what rules with one comment met.
type Counter struct {
	// Comment is the rules' comment as the kernel has it, at most 127 bytes: (*ruleset.Ruleset).Names gives the row and the rule of it.
	Comment        string
	Packets, Bytes uint64
}

// Kind is an inventory.
type Kind string

// The inventories, named as their sets are.
const (
	// Refused are tuples of packets that were dropped.
	Refused Kind = "refused"
	// Seen are tuples of new flows that were accepted.
	Seen Kind = "seen"
)

// Tuple is who spoke to whom.
type Tuple struct {
	Source, Destination netip.Addr
	Protocol            uint8
	// Port is the destination's, 0 for protocols without ports.
	Port uint16
	// Packets and Bytes are since the tuple was first noted.
	Packets, Bytes uint64
	// Idle is how long ago its last packet was, to about a second.
	Idle time.Duration
	// Expires is when the kernel forgets it, from now.
	Expires time.Duration
}

// Tracking reads and cuts what connection tracking knows. Refused packets never get there: these are flows that some ruleset allowed.
type Tracking interface {
	// Flows are all tracked flows of both families.
	Flows(ctx context.Context) ([]Flow, error)
	// Cut makes the kernel forget the flows that are revoked, so that their next packet is a new one and meets the rules. It gives those that it cut; a
	// flow that ended by itself meanwhile is not among them. revoked is asked once a flow.
	Cut(ctx context.Context, revoked func(Flow) bool) ([]Flow, error)
}

// Flow is one tracked flow, in the direction of its first packet.
type Flow struct {
	Protocol            uint8
	Source, Destination netip.Addr
	// Ports are 0 for protocols without ports.
	SourcePort, DestinationPort uint16
	// ICMPType and ICMPCode are those of the first packet, for protocols 1 and 58.
	ICMPType, ICMPCode uint8
	// ReplySource and ReplyDestination are other than Destination and Source where addresses are translated.
	ReplySource, ReplyDestination netip.Addr
	// Answered says that packets came back: then the rules see the flow as established.
	Answered bool
	// Packets and Bytes are of both directions; 0 where the kernel does not count (net.netfilter.nf_conntrack_acct).
	Packets, Bytes uint64
	// Expires is when the kernel forgets it unless packets come.
	Expires time.Duration
}

// Sockets reads who listens.
type Sockets interface {
	// Listening are the sockets that take packets from whoever may send them: TCP and SCTP in the listening state, UDP and UDP-Lite that are not connected,
	// and raw sockets. Sorted by protocol, port, address.
	Listening(ctx context.Context) ([]Socket, error)
}

// Socket is one that listens.
type Socket struct {
	Protocol uint8
	// Raw sockets get all packets of the protocol, past its ports; Port is 0.
	Raw bool
	// Address is unspecified where the socket listens on all addresses. An unspecified IPv6 address may take IPv4 too.
	Address netip.Addr
	Port    uint16
	UID     uint32
	// Process is the name of a process that has the socket, as the kernel keeps it (at most 15 bytes), and PID its number. Empty and 0 where none is found:
	// the kernel itself listens (WireGuard, NFS), or the process has just ended.
	Process string
	PID     int
}

// Links reads interfaces and addresses.
type Links interface {
	// Interfaces are those of the host with their addresses, sorted by name, loopback included.
	Interfaces(ctx context.Context) ([]firewall.Interface, error)
	// Via is the interface by which the host would send to an address. ErrNoRoute.
	Via(ctx context.Context, to netip.Addr) (string, error)
}

// Others finds who else filters packets.
type Others interface {
	// Others are the other managers of packet filters that have rules in the kernel, sorted by name; own is the name of our table. Empty is good.
	Others(ctx context.Context, own string) ([]Other, error)
}

// Other is another manager of packet filters.
type Other struct {
	// Name is the manager ("firewalld", "ufw", "docker", "kube-proxy", "calico", …), or "unknown" with the table's name in Evidence.
	Name string
	// Hooks are those at which both it and we decide (input, output, forward, prerouting), sorted. A packet passes only if both accept it. Empty: it does something else
	// (address translation), which does no harm.
	Hooks []string
	// Drops says that it can drop packets at these hooks, by a rule or by a policy.
	Drops bool
	// Evidence is what was found: tables and chains.
	Evidence string
	// Advice is what to do about it.
	Advice string
}

// The kinds of error, asked with errors.Is.
var (
	ErrNoTable = errors.New("no such table")
	ErrStale   = errors.New("the kernel has other members than the change begins with")
	ErrNoRoute = errors.New("no route")
)

// Rejected says that the kernel, or nft before it, refused a text. Nothing of the text holds.
type Rejected struct {
	// Line is where the first fault is, counted from 1, or 0 where nobody says.
	Line int
	// Text is that line.
	Text string
	// Reason is nft's word.
	Reason string
}

// Error implements error.
func (r *Rejected) Error() string {
	if r.Line == 0 {
		return "nft refused the ruleset: " + r.Reason
	}
	return fmt.Sprintf("nft refused line %d of the ruleset (%.200s): %s", r.Line, r.Text, r.Reason)
}
