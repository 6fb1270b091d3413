// Package ipmi implements the BMC contract for IPMI 2.0 over LAN (RMCP+, UDP port 623), for machines whose BMC speaks no Redfish.
//
// It owns the login (cipher suite 17, then 3, each asked for by its number: probing without one takes some BMCs half a minute), the session's end, and what the
// contract's words are in IPMI. It refuses IPMI 1.5 and cipher suite 0, which authenticate nobody, and the protocol's own keep-alive: a BMC drops a session that is
// idle for a minute (IPMI 2.0 §6.12.15), so one that was not used for a while is opened anew by the next call, and a host at rest costs its BMC nothing.
//
// IPMI has no virtual media, no inventory worth the name and no Secure Boot: a host with such an address boots over the network. The boot device is the one of the
// boot flags (§28.14, parameter 5), whose validity would end after 60 s; parameter 3 turns that off, since a machine of some size needs longer to restart.
//
// Invariants: a change of power is sent once, after the state was read; one request at a time per BMC, as the contract's Pool and the library's session need it.
package ipmi
