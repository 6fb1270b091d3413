// Package claim decides who gets which host: sizes, partitions, reservations, quotas, racks, taints.
//
// It owns the choice and its reasons. It refuses to bind: a controller writes what was chosen, and one that finds the host taken meanwhile asks again. Machines
// and Metal3's HostClaims are requests alike, so that neither can take what the other was promised.
//
// An Inventory holds the hosts by partition and size, with the free ones of each rack at hand, so that a choice looks at racks and not at all hosts. Choose is a pure function of
// inventory, reservations, quotas and request; Explain says of every host why it would or would not do, and costs a look at each.
//
// A reservation holds hosts back without naming them. A request is refused for it only where what is reserved for others could then no longer be served: several
// reservations over several partitions are weighed exactly, as a flow, and not partition by partition.
//
// A request of a tenant is under the HostDeployPolicies of the hosts' namespaces: Open makes of them which namespaces are its to take from. Names and patterns match whole names only.
//
// Invariants: the same facts give the same host, in whatever order they came; a host that is held, cordoned, not tolerated, not offered or not opened to the request is never chosen; a
// request that holds a host already gets that host again.
package claim
