// Package machine makes of a tenant's Machine what it asks for: addresses, a claim that finds and binds the host, the image with what the installed system is told, and all of it taken back.
//
// It owns Machines, the IPs, HostClaims and Secrets that it makes for them, and what stands in them. It refuses the choice and the binding of hosts: those are package hostclaim's, which sees by the claim's owner
// that it is a Machine's and asks for what the Machine says. It refuses addresses (package address gives them) and what a name of an image means (package catalog says it).
//
// A Machine drives a HostClaim of its own name instead of binding hosts a second way: there is one place where a host is given and taken, so that Machines and HostClaims can't be promised the same one, and one
// proof that it is right. The claim is made without an image. Only when the host is bound are its cards known, by which network data names it; what is to be installed is written into the Machine's status first and
// into the claim after that, so that a process that dies between the two installs no other image than the one that was told.
//
// A new installation has three steps, which status.conditions names: the image goes off the claim, the host's wipe is proved, the image of that moment goes on.
//
// Invariants:
//   - A Machine has one host. One that lost its host gets no other by itself: what it had is on the first one's disks.
//   - A Machine is gone only after its claim is, which is gone only after the wipe of the host is proved; its addresses go after that, when nothing can answer by them any more.
//   - status.image never changes but by spec.installRequest.
//   - Nothing is told to the tenant of hosts but what its claim is told.
package machine
