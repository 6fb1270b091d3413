// Package lockout proves that no ruleset locks the operator out: it tries rulesets that cut the way to a host, with the real ingot-node in a real network namespace, kills the
// daemon with SIGKILL in the middle of the trial, and waits until somebody comes in again.
//
// It owns the list of such rulesets. It refuses to trust the daemon's own check: a ruleset that ingot-node refuses up front is tried again by a daemon whose check is left
// out, so that what is proved is the kernel's part.
//
// Invariants: each case first sees the way cut while the trial ran, else it proves nothing; afterwards the ruleset that was confirmed before rules again, and not none.
package lockout
