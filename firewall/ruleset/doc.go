// Package ruleset owns the rule tree: what nftables shall do on one host, as data, compiled from the policies that apply there.
//
// It refuses to touch the kernel: it makes values, text for `nft -f`, and answers of its own simulator. It knows Calico's semantics only through
// package firewall's Host, and shares no matching code with package evaluate; a property test holds the two together over random sites.
//
// The shape, and why it is not the obvious one (a rule a line):
//   - One table with permanent base chains, which hold a few fixed rules, look up a generation on trial in a map by family, whose elements expire, and
//     else go to the generation that rules. New packets have a shorter way there (see Ways). Replacing contents takes three transactions (see Barrier), so that a packet that is under way meets one
//     generation, whole. Deleting and adding a table leaks packets, since it registers the hook anew; swapping contents in one transaction loses some.
//   - A generation's sections (failsafes, one a tier, one a profile) are decision trees: maps from protocol, port and address to chains that hold
//     only the rules that can still match. A packet's cost follows the depth of the tree, not the number of rules or peers. Linear rules cost 87
//     times no firewall at 10,000 rules, sets and maps 1.1 times.
//   - Every rule that decides has a counter and a comment with its name, as package firewall names it, and its row of the communication matrix.
//   - IPv4 and IPv6 have trees of their own, since their sets have types of their own.
//
// Where rules overlap so much that a tree would hold each of them many times, the tree stays shallow and the chain long: Depth says how long.
//
// Invariants: Compile is deterministic: the same host gives the same text. Each chain that a map names ends in a verdict. Only chains of the same
// generation are referred to. No chain returns: each goes to the next, so nft's jump stack (16) doesn't bound the number of tiers.
package ruleset
