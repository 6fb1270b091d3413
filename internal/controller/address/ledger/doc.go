// Package ledger is the one book of addresses, prefixes and numbers, for all kinds that ask for them.
//
// It owns the AddressRecords, and a State of package ipam that is built of them and of the pools that the cached objects say. It refuses to know what a claim looks like: a claim is a kind, a namespace, a name
// and a UID, and who has one writes its address into it. It refuses a choice of its own: ipam decides.
//
// What makes an address unique is the API server. An address has its place in one record, whose name is made of the VRF and of the block of 64 addresses around it, and a record is only written over the resource version
// that it was read at. So two processes with whatever views, old or new, can't both give it: one of them loses its write, reads the record again and chooses another. Memory is there for speed: a choice costs the
// same however many addresses are held, and what is chosen while a record is being written goes into its next write (a record is written four times a second at most), so that under load a claim costs a
// fraction of a write here.
//
// A grant is told only once its record is stored. A process that dies before has given nothing; one that dies after leaves a record that names the claim, and its successor returns the same address to it. A
// write with an unknown outcome is settled by reading. What a claim left behind that is gone is found by whoever looks (Claims): the record has its UID.
//
// Networks and numbers are few: each change reads its record, decides on it, and writes it back.
package ledger
