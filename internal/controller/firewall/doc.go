// Package firewall makes of a tenant's Firewall a Machine that forwards by its rules, and says how it stands.
//
// It owns Firewalls, the Machine that it makes for each, and the right of the firewall's own node to read the one object and to report on it. It refuses what others decide: hosts, images and addresses are the Machine's
// (package machine), what rules mean is package gateway's, and what the kernel has is the node's to say. It refuses networks that the project may not use, by the rule for IPs: its own, External and Shared ones.
//
// What the node needs beside the spec stands in status.networks: prefixes, the firewall's addresses, and what they are translated to. It is written for a generation as a whole, after everything was checked together: a
// node never enforces half of a change, and what is wrong leaves the last good rules in place.
//
// Invariants:
//   - A Firewall is gone only after its Machine is.
//   - A node's right is for one Firewall of one name, and an admission policy holds this controller to giving no other (config/policy/firewall-roles.yaml).
//   - Ready means that the machine has said lately that it enforces this generation.
package firewall
