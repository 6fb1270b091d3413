// Package seeded runs whole sites in one process, on a fake clock, with faults from a seed.
//
// It owns the world around the real host controller and the real domain: objects whose caches lag (store), a process that dies anywhere and starts again from the objects, BMCs
// that hang, lie, forget and lose answers, machines that boot what their BMC says, agents that enrol and work on disks, owners that edit, delete and make again, a neighbour who
// knows every token, and a clock that jumps over hours. It refuses real time, sockets and files: those are test/sim's.
//
// What happens is a function of the seed: one loop takes event by event, every chance is drawn from the seed, the name of what it befalls and how often it was asked, and
// actions on BMCs, which the controller runs beside the loop, are waited for before the next event. A failure prints the seed, the trace, and the command that runs it again.
//
// Invariants of the simulated system are in invariants.go; they are looked at after every write and every event. broken_test.go breaks the controller on purpose, in a way for
// each of them, and sees it found.
package seeded
