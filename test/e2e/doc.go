// Package e2e is the proof with virtual machines: from power-on to the installed system's own report, through the programs as they are built.
//
// It owns the harness that starts the programs, waits on the API, and keeps everything that helps when a run failed. It refuses to look inside: it asserts through the
// public API, the machines' consoles and their disks.
//
// INGOT_BIN names the folder of the built programs, INGOT_CACHE that of the artifacts (`make e2e` sets both). A QEMU boot has a deadline and one retry: a virtual
// processor hangs about once in two hundred boots under TCG.
package e2e
