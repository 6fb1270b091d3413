// Package medium is what a boot medium tells the agent: one JSON file in a padded cpio archive.
//
// It owns the format and its encoding. It refuses to know how the archive reaches the machine: virtual media and network boot hand over the same bytes. It imports
// nothing of Kubernetes, since the agent imports it.
//
// The archive is a newc cpio, which Linux unpacks into its first root file system after the ramdisk proper (kernel documentation, "initramfs buffer format"), so that no
// boot loader, kernel command line or agent flag ever carries a token. It always has Size bytes: a prebuilt ISO holds a region of that size which is
// replaced while it is read, and nothing is built per host.
//
// Invariants: Encode is deterministic; len(Encode(c)) == Size; Decode(Encode(c)) equals c.
package medium

import "time"

// Config is what a boot medium (virtual CD or network boot) tells the agent. It travels as one JSON file, Path, in a cpio archive that the
// boot loader appends to the agent's ramdisk, so that virtual media and network boot hand it over in the same way.
type Config struct {
	// BootID names the boot; Token is the one-time token.
	BootID string `json:"bootID"`
	Token  string `json:"token"`
	// Endpoint is the URL of the partition role; CAPEM the CA that it is pinned to.
	Endpoint string `json:"endpoint"`
	CAPEM    string `json:"caPEM"`
	// MACAddress is the NIC that booted, where it is known.
	MACAddress string `json:"macAddress,omitempty"`
	// NetworkData is an OpenStack network_data.json; empty: DHCP on every NIC with a link.
	NetworkData string `json:"networkData,omitempty"`
	// IssuedAt is when the boot window opened. An agent whose clock is far from it takes it as the time, so that a dead clock battery does not make every
	// certificate invalid. Zero: not known.
	IssuedAt time.Time `json:"issuedAt,omitzero"`
}

// Path is the file's path in the agent's root file system.
const Path = "ingot/boot.json"

// Size is the size in bytes of the padded cpio archive on the prebuilt medium. It is a multiple of an ISO's sector (2048).
const Size = 64 << 10

// ISOPath is where the archive stands in the directory of the prebuilt ISO.
const ISOPath = "/ingot/boot.cpio"
