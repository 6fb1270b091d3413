// Package gateway owns what a firewall between networks is about: the networks that it joins, the rules by which packets go from one to another, translation of addresses, and
// limits. It says of one packet what becomes of it (Decide), from the declaration alone.
//
// It refuses to write rules: package ruleset compiles a Gateway to nftables, shares no code that matches packets with Decide, and a property test holds the two together. It knows
// nothing of the firewall's own traffic either: what goes to the firewall itself is decided by the host's policies (package firewall), in another table.
//
// Networks are told apart by addresses, and each has an interface. A packet is from the network that its source is in, by the longest prefix, and has to come in by that network's
// interface: that is the strict reverse path of RFC 3704 section 2.2, on what was declared instead of on what routing found. Two networks may share an interface; then nobody can
// tell their hosts apart, and Shared says so.
//
// The semantics:
//   - Nothing is forwarded but what a rule allows. There are no rules that refuse, so their order means nothing.
//   - What comes from an inside network needs a rule of egress, what goes to one a rule of ingress; from inside to inside both. What neither comes from inside nor goes there is no
//     business of this firewall, and is dropped.
//   - Rules see addresses as the inside does: destinations after, sources before translation.
//   - Answers, and errors about a flow (RFC 5508 section 4), follow their flow.
//   - A limit counts new flows. A rule that is over its limit does not match; a network that is over its limit sends nothing new.
//
// Invariants: a Gateway that passes Check compiles; nothing here is changed after it was made.
package gateway
