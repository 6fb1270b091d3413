package discovery

import "strings"

// VendorClass is what a maker's BMCs send as DHCP option 60.
type VendorClass struct {
	// Prefix is what the option begins with.
	Prefix string
	// Product is whose it is.
	Product string
}

// VendorClasses are those that makers document, or that other projects rely on. BMCs of other makers (XCC, Supermicro, OpenBMC's default) send that of their DHCP client (udhcp, systemd), as any Linux does, or none: they are not told from
// other machines by it, and a site that gives its own a class says so in Partition.spec.discovery.bmcVendorClasses.
func VendorClasses() []VendorClass {
	return []VendorClass{
		{"iDRAC", "Dell iDRAC"},                   // iDRAC9 User's Guide, "DHCP options"
		{"CPQRIB3", "HPE iLO"},                    // Compaq Remote Insight Board, kept by every iLO since
		{"NVIDIA/BF/BMC", "NVIDIA BlueField BMC"}, // as NVIDIA's bare-metal manager knows it
	}
}

// IsBMC says whether option 60 is that of a BMC; also are what the site's own begin with.
func IsBMC(vendorClass string, also []string) bool {
	for _, c := range VendorClasses() {
		if strings.HasPrefix(vendorClass, c.Prefix) {
			return true
		}
	}
	for _, prefix := range also {
		if prefix != "" && strings.HasPrefix(vendorClass, prefix) {
			return true
		}
	}
	return false
}
