// Package evaluate owns the model: what Calico would do with one packet on one host, and why.
//
// It is written to be read beside Calico's documentation and is as slow as that: it walks tiers, policies and rules, and asks every endpoint of the
// site whether it has an address. It shares no matching code with package ruleset, which compiles the same policies into sets and maps, so that the
// two can be held against each other. It refuses nothing and never fails.
//
// The order of felix (rules/static.go, rules/endpoints.go), for a packet on an interface with an endpoint:
//   - doNotTrack policies, before connection tracking: Allow exempts the packet and skips all else on the incoming side; no end-of-tier drop;
//   - preDNAT policies, for what comes in: Allow skips the incoming side's other policies; no end-of-tier drop;
//   - for what is forwarded, policies with applyOnForward, of the incoming endpoint and then of the outgoing one; where none decides, it passes;
//   - for what is local, failsafes, then all tiers, then profiles, then drop.
//
// Established packets pass each stage but the first, and invalid ones are dropped, wherever an endpoint has that stage.
//
// Invariant: Packet is a pure function; Decision.By names exactly one rule, failsafe, tier's end or fixed reason.
package evaluate
