// Package matrix is the controller of CommunicationMatrix objects: what a matrix says becomes policies, network sets and host endpoints in the API.
//
// It owns the way from objects to objects: it joins the parts of a matrix, has them linted and compiled (matrix/document, matrix/lint, matrix/policy), applies what
// differs, removes what no row stands for any more, puts back what somebody else changed, and says in the matrix's status what was found and on how many hosts
// it is enforced. It refuses to decide what a row means, and to touch an object that it did not make: one of the same name is a conflict, which is reported.
//
// Order matters, since a host endpoint without policies is a closed host: tiers and sets are applied before policies, policies before endpoints; endpoints are
// removed before policies, policies before sets. Whatever a node makes of a state in between is on trial until it was reached through it.
//
// Invariants: a matrix that has no meaning changes nothing: what was compiled last stays. Nothing in memory is needed after a restart: what is kept there (the
// last compilation) is made again from the objects. Nothing is written that did not change.
package matrix
