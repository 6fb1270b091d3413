package netstack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Scheme begins the text form of a Spec.
const Scheme = "lab:"

// Spec is one host on the lab's network. Its text form, which roles take for --provisioning-network, is
//
//	lab:<path of the switch's socket>?mac=02:00:00:00:00:02&address=172.22.0.2/24
type Spec struct {
	// Socket is the path of the switch's unix socket.
	Socket string
	// MAC is the host's own, individually addressed.
	MAC net.HardwareAddr
	// Address is the host's IPv4 or IPv6 address with the network's prefix length. Every host has a link-local IPv6 address besides.
	Address netip.Prefix
	// Gateway is where all that is not on the link goes; invalid: nowhere. The text form has none: roles are on the link with their machines.
	Gateway netip.Addr
}

// Parse reads a Spec's text form.
func Parse(text string) (Spec, error) {
	rest, ok := strings.CutPrefix(text, Scheme)
	if !ok {
		return Spec{}, fmt.Errorf("network %q does not begin with %q", text, Scheme)
	}
	path, query, _ := strings.Cut(rest, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return Spec{}, fmt.Errorf("network %q: parameters: %w", text, err)
	}
	for name, v := range values {
		if name != "mac" && name != "address" {
			return Spec{}, fmt.Errorf("network %q: unknown parameter %q: there are mac and address", text, name)
		}
		if len(v) != 1 {
			return Spec{}, fmt.Errorf("network %q: parameter %s is given %d times", text, name, len(v))
		}
	}
	s := Spec{Socket: path}
	if s.MAC, err = net.ParseMAC(values.Get("mac")); err != nil {
		return Spec{}, fmt.Errorf("network %q: parameter mac: %w", text, err)
	}
	if s.Address, err = netip.ParsePrefix(values.Get("address")); err != nil {
		return Spec{}, fmt.Errorf("network %q: parameter address: %w", text, err)
	}
	if err := s.check(); err != nil {
		return Spec{}, fmt.Errorf("network %q: %w", text, err)
	}
	return s, nil
}

// String is the text form that Parse reads.
func (s Spec) String() string {
	return Scheme + s.Socket + "?mac=" + s.MAC.String() + "&address=" + s.Address.String()
}

func (s Spec) check() error {
	switch {
	case s.Socket == "" || strings.ContainsRune(s.Socket, '?'):
		return errors.New("the socket's path is empty or holds a question mark")
	case len(s.MAC) != 6 || s.MAC[0]&1 == 1 || s.MAC.String() == "00:00:00:00:00:00":
		return fmt.Errorf("%s is no address of one Ethernet interface", s.MAC)
	case !s.Address.IsValid() || s.Address.Addr().Is4In6():
		return errors.New("the address is neither IPv4 nor IPv6")
	case s.Address.Addr().Is6() && (s.Address.Addr().IsLinkLocalUnicast() || s.Address.Addr().IsMulticast()):
		return fmt.Errorf("%s is no host's own address", s.Address)
	case s.Gateway.IsValid() && (!s.Address.Contains(s.Gateway) || s.Gateway == s.Address.Addr()):
		return fmt.Errorf("the gateway %s is no other host of %s", s.Gateway, s.Address)
	case s.Address.Bits() < 1 || s.Address.Bits() > s.Address.Addr().BitLen()-2 || s.Address.Masked() == s.Address:
		return fmt.Errorf("%s is no host's address in a network of /1 to /%d", s.Address, s.Address.Addr().BitLen()-2)
	}
	return nil
}
