// Package console decides who sees which machine's serial console, and for how long.
//
// It owns the words (Target, Allocation, Facts, Verdict), the decision, what a person's keyboard means beside characters (Escape), and which recordings are kept (Expired). It refuses to
// ask anybody: rights are asked for at the API server with the caller's own name, objects are watched, and the time is a parameter.
//
// The shape is one pure function because the same question is asked when a session begins and after each event that could end it: what would refuse a new session ends an old one.
//
// Invariants: a session is bound to one allocation, which is a host and what it is given to, and ends with it, whoever holds it; a tenant is let in by a Machine or a HostClaim only
// while that has its host and is not being given up; what is not known is refused.
package console
