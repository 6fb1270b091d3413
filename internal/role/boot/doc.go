// Package boot is the boot role: it lets the machines of one partition boot, and only in their boot windows.
//
// It owns the wiring: windows, tokens and the partition's settings come from the API server into an index, from which DHCP, TFTP, HTTP, router advertisement and virtual media
// are answered. It refuses decisions (netboot), packets (internal/server) and every right beyond reading: the process that parses packets of the provisioning network
// holds no BMC's secret, and can write nothing.
//
// It has no state of its own. Any number of them serve one partition side by side and give the same answers; one that is killed starts again from the objects. When the API server is
// away, what was last seen goes on to be served until the windows close by themselves.
//
// The servers of the provisioning network run while Partition.spec.provisioningNetwork.dhcpMode is server or proxy; the one of virtual media always.
package boot
