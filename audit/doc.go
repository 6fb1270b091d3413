// Package audit is the trail of who did what at the API server: its entries, what of a request may stand in them, which requests they are written for, and the chain that shows when
// one is altered, missing or moved.
//
// It owns the form of a line (Seal, Parse), the verification (Verifier), redaction (Redact, Text), the policy (Policy, Decide) and the search (Filter). It refuses files, clocks and
// sockets: internal/trail keeps the files, internal/controlplane/auditing makes entries of requests, internal/ship sends them elsewhere.
//
// Why a form of its own rather than Kubernetes' audit events: those have no place for a chain, their bodies hold what a client sent, passwords included, and half of each event repeats
// what the next one says again.
//
// Invariants: a line is one record and never changes once written; each record holds the hash of the one before it, and its own hash is over the bytes that stand in the line, so that
// verifying needs no second encoder to agree with the first; checkpoints are signed by the installation's key, so that who can write the file and not read the key cannot make another
// chain of it. Who has the key can: against that stand copies kept elsewhere (a sink, or a head that somebody wrote down).
package audit
