// Package claims is the race: many clients ask for machines with addresses at once, real processes of the controller role serve them, and are killed at any moment.
//
// It owns the site (an API server, hosts, projects with quotas of machines and of addresses, a network), the clients, the killing, and the witness, which sees every write of a host and of an IP and holds each to what must never be otherwise. It
// refuses hardware: hosts are objects, and what the partition role would do to them is done by a stand-in, since what is looked at is the claiming. The controllers are those of the program: Machines, HostClaims,
// addresses, quotas and the search for leaks together, in `ingot controller`.
//
// The test races 100 machines; the program bench/claims races 1,000 and prints how long each waited for its host.
package claims
