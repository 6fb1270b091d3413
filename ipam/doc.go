// Package ipam decides which prefix and which address belongs to whom.
//
// It owns the networks of a site with their prefixes, cut from one another, the pools that addresses are given from, and who holds each. One State stands behind every kind of object
// that asks for addresses, whatever its API: a claim is a pool and a holder, and a holder is a string that the caller makes unique (kind, namespace and name).
//
// It refuses, by a Refusal that says who is in the way and what would help: an address or prefix that has a holder; one outside of its pool or network; a pool that has nothing free;
// a rest that is not over; a network that overlaps another of its VRF; the removal of what is in use. It never moves an address from one holder to another: it must be released, rest, and
// be asked for. Only what no change of the objects could make right is permanent.
//
// Why this shape. Controllers hold no truth: the objects do. So a State is built from Facts, which is what the objects say, the same State whatever their order, and every operation is a
// pure function of the State, its request and now: a caller writes the outcome to the objects, and builds the State anew when it is not sure that the write was done. What two objects
// claim at once is a Finding of Build; the State holds what it can and gives neither to a third.
//
// A VRF is the scope in which addresses are unique, whatever it is called elsewhere: each private network of overlapping tenants is in one of its own, and child networks are in that of
// their parent. Only super networks are cut, and they give no addresses themselves: no prefix can be cut over an address in use.
//
// Invariants: in a VRF each address has one holder at most, over all pools; no two networks overlap except child and parent; what rests, what is reserved for another and what is a gateway is not
// given; State.Facts built again is the same State; a refused operation changes nothing except that rests that ended by now are over.
//
// The parts: span is the arithmetic, sparse finds free addresses, buddy finds free prefixes.
package ipam
