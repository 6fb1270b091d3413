package bmc

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// Protocol is what a BMC speaks.
type Protocol string

// The protocols.
const (
	Redfish Protocol = "redfish"
	IPMI    Protocol = "ipmi"
)

// BootWay is how a machine behind an address is brought to boot the agent.
type BootWay string

// The ways to boot.
const (
	ByNetwork      BootWay = "network"
	ByVirtualMedia BootWay = "virtual-media"
	ByUEFIHTTP     BootWay = "uefi-http"
)

// Address is a BareMetalHost's spec.bmc.address, parsed.
type Address struct {
	// Scheme is the scheme as written, without the transport: "idrac-virtualmedia".
	Scheme   string
	Protocol Protocol
	BootWay  BootWay
	// Insecure: plain HTTP, because the scheme ends in "+http".
	Insecure bool
	// Host is a name or an IP address without brackets. Port is 0 for the protocol's own port.
	Host string
	Port uint16
	// Bare: the address is a host's name or address alone, without scheme and port. It means IPMI as it does with Metal3, and leaves it open whether something better answers there.
	Bare bool
	// SystemPath is the path of the ComputerSystem, without a trailing slash; empty where the address names none.
	SystemPath string
}

// schemes are Metal3's address schemes (metal3.io access registry, apis v0.13) and what they mean here.
func schemes() map[string]Address {
	return map[string]Address{
		"ipmi":                 {Protocol: IPMI, BootWay: ByNetwork},
		"libvirt":              {Protocol: IPMI, BootWay: ByNetwork},
		"redfish":              {Protocol: Redfish, BootWay: ByNetwork},
		"redfish-virtualmedia": {Protocol: Redfish, BootWay: ByVirtualMedia},
		"redfish-uefihttp":     {Protocol: Redfish, BootWay: ByUEFIHTTP},
		"idrac-redfish":        {Protocol: Redfish, BootWay: ByNetwork},
		"idrac-virtualmedia":   {Protocol: Redfish, BootWay: ByVirtualMedia},
		"ilo5-redfish":         {Protocol: Redfish, BootWay: ByNetwork},
		"ilo5-virtualmedia":    {Protocol: Redfish, BootWay: ByVirtualMedia},
	}
}

// former are the schemes that Metal3 once had, with what to write instead. Their drivers spoke the makers' own protocols, and what those could do the Redfish of the same BMCs does.
func former() map[string]string {
	const idrac, ilo = "idrac-redfish or idrac-virtualmedia with /redfish/v1/Systems/System.Embedded.1", "redfish or redfish-virtualmedia; iLO 4 speaks Redfish from firmware 2.30 on, without virtual media"
	return map[string]string{
		"idrac": idrac, "drac": idrac, "ilo4": ilo, "ilo4-virtualmedia": ilo, "ilo5": "ilo5-redfish or ilo5-virtualmedia with /redfish/v1/Systems/1",
		"irmc": "redfish or redfish-virtualmedia with /redfish/v1/Systems/0, or ipmi",
	}
}

// maxAddressLength bounds what ParseAddress looks at: a URL longer than this is a mistake.
const maxAddressLength = 2048

// ParseAddress reads a BMC address. It refuses credentials in the address, queries, fragments, and schemes that Metal3 does not have. An address without a scheme
// is IPMI, as with Metal3. Errors never repeat the part of the address that may hold a password.
func ParseAddress(s string) (Address, error) {
	if len(s) > maxAddressLength {
		return Address{}, fmt.Errorf("BMC address is %d bytes long, at most %d are allowed", len(s), maxAddressLength)
	}
	if strings.TrimSpace(s) == "" {
		return Address{}, errors.New("BMC address is empty: write it like redfish-virtualmedia+https://10.0.0.5/redfish/v1/Systems/1")
	}
	if strings.Contains(s, "@") {
		return Address{}, errors.New("BMC address must not hold credentials (no @): put them into the Secret that spec.bmc.credentialsName names")
	}
	bare := !strings.Contains(s, "://")
	if bare {
		s = "ipmi://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return Address{}, fmt.Errorf("BMC address %q is no URL: %w", s, unwrapURL(err))
	}
	a, err := fromURL(s, u)
	a.Bare = err == nil && bare && a.Port == 0
	return a, err
}

func fromURL(s string, u *url.URL) (Address, error) {
	scheme, transport, _ := strings.Cut(u.Scheme, "+")
	a, known := schemes()[scheme]
	if instead, was := former()[scheme]; was {
		return Address{}, fmt.Errorf("BMC address %q has the scheme %q, which Metal3 has given up and Ingot does not have: use %s", s, u.Scheme, instead)
	}
	if !known {
		return Address{}, fmt.Errorf("BMC address %q has the unknown scheme %q: known are redfish, redfish-virtualmedia, redfish-uefihttp, idrac-redfish, "+
			"idrac-virtualmedia, ilo5-redfish, ilo5-virtualmedia (each with +http or +https) and ipmi", s, u.Scheme)
	}
	a.Scheme = scheme
	switch {
	case !strings.Contains(u.Scheme, "+"):
	case a.Protocol != Redfish || (transport != "http" && transport != "https"):
		return Address{}, fmt.Errorf("BMC address %q has the scheme %q: only Redfish schemes take a transport, +http or +https", s, u.Scheme)
	default:
		a.Insecure = transport == "http"
	}
	if u.User != nil || u.Opaque != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(s, "#") {
		return Address{}, fmt.Errorf("BMC address %q may hold only scheme, host, port and path", s)
	}
	if err := a.setHost(s, u); err != nil {
		return Address{}, err
	}
	return a, a.setPath(s, u)
}

func (a *Address) setHost(s string, u *url.URL) error {
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") || strings.Contains(host, ":") {
		ip, err := netip.ParseAddr(host)
		if err != nil || !ip.Is6() {
			return fmt.Errorf("BMC address %q: %q is no IPv6 address", s, host)
		}
		a.Host = ip.String()
	} else {
		if !validHostName(host) {
			return fmt.Errorf("BMC address %q: %q is neither a host name nor an IP address", s, host)
		}
		a.Host = strings.ToLower(host)
	}
	if u.Port() == "" {
		if strings.HasSuffix(u.Host, ":") {
			return fmt.Errorf("BMC address %q has a colon without a port", s)
		}
		return nil
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return fmt.Errorf("BMC address %q: port %q is not between 1 and 65535", s, u.Port())
	}
	a.Port = uint16(port)
	return nil
}

func (a *Address) setPath(s string, u *url.URL) error {
	p := strings.TrimRight(u.EscapedPath(), "/")
	if p == "" || p == "/redfish/v1" || p == "/redfish/v1/Systems" {
		return nil
	}
	decoded, err := url.PathUnescape(p)
	if err != nil || path.Clean(p) != p || path.Clean(decoded) != decoded || strings.ContainsFunc(decoded, isControl) {
		return fmt.Errorf("BMC address %q: the path must be the plain path of a system, like /redfish/v1/Systems/1", s)
	}
	if a.Protocol == IPMI {
		return fmt.Errorf("BMC address %q: an IPMI address has no path", s)
	}
	a.SystemPath = p
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// validHostName accepts names of RFC 1123 §2.1 (and underscores, which BMC names have in the wild) up to 253 bytes, which IPv4 addresses are too.
func validHostName(h string) bool {
	if h == "" || len(h) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(h, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// unwrapURL drops the URL that net/url puts into its errors, since ours has said it.
func unwrapURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// HostPort is the host with its port, the protocol's own where the address names none, as a dialer takes it.
func (a Address) HostPort() string {
	port := a.Port
	if port == 0 {
		switch {
		case a.Protocol == IPMI:
			port = 623
		case a.Insecure:
			port = 80
		default:
			port = 443
		}
	}
	return joinHostPort(a.Host, port)
}

func joinHostPort(host string, port uint16) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(port))
}

// BaseURL is the root of a Redfish service, without a trailing slash: "https://10.0.0.5".
func (a Address) BaseURL() string {
	scheme := "https"
	if a.Insecure {
		scheme = "http"
	}
	return scheme + "://" + a.urlHost()
}

// urlHost is host and port as a URL has them: a zone's percent sign is escaped (RFC 6874 §2).
func (a Address) urlHost() string {
	host := strings.Replace(a.Host, "%", "%25", 1)
	if a.Port != 0 {
		return joinHostPort(host, a.Port)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// String is the address in its one canonical form; ParseAddress of it gives the same Address.
func (a Address) String() string {
	scheme := a.Scheme
	if a.Protocol == Redfish {
		if a.Insecure {
			scheme += "+http"
		} else {
			scheme += "+https"
		}
	}
	return scheme + "://" + a.urlHost() + a.SystemPath
}
