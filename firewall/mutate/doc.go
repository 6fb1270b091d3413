// Package mutate owns small wrong changes to policies: what somebody might write instead of what is meant, one at a time.
//
// It makes them and says which of them change a verdict at all. A proof that does not notice one that does is no proof: that is their only use. It
// refuses to change more than one thing in a mutant, and to make objects that don't fit together.
//
// Of all faults a list can only hold some. These are those of one rule, policy, endpoint or set that the model can express without inventing names:
// something dropped, widened, narrowed, exchanged with its neighbour or with the other value of a pair.
//
// Invariants: All is deterministic and never changes what it is given; mutants share what they don't change with the original.
package mutate
