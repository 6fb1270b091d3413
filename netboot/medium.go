// Package netboot is the answer to a booting client: what is offered over DHCP, which file, which script, and what the boot medium says to
// the agent on it. Pure: packets and windows in, answers out.
package netboot

// MediumConfig is what a boot medium (virtual CD or network boot) tells the agent. It travels as one JSON file, ConfigPath, in a cpio archive that the
// boot loader appends to the agent's ramdisk, so that virtual media and network boot hand it over in the same way.
type MediumConfig struct {
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
}

// ConfigPath is the file's path in the agent's root file system.
const ConfigPath = "ingot/boot.json"

// ConfigSize is the size in bytes of the padded cpio archive on the prebuilt medium.
const ConfigSize = 64 << 10
