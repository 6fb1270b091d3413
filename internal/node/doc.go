// Package node is the daemon on a host whose firewall is enforced: it carries out what package guard decides.
//
// It owns one loop: read the policies, the kernel and the disk; decide; do one step; again. It refuses to decide (package guard), to match packets (package
// evaluate), to write rules (package ruleset) and to talk to the kernel itself (package hostnet). Everything that people ask of it over the control socket is run by the loop,
// so that nothing is changed from two sides.
//
// What it does besides: it cuts tracked flows that new rules revoke, compares the kernel, listeners and flows with the policies, and says who was refused, by
// what, and what would allow it. None of that changes what rules.
//
// Invariants: the intent is on disk before the kernel is told; only the table with our name is written; without a source the last confirmed ruleset stays for ever.
package node
