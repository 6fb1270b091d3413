// Package bound is the analyzer that binds the code to the communication matrix: whatever opens a socket outside of internal/driver/socket is found, and whatever
// names a flow by anything but a constant of package matrix.
//
// It owns two lists, both data: what opens a socket (openers.go), and the places that may, each with its reason (places.go). It refuses marks at single lines: a
// place is allowed by the table, where a reader sees all of them, or not at all.
//
// A use is found by the object that it resolves to, not by how it is written, so aliases, dot imports, method values, function values and embedded types are the same
// as the plain call. Unix and netlink sockets cross no network: a call is let through where its network or address family folds to such a constant.
//
// What it can't see: programs that are started, what a library does inside of a function that is not listed, reflection, linkname and assembler. Each dependency that
// opens sockets by itself has to be listed.
package bound
