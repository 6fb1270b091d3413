// Package sweep plans the search for BMCs in ranges of addresses: which are asked, in what order, how fast, and when again.
//
// It owns reading the ranges (Parse), the order and the pace of one pass (Pass), when the next pass is due (Due), and which single addresses are asked between passes (Wanted). It refuses sockets and
// clocks: who asks is told an address and a time.
//
// Invariants: no address outside of the ranges is ever given; all ranges together have at most MaxAddresses; a pass gives each address once; what it gives within any time is at most what the rate allows.
package sweep
