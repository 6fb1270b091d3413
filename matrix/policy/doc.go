// Package policy translates a communication matrix into Calico's objects, and back.
//
// It owns what a row means in packets. A row opens the server's side to the client (ingress) and the client's side to the server (egress), as Row.Enforced says, on
// every interface of ours that has the end's zone and role; all else is refused in both directions, since an endpoint without a matching rule and without a profile is
// closed. There is a policy for each end and a rule for each row, annotated with the row's ID, so that decisions, counters and logs name rows. What needs more than one
// rule (ICMP types, long port lists, the group addresses below) has several with the same annotation.
//
// Ends: role@zone is a selector of both labels, *@zone of the zone's, role@* of the role's; *@* is no selector at all: strangers too. An end that is not ours
// (Matrix.Ours) is a GlobalNetworkSet with the same labels and the networks of the role, or of its zone where the role has none; nothing is enforced there. An end at
// *@* is nobody's host: only Failsafe rows open it, on every host.
//
// Some protocols do not speak to the address of the other end: VRRP and DHCP send to groups or to everybody, a DHCP client has no address yet, IPv6 routers speak from
// link-local addresses. A selector of the parties would never match those packets, so a row of such a protocol also opens these addresses, of that protocol and port only
// (groups.go has the list with its sources). They never leave the link.
//
// Failsafe rows become policies of a tier of their own, which is looked at before all others and passes on what it does not decide; a matrix thus stands in its manifests
// completely. Those between anybody and anybody (neighbour discovery) are given as firewall.Failsafes as well, which hold before connection tracking is
// switched off by somebody else's doNotTrack policy.
//
// It refuses matrices that Check refuses, and those with several readings: choose one with Matrix.As. What no IP firewall can say (LLDP) is left out and reported. Forwarded
// packets are no subject: a row's ends are hosts.
//
// Invariants: Compile is a pure function, its objects pass calico.Check, and the order of its policies decides which of several rows is named, never the verdict.
package policy
