package netboot

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// MAC is an Ethernet address.
type MAC [6]byte

// ParseMAC reads the form "52:54:00:12:34:56", in either case.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(b) != len(m) || len(s) != len("52:54:00:12:34:56") || s[2] != ':' || s[5] != ':' || s[8] != ':' || s[11] != ':' || s[14] != ':' {
		return m, fmt.Errorf("%q is not a MAC address like 52:54:00:12:34:56", s)
	}
	copy(m[:], b)
	return m, nil
}

// String is the form that ParseMAC reads, in lower case.
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	text := [17]byte{2: ':', 5: ':', 8: ':', 11: ':', 14: ':'}
	for i, b := range m {
		text[3*i], text[3*i+1] = digits[b>>4], digits[b&15]
	}
	return string(text[:])
}

// Mode is how DHCP is spoken on the provisioning network.
type Mode string

// The modes.
const (
	// Server gives addresses and boot files.
	Server Mode = "server"
	// Proxy gives boot files beside a foreign DHCP server (PXE 2.1 §2.2.3).
	Proxy Mode = "proxy"
	// Off gives nothing to anybody.
	Off Mode = "off"
)

// Settings are a partition's provisioning network.
type Settings struct {
	Mode Mode
	// BootServer is the address that TFTP and HTTP are served at; in server mode it is also the DHCP server's identity, the same for all boot servers. Its family is the network's:
	// over IPv6 addresses are given by DHCPv6.
	BootServer netip.Addr
	// HTTPPort is the port of the files' HTTP server; 0: 80.
	HTTPPort uint16
	// Gateway and DNSServers are told with an address. Gateway may be invalid: none. Over IPv6 there is none here: routers tell of themselves.
	Gateway    netip.Addr
	DNSServers []netip.Addr
	// NTPServers are told with an address too (DHCP option 42, DHCPv6 option 56), those of the network's family.
	NTPServers []netip.Addr
	// Arguments are added to the agent's kernel command line: the site's own.
	Arguments []string
	// Advertised is the IPv6 network that the boot servers tell of in router advertisements; invalid: they tell of none.
	Advertised netip.Prefix
}

// IPv6 says whether the provisioning network's machines boot over IPv6.
func (s Settings) IPv6() bool {
	return s.BootServer.Is6() && !s.BootServer.Is4In6() && !s.BootServer.IsUnspecified()
}

// Window is the time in which one host may boot.
type Window struct {
	// BootID is the window's name: random, and a part of the files' URLs.
	BootID string
	// Boots says what the machine may boot.
	Boots Boots
	MACs  []MAC
	// BootURI is what firmware is told to boot in a window that boots by HTTP; empty in others.
	BootURI string
	// Leases are empty in proxy mode.
	Leases            []Lease
	OpensAt, ClosesAt time.Time
	// Redeemed: the boot's token was traded, so the agent runs.
	Redeemed bool
}

// Boots is what a window is for, as far as the network is concerned.
type Boots string

// What windows are for.
const (
	// BootsAgent: the agent comes over the network.
	BootsAgent Boots = "agent"
	// BootsMedia: the agent comes from virtual media, and the network gives an address.
	BootsMedia Boots = "media"
	// BootsHTTP: the agent comes as one medium, which the firmware's own HTTP client fetches from BootURI.
	BootsHTTP Boots = "http"
	// BootsDisk: the system on the disk boots for the first time, and the network gives an address.
	BootsDisk Boots = "disk"
)

// Lease is one address, with its network's length, for one MAC.
type Lease struct {
	MAC     MAC
	Address netip.Prefix
}

// maxBootID keeps a boot's file names within the 128 bytes of DHCP's file field (RFC 2131 §2).
const maxBootID = 64

// Check says whether the window can be served at all. Its parts come from an API object that another program wrote.
func (w Window) Check() error {
	if w.BootID == "" || len(w.BootID) > maxBootID || strings.Trim(w.BootID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || w.BootID[0] == '-' {
		return fmt.Errorf("boot ID %q: want 1 to %d of a to z, 0 to 9 and -", w.BootID, maxBootID)
	}
	if !w.ClosesAt.After(w.OpensAt) {
		return fmt.Errorf("the window of boot %s closes at %s and opens at %s", w.BootID, w.ClosesAt.Format(time.RFC3339), w.OpensAt.Format(time.RFC3339))
	}
	if err := w.checkURI(); err != nil {
		return err
	}
	for _, l := range w.Leases {
		if a := l.Address.Addr(); !l.Address.IsValid() || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() {
			return fmt.Errorf("boot %s leases %s to %s: not an address of a machine with its network's length", w.BootID, l.Address, l.MAC)
		}
	}
	return nil
}

// maxBootURI is what one option of DHCP holds (RFC 2132 §2).
const maxBootURI = 255

// checkURI: the URI comes from an API object, and goes into packets.
func (w Window) checkURI() error {
	if (w.Boots == BootsHTTP) != (w.BootURI != "") {
		return fmt.Errorf("boot %s boots by %q and has the boot URI %q: UEFI HTTP boot needs one, and nothing else has one", w.BootID, w.Boots, w.BootURI)
	}
	if w.BootURI == "" {
		return nil
	}
	u, err := url.Parse(w.BootURI)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || len(w.BootURI) > maxBootURI || strings.ContainsFunc(w.BootURI, unprintable) {
		return fmt.Errorf("boot %s has the boot URI %q: want http or https, at most %d printable characters, and no password", w.BootID, w.BootURI, maxBootURI)
	}
	return nil
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }

// Open says whether the window is open: from OpensAt on, and no longer at ClosesAt.
func (w Window) Open(now time.Time) bool { return !now.Before(w.OpensAt) && now.Before(w.ClosesAt) }

// LeaseOf is the IPv4 address for a MAC; false for none.
func (w Window) LeaseOf(m MAC) (netip.Prefix, bool) {
	return w.lease(m, func(a netip.Addr) bool { return a.Is4() })
}

// leaseOf6 is the IPv6 address for a MAC; false for none.
func (w Window) leaseOf6(m MAC) (netip.Prefix, bool) {
	return w.lease(m, func(a netip.Addr) bool { return a.Is6() })
}

func (w Window) lease(m MAC, of func(netip.Addr) bool) (netip.Prefix, bool) {
	for _, l := range w.Leases {
		if l.MAC == m && of(l.Address.Addr()) {
			return l.Address, true
		}
	}
	return netip.Prefix{}, false
}

// leases says whether an address is one of the window's machine: a leased one, or, over IPv6, one that it made of its MAC in the network of a lease, since a router of the site may ask for that.
func (w Window) leases(addr netip.Addr) bool {
	for _, l := range w.Leases {
		if l.Address.Addr() == addr || addr.Is6() && madeOf(addr, l.Address.Masked(), w.MACs) {
			return true
		}
	}
	return false
}
