// Package address gives addresses, prefixes and numbers to the objects that ask for them: Ingot's Networks and IPs, Metal3's IPClaims and Cluster API's IPAddressClaims.
//
// It owns the status of these, the address objects of Metal3 and Cluster API, and the finalizers of pools and networks. It refuses the choice, which is package ipam's, and the record, which is package ledger's: one
// ledger stands behind all kinds, so that no two of them give the same address.
//
// Each claim goes the same way: the ledger records the address as the claim's (a write that many claims share), then the object that shows it is made, under a name that it can have but once (Metal3, Cluster
// API), and then the claim's status names it, under the claim's resource version. A process may die after each of them: what is recorded is returned to the same claim, an address object that is there is taken
// over if it is of the claim's UID, and what two processes gave to one claim is settled by its status: what that does not name is given back. A claim that is gone, or that is another one of the same name, is
// found by the UID in the record, when the claim's end is seen, and for whatever was missed by a sweep.
//
// A claim gets no finalizer of ours: the record has all that is needed to give its address back, and two writes are saved. One that others put on it keeps the address, as Metal3's provider has it.
//
// Invariants: in a VRF an address has one holder; an address object is gone before its address is given to another; only what no change of other objects could make right is reported as permanent.
package address
