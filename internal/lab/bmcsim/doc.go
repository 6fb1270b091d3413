// Package bmcsim is a Redfish server that stands in for the BMCs of the lab's machines: real HTTPS, real sessions and tasks, DMTF's schemas, and on
// demand the misbehaviour of real ones.
//
// It owns the BMC's side: what is shown, the boot override and when it is used up, the virtual CD and its fetching, authentication, faults from a
// seed. It refuses to be a machine: that is behind the interface Machine, which the lab implements for QEMU and for simulated machines. It is the lab's
// simulated hardware, so it opens its own sockets, on loopback only, and is not a role.
//
// One Server carries all BMCs of a process: one HTTP server, one certificate, one listener per BMC, so that each has an address as Metal3 writes it
// (redfish-virtualmedia+https://127.0.0.1:PORT/redfish/v1/Systems/1) for a few kilobytes each.
//
// Use: New(Options) gives a *Server with its CA (Server.CAPEM); Server.Add(Config) starts a *BMC and gives its Address; BMC.SetFaults changes its
// manners; BMC.Close and Server.Close end them.
//
// Invariants: the machine's calls never overlap; a one-time override is given out by exactly one boot; a medium's file exists as long as the
// medium is inserted; the same seed and the same order of requests give the same faults.
package bmcsim
