// Package live joins a communication matrix with what hosts report of it: which rows were met, which were not, which are not kept, and which nobody enforces.
//
// It owns the states of a row and of a host's part in it, and the words for how a host stands with its rules. It refuses to ask anybody: the status of the HostEndpoints comes in.
// The web page and `ingot matrix verify --cluster` say what is decided here.
//
// Invariants: each row of the matrix is in the answer once, in the matrix's order. A row is met, or not, by hosts only that have rules for it now.
package live
