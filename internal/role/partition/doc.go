// Package partition is the partition role: the process that looks after one site's hosts.
//
// It owns the wiring: flags, clients, caches, leader election, the listeners for agents, operators and health, the agents' CA, and what is published in Partition.status. It refuses
// decisions (lifecycle), the loop over hosts (internal/controller/host), the agents' protocol (internal/server/agentapi) and BMC protocols
// (internal/driver/bmc/redfish): it joins them.
//
// One process per partition leads; others wait. Everything that it knows is in API objects, but for agents' log files, which are for people: kill it at any moment and start it anywhere.
//
// Invariants: every socket is opened by a flow of the matrix; nothing is served before the caches are filled and the leadership is held.
package partition
