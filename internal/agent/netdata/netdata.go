// Package netdata reads an OpenStack network_data.json, by which a site gives the agent static addresses.
//
// It owns the format (OpenStack Nova, doc/api_schemas/network_data.json) and its checks: what Parse gives can be configured as it stands. It refuses to touch a
// network; internal/agent/netconf does that. The bytes come from a user's Secret.
//
// Invariants of a Config: every reference leads to a link of the Config; no link is its own ancestor; VLAN IDs are 1-4094; addresses are of one family with their
// gateways.
package netdata

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// Config is the wanted network.
type Config struct {
	// Links are in an order in which every link comes after those that it is made of.
	Links    []Link
	Networks []Network
	DNS      []netip.Addr
}

// Link is an interface. Exactly one of VLAN and Bond is set for those kinds, none for a NIC.
type Link struct {
	ID string
	// MAC finds a NIC, lower case; for bonds and VLANs it is set, and may be empty.
	MAC string
	// MTU is 0 where nothing is said.
	MTU  int
	VLAN *VLAN
	Bond *Bond
}

// VLAN is a tagged link on another one.
type VLAN struct {
	// On is the ID of the link below.
	On string
	ID int
}

// Bond joins links.
type Bond struct {
	// Links are IDs.
	Links []string
	// Mode is the kernel's word ("802.3ad"), "active-backup" where nothing is said.
	Mode string
	// MonitorMillis is the link monitoring interval, 100 where nothing is said.
	MonitorMillis int
}

// Network is an address on a link.
type Network struct {
	Link string
	// DHCP4: the address comes from DHCP; Address is invalid then. Router advertisements are the kernel's own business.
	DHCP4   bool
	Address netip.Prefix
	Routes  []Route
}

// Route is a way to a prefix.
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// The bounds.
const (
	maxBytes   = 1 << 20
	maxEntries = 256
)

type document struct {
	Links    []rawLink    `json:"links"`
	Networks []rawNetwork `json:"networks"`
	Services []rawService `json:"services"`
}

type rawLink struct {
	ID          string   `json:"id"`
	Type        string   `json:"type"`
	MAC         string   `json:"ethernet_mac_address"`
	MTU         *int     `json:"mtu"`
	VLANID      int      `json:"vlan_id"`
	VLANLink    string   `json:"vlan_link"`
	VLANMAC     string   `json:"vlan_mac_address"`
	BondLinks   []string `json:"bond_links"`
	BondMode    string   `json:"bond_mode"`
	BondMonitor int      `json:"bond_miimon"`
}

type rawNetwork struct {
	Type     string       `json:"type"`
	Link     string       `json:"link"`
	Address  string       `json:"ip_address"`
	Netmask  string       `json:"netmask"`
	Gateway  string       `json:"gateway"`
	Routes   []rawRoute   `json:"routes"`
	Services []rawService `json:"services"`
}

type rawRoute struct {
	Network string `json:"network"`
	Netmask string `json:"netmask"`
	Gateway string `json:"gateway"`
}

type rawService struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

// Parse reads and checks a document.
func Parse(data []byte) (Config, error) {
	if len(data) > maxBytes {
		return Config{}, fmt.Errorf("network data has %d bytes, at most %d are read", len(data), maxBytes)
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return Config{}, fmt.Errorf("network data is not JSON of OpenStack's form: %w", err)
	}
	if len(d.Links) > maxEntries || len(d.Networks) > maxEntries || len(d.Services) > maxEntries {
		return Config{}, fmt.Errorf("network data has more than %d links, networks or services", maxEntries)
	}
	var c Config
	var err error
	if c.Links, err = parseLinks(d.Links); err != nil {
		return Config{}, err
	}
	known := map[string]bool{}
	for _, l := range c.Links {
		known[l.ID] = true
	}
	services := d.Services
	for i, n := range d.Networks {
		if !known[n.Link] {
			return Config{}, fmt.Errorf("network data: network %d is on link %q, which is not listed", i, n.Link)
		}
		network, use, err := parseNetwork(n)
		if err != nil {
			return Config{}, fmt.Errorf("network data: network %d on link %q: %w", i, n.Link, err)
		}
		if use {
			c.Networks = append(c.Networks, network)
		}
		services = append(services, n.Services...)
	}
	for _, s := range services {
		if s.Type != "dns" {
			continue
		}
		addr, err := netip.ParseAddr(s.Address)
		if err != nil {
			return Config{}, fmt.Errorf("network data: DNS server: %w", err)
		}
		c.DNS = append(c.DNS, addr)
	}
	if len(c.Networks) == 0 {
		return Config{}, errors.New("network data has no network of a type that an agent can use")
	}
	return c, nil
}

// parseNetwork makes one address. Use is false for kinds that need nothing of us.
func parseNetwork(n rawNetwork) (network Network, use bool, err error) {
	network = Network{Link: n.Link}
	switch n.Type {
	case "ipv4_dhcp":
		network.DHCP4 = true
		return network, true, nil
	case "ipv6_slaac", "ipv6_dhcpv6-stateless":
		return network, false, nil
	case "ipv4", "ipv6":
	default:
		return network, false, fmt.Errorf("its type %q is none of ipv4, ipv6, ipv4_dhcp and ipv6_slaac", n.Type)
	}
	if network.Address, err = parsePrefix(n.Address, n.Netmask); err != nil {
		return network, false, err
	}
	if network.Address.Addr().Is4() != (n.Type == "ipv4") {
		return network, false, fmt.Errorf("address %s is not of type %s", network.Address, n.Type)
	}
	routes := n.Routes
	if n.Gateway != "" {
		routes = append(routes, rawRoute{Network: "default", Gateway: n.Gateway})
	}
	if len(routes) > maxEntries {
		return network, false, fmt.Errorf("it has more than %d routes", maxEntries)
	}
	for _, r := range routes {
		route, err := parseRoute(r, network.Address.Addr())
		if err != nil {
			return network, false, err
		}
		network.Routes = append(network.Routes, route)
	}
	return network, true, nil
}

func parseRoute(r rawRoute, own netip.Addr) (Route, error) {
	via, err := netip.ParseAddr(r.Gateway)
	if err != nil {
		return Route{}, fmt.Errorf("route to %q: gateway: %w", r.Network, err)
	}
	if via.Is4() != own.Is4() || via.Zone() != "" {
		return Route{}, fmt.Errorf("route to %q: gateway %s is not of the address's family", r.Network, via)
	}
	everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if !own.Is4() {
		everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	if r.Network == "default" {
		return Route{To: everything, Via: via}, nil
	}
	to, err := parsePrefix(r.Network, r.Netmask)
	if err != nil {
		return Route{}, fmt.Errorf("route to %q: %w", r.Network, err)
	}
	if to.Addr().Is4() != own.Is4() {
		return Route{}, fmt.Errorf("route to %s is not of the address's family", to)
	}
	return Route{To: to.Masked(), Via: via}, nil
}

// parsePrefix reads "10.0.0.1/24", or an address with a netmask in address form or in bits.
func parsePrefix(address, netmask string) (netip.Prefix, error) {
	if strings.Contains(address, "/") {
		p, err := netip.ParsePrefix(address)
		if err == nil && p.Addr().Is4In6() {
			err = fmt.Errorf("address %s maps IPv4", p)
		}
		return p, err
	}
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}, err
	}
	if addr.Zone() != "" || addr.Is4In6() {
		return netip.Prefix{}, fmt.Errorf("address %s has a zone or maps IPv4", addr)
	}
	length, err := maskBits(netmask, addr)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(addr, length), nil
}

// maskBits reads a netmask: "24", "255.255.255.0" or "ffff:ffff::".
func maskBits(netmask string, addr netip.Addr) (int, error) {
	if length, err := strconv.Atoi(netmask); err == nil {
		if length < 0 || length > addr.BitLen() {
			return 0, fmt.Errorf("netmask %d is not possible for address %s", length, addr)
		}
		return length, nil
	}
	mask, err := netip.ParseAddr(netmask)
	if err != nil || mask.BitLen() != addr.BitLen() {
		return 0, fmt.Errorf("netmask %q is not one of address %s", netmask, addr)
	}
	ones, ended := 0, false
	for _, b := range mask.AsSlice() {
		n := bits.LeadingZeros8(^b)
		if ended && b != 0 || b<<n != 0 {
			return 0, fmt.Errorf("netmask %q has a gap", netmask)
		}
		ones += n
		ended = ended || n < 8
	}
	return ones, nil
}
