// Package matrix is the communication matrix as data: every flow between two parts of a system, once.
//
// It owns the rows, the parties and places they speak of, and what can be asked of them. It refuses sockets: listeners and dialers take a row's name from here and
// are bound in internal/driver/socket. A flow that is not a row cannot happen, since the only place that opens a socket looks it up here; the
// identities (certificate names), the rights (RBAC) and the host firewalls are compiled from the same rows, so that no second list can disagree.
//
// A Matrix is Ingot's own (Own) or a site's (package document reads it). Foreign ones have gaps, so a security cell can be blank or unknown here: Check refuses
// what has no meaning at all, Complete what leaves a question open, and package lint names everything that somebody should look at.
//
// Invariants: Check holds for every Matrix that is given to a compiler; Complete holds for Ingot's own, and its flow names are the constants of this package.
package matrix
