// Package ipmisim simulates BMCs that speak IPMI 2.0 over UDP, for the machines of the lab: the same bmcsim.Machine that a simulated Redfish BMC drives, behind
// the other protocol.
//
// It owns what the chassis does when it is told; the protocol is a library's. It refuses media, which IPMI does not have. The boot flags follow IPMI 2.0 §28.14: flags that are not persistent
// are used up by the boot that they were for.
//
// Invariants: orders to a machine are one at a time; a machine that restarts by itself gets its plan from the same flags.
package ipmisim
