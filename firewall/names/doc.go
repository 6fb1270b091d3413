// Package names owns rules by DNS name: what a pattern matches, what a DNS message says of a name's addresses, and which addresses a name has now.
//
// It refuses to ask anybody: a proxy (package node/resolver) carries messages between clients and name servers, and hands each to this package. It refuses to write rules: package
// ruleset has sets that a rule looks a destination up in, and Table says what stands in them.
//
// The shape: addresses are learned from the answers to the very clients that then connect, as they pass. What a client connects to is what it was told, however many addresses a name
// has by turns; asking on one's own finds others than the clients do.
//
// Invariants:
//   - Only names that a rule names are learned, from answers to questions for them, along the CNAMEs of one answer (RFC 1034 section 3.6.2), and only for their own question.
//   - An address that is private, special or inside is never learned, whatever a name server says, and the client does not get it either (DNS rebinding).
//   - Everything is bounded: the time that an address stays, addresses of a name, addresses in all.
package names
