// Package knock asks an address whether a BMC is there, by what BMCs tell anybody: the Redfish service root, and IPMI's presence and capabilities.
//
// It owns the two exchanges and the reading of their answers. It refuses logins: it has no password, sends no credential and no cookie, changes nothing, and asks nothing that needs a session. It follows no redirect, so that
// whoever answers cannot have it ask somebody else. Which addresses are asked is the caller's word.
//
// Invariants: one request over each protocol (IPMI's datagrams are sent twice where nothing comes back); at most maxRoot bytes are read over HTTP and maxDatagram of each of a few datagrams; every text kept is printable ASCII of
// bounded length; one call ends within about twice the timeout, whatever the other side does.
package knock
