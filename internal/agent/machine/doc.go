// Package machine is a Linux machine under the agent, with the agent as its first process: file systems, modules, network, inventory, power, console and clock.
//
// It owns what an init has to do and nothing that the partition role asks for; it gives the agent its Hardware. It refuses to run as anything but process 1, since it
// sets clocks, addresses and power of the machine that it runs on.
//
// Invariants: no listening port is opened; whatever goes wrong is on the console for a person, and ends in a reboot or a power-off, never in a machine that hangs in
// silence.
package machine
