// Package up is `ingot up`: everything that one site needs, on one machine, by one command.
//
// It owns the order of the start (API server, kinds and permissions, identities, roles), the processes and what keeps them going: a role that dies is started again, a
// certificate at half its life is renewed, logs are kept in files and shown in short. It refuses state: what a role must remember is in the API, so that `ingot up` may die and be
// started again at any moment, like every role. It refuses to give roles more than their own identity: each is a process of its own with a certificate of its own.
//
// Invariants: no child outlives this process; roles are stopped before the API server that they write to; a role's files hold nothing of another role's.
package up
