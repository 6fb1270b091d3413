package netdata

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// nics are the types that mean a NIC: OpenStack names what a virtual machine's is plugged into, Metal3's users write "phy".
var nics = []string{"phy", "vif", "bridge", "ovs", "tap", "dvs", "hostdev_physical", "hw_veb", "vhostuser", "other"}

// bondModes are the kernel's (Documentation/networking/bonding.rst).
var bondModes = []string{"balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"}

var macForm = regexp.MustCompile(`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`)

const (
	maxVLAN = 4094
	// minMTU is IPv4's least (RFC 791), maxMTU the largest that the kernel takes for Ethernet.
	minMTU = 68
	maxMTU = 65535
)

// parseLinks checks the links and puts them into an order of making.
func parseLinks(raw []rawLink) ([]Link, error) {
	byID := map[string]Link{}
	for i, r := range raw {
		l, err := parseLink(r)
		if err != nil {
			return nil, fmt.Errorf("network data: link %d (%q): %w", i, r.ID, err)
		}
		if _, twice := byID[l.ID]; twice {
			return nil, fmt.Errorf("network data: link %q is listed twice", l.ID)
		}
		byID[l.ID] = l
	}
	var ordered []Link
	state := map[string]int{}
	const visiting, made = 1, 2
	var make func(id, by string) error
	make = func(id, by string) error {
		l, ok := byID[id]
		switch {
		case !ok:
			return fmt.Errorf("network data: link %q is on link %q, which is not listed", by, id)
		case state[id] == visiting:
			return fmt.Errorf("network data: link %q is made of itself", id)
		case state[id] == made:
			return nil
		}
		state[id] = visiting
		for _, below := range l.below() {
			if err := make(below, id); err != nil {
				return err
			}
		}
		state[id] = made
		ordered = append(ordered, l)
		return nil
	}
	for _, r := range raw {
		if err := make(r.ID, ""); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}

// below are the links that a link is made of.
func (l Link) below() []string {
	switch {
	case l.VLAN != nil:
		return []string{l.VLAN.On}
	case l.Bond != nil:
		return l.Bond.Links
	}
	return nil
}

func parseLink(r rawLink) (Link, error) {
	l := Link{ID: r.ID, MAC: strings.ToLower(r.MAC)}
	if r.ID == "" {
		return l, errors.New("it has no id")
	}
	if r.MTU != nil {
		if l.MTU = *r.MTU; l.MTU < minMTU || l.MTU > maxMTU {
			return l, fmt.Errorf("MTU %d is not between %d and %d", l.MTU, minMTU, maxMTU)
		}
	}
	switch {
	case r.Type == "vlan":
		if r.VLANID < 1 || r.VLANID > maxVLAN {
			return l, fmt.Errorf("VLAN ID %d is not between 1 and %d", r.VLANID, maxVLAN)
		}
		l.VLAN = &VLAN{On: r.VLANLink, ID: r.VLANID}
		l.MAC = strings.ToLower(r.VLANMAC)
	case r.Type == "bond":
		if len(r.BondLinks) == 0 {
			return l, errors.New("a bond needs links")
		}
		l.Bond = &Bond{Links: r.BondLinks, Mode: r.BondMode, MonitorMillis: r.BondMonitor}
		if l.Bond.Mode == "" {
			l.Bond.Mode = "active-backup"
		}
		if l.Bond.MonitorMillis <= 0 {
			l.Bond.MonitorMillis = 100
		}
		if !slices.Contains(bondModes, l.Bond.Mode) {
			return l, fmt.Errorf("bond mode %q is none of %s", l.Bond.Mode, strings.Join(bondModes, ", "))
		}
	case slices.Contains(nics, r.Type):
		if l.MAC == "" {
			return l, errors.New("a NIC needs an ethernet_mac_address to be found by")
		}
	default:
		return l, fmt.Errorf("its type %q is not known", r.Type)
	}
	if l.MAC != "" && !macForm.MatchString(l.MAC) {
		return l, fmt.Errorf("%q is no MAC address", l.MAC)
	}
	return l, nil
}
