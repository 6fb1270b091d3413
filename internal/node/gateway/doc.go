// Package gateway is the part of ingot-node on a firewall's machine that forwards: it reads its own Firewall, enforces the rules in a table of their own, and says so.
//
// It owns that table, another one that closes the machine itself, the kernel's switch for forwarding, one file on disk, and what the Firewall's status says of the machine. It refuses what other packages decide: what rules mean (package firewall/gateway), how they
// are written (package ruleset), which networks there are (the controller, in status.networks). The machine itself answers nobody on any network: people come over the mesh,
// whose member hands them to a loopback port, and neither a rule of a Firewall nor a policy of the site, which the machine may not read, opens it.
//
// The shape: what is to be enforced is on disk before the kernel has it. At boot, and when the API server is away, the last rules are those of the file. A change replaces one generation by another without a lost or a
// leaked packet; where the kernel has something that this process did not write, forwarding is switched off while the table is written anew: packets are lost then, and none leaks.
//
// Invariants: the machine is closed from before its network is up; the kernel forwards nothing before the rules are in; rules that do not fit together change nothing; flows that no rule allows any more are ended.
package gateway
