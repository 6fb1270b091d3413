// Package selector owns Calico's label selectors: the expressions by which policies choose endpoints and rules choose peers.
//
// It refuses what Calico's own parser refuses, and says at which byte. It does not know what carries the labels.
//
// The grammar is that of projectcalico.org/v3 (libcalico-go, lib/selector):
//
//	or   := and { "||" and }
//	and  := term { "&&" term }
//	term := { "!" } ( "(" or ")" | "all()" | "global()" | "has(" label ")" | label cmp )
//	cmp  := ( "==" | "!=" | "contains" | "starts with" | "ends with" ) string | ( "in" | "not in" ) "{" [ string { "," string } ] "}"
//
// Labels are letters, digits and "_./-". Strings stand in double or single quotes and have no escapes, so no string holds both kinds of quote.
// Space between words is spaces and tabs, and "notin", "startswith" and "endswith" may be written together. Nothing at all means all().
//
// Invariants: a Selector is immutable; String gives one spelling for one meaning tree, and parsing it gives the same tree; the printed form of a
// parsed selector is a fixed point. "!=" and "not in" are true where the label is absent.
package selector
