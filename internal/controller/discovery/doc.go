// Package discovery is the controller of DiscoveredHosts: it says on each what it is, and makes a BareMetalHost of one that an operator accepted.
//
// It owns the objects' status and that one host. Package discovery (the pure one) decides. It refuses to log into machines and to read Secrets: both begin with the host, at the host controller.
// Package scan below it asks declared ranges for BMCs.
//
// Invariants: objects are looked at one after the other, and each look sees the hosts that the looks before it made (the manager's client waits for its own writes), so that two objects of one machine
// never become two hosts; a host is made under a name that stands in the object, so that a repeated attempt meets the first one's.
package discovery
