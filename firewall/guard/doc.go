// Package guard owns the life of a host's ruleset: what to do next with it, given what the kernel has, what was confirmed, and what is wanted.
//
// It refuses to touch anything: facts come in, one step goes out, with a reason, since when, until when, and what helps. The daemon carries steps out and
// asks again; so does its successor after a crash, from the same facts, since each of them stands in the kernel or on disk.
//
// The shape: a new ruleset is only ever tried. The kernel holds the trial for a time and forgets it by itself, so that a ruleset that cuts everybody off
// ends even when the daemon was killed by it. It is kept only when somebody came in over a new connection that the new ruleset let in: the
// connection that was there before proves nothing, since established connections pass every ruleset.
//
// Invariants, held by a property test over random worlds of crashes, lost confirmations, expiries and reboots:
//   - no generation that was not confirmed rules behind the deadline of its trial;
//   - what was confirmed last is on disk before it is permanent in the kernel, so a boot brings back exactly that;
//   - a ruleset that would leave no management row open is never tried; one that does in practice is gone at its deadline.
package guard
