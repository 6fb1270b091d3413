// Package console is the console role: the process that shows people the serial consoles of one site's machines.
//
// It owns the wiring: flags, clients, watches, listeners, the key of the site's SSH authority, the way to the partition role. It refuses decisions (package console), the protocols
// (internal/server/console), and the passwords of BMCs, which the partition role keeps.
//
// It keeps no state but recordings: run as many as you like, each with its own folder. Two of them see one console in turn, since a BMC has one watcher.
//
// Invariants: every socket is opened by a flow of the matrix; it listens on loopback and nowhere else, whatever its flags say: what comes from elsewhere comes through the mesh.
package console
