// Package prove owns the proof that the model, the rule tree and the kernel are one: for each host of a site it sends every class of header that the
// policies can distinguish as a real packet through the compiled ruleset, between network namespaces, and compares three verdicts and by which rule
// they came about.
//
// A Lab is a host in a network namespace, with the far end of each of its interfaces in another. Probes come in as frames with forged sources, go
// out through raw sockets, or are routed from one interface to another. What passes the input hook is read from raw sockets, which need no listener;
// what leaves is read at the far end; what is refused on the output hook is EPERM. Each probe carries a number, and the end of a round is a frame of
// an Ethernet type of its own, which no ruleset sees: it follows the probes through the same queue of the same processor, so that what has not
// arrived before it was dropped. No verdict depends on a time. Frames that a queue had no room for are seen by the
// links' counts, and the host is proved anew.
//
// What is reduced, and why no difference between the policies and the kernel hides there:
//   - one packet a class (package class): two packets of a class meet the same rules. Another seed sends other members of the classes.
//   - a state is sent where the kernel gives it to such a packet by itself: an echo reply without a request is invalid, never new. The states are
//     checked by counting what connection tracking says. Established packets are of flows that were opened while the table was open.
//   - two packets of one flow, or of its answers, never go in one round, and connection tracking is emptied before each: for protocols without
//     ports a flow that is allowed in also opens the way out, which would hide a rule.
//
// It refuses machines without root, nft or namespaces, by an error that says what is missing: a proof that is skipped proves nothing. It touches
// nothing of the machine's own network.
//
// Invariants: a Lab's namespaces end with it, and with the process; the order of a Report depends on the site and the seed only.
package prove
