// Package hostendpoint is the controller of HostEndpoints' trials: it dials a host back before new rules are confirmed.
//
// It owns the confirmation: while an endpoint's status shows a generation on trial, a new connection is opened to a management row's port on the host, and
// status.confirmed is set to the generation only if that connection came to be while the generation was on trial. A connection that is older than the rules proves
// nothing, since established flows pass whatever the rules say; that is how operators are locked out by firewalls that ask "does it still work?" over the
// session at hand. It refuses to know what the rules are, and to end a trial: the host's kernel does that by itself at the deadline, whether anybody is there or not.
//
// Where to dial: the management rows of the endpoint's matrix that end at the host, by the addresses of the host's own interfaces (virtual ones may be elsewhere by now).
// A host of no matrix is dialed at its endpoints' addresses by Ingot's own row.
//
// Invariants: a confirmation names the generation that was on trial when the dial began, and still is, before the deadline, by an object that was read after the dial
// ended; it is written only if nobody has changed the object since.
package hostendpoint
