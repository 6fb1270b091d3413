// Package firewall owns what a host firewall is about: packets, verdicts, the site that policies describe, and which of them apply to which
// interface of which host, in which order.
//
// It decides no packet (package evaluate does, as Calico would) and writes no rule (package ruleset does); both start from the Host that is
// resolved here, and a property test holds them together. It refuses objects that don't fit together, and knows no implicit rule: the flows that
// stay open whatever the policies say are Failsafes that somebody wrote down. Calico's own list is there to be chosen and to be measured.
//
// The semantics are those of Calico's felix for host endpoints (calc/policy_sorter.go, dataplane/linux/endpoint_mgr.go):
//   - of several endpoints for one interface the alphabetically first is active; "*" stands for interfaces without one;
//   - tiers sort by order, then name; policies by order, then name/namespace/kind; what has no order comes last;
//   - staged policies, namespaced ones, and those for pods never apply.
//
// Invariants: a Site and a Host are immutable and depend on nothing but what they were made from.
package firewall
