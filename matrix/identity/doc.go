// Package identity compiles who is called what, and who may do what at the API server, from a matrix's rows: certificate profiles and RBAC objects.
//
// It owns the rules by which a row becomes a profile and a right becomes RBAC. It refuses keys and signatures (internal/pki has them, and a test here holds its profiles to
// these), people (package access has their roles), and the cluster (internal/install applies what stands here).
//
// A name is issued only if a row names it: as Identity, and its holder is a client, or as ServerIdentity, and its holder serves. Who has both has one
// certificate for both.
//
// Invariants: no rule has a wildcard but the operator's; the same matrix gives the same bytes.
package identity
