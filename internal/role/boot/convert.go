package boot

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
	"github.com/ingotmetal/ingot/tracing"
)

var (
	errNoToken    = errors.New("its token's Secret is not there yet")
	errOtherToken = errors.New("the token in its Secret is not the one whose digest it holds")
)

// entryOf is the index's entry for a window with its token.
func entryOf(w *ingot.BootWindow, token secret.String) (window.Entry, error) {
	e := window.Entry{
		MediumName: w.Spec.MediaName, Token: token,
		Window: netboot.Window{BootID: w.Name, OpensAt: w.Spec.OpensAt.Time, ClosesAt: w.Spec.ClosesAt.Time, Redeemed: w.Status.RedeemedAt != nil},
		Config: medium.Config{
			BootID: w.Name, Endpoint: w.Spec.AgentEndpoint, CAPEM: string(w.Spec.CABundle), NetworkData: string(w.Spec.NetworkData), IssuedAt: w.Spec.OpensAt.UTC(),
		},
	}
	var err error
	if e.Trace, err = tracing.ParseParent(w.Spec.TraceParent); err != nil {
		return e, fmt.Errorf("spec.traceParent: %w", err)
	}
	switch {
	case w.Spec.Purpose == ingot.PurposeFirstBoot:
		e.Boots = netboot.BootsDisk
	case w.Spec.Purpose == ingot.PurposeAgent && w.Spec.Method == ingot.MethodVirtualMedia:
		e.Boots = netboot.BootsMedia
	case w.Spec.Purpose == ingot.PurposeAgent && w.Spec.Method == ingot.MethodUEFIHTTP:
		e.Boots, e.BootURI = netboot.BootsHTTP, w.Spec.BootURI
	case w.Spec.Purpose == ingot.PurposeAgent && w.Spec.Method == ingot.MethodPXE:
		e.Boots = netboot.BootsAgent
	default:
		return e, fmt.Errorf("purpose %q and method %q are not known", w.Spec.Purpose, w.Spec.Method)
	}
	if err := addAddresses(&e, w); err != nil {
		return e, err
	}
	if e.Boots == netboot.BootsAgent && len(w.Spec.MACAddresses) > 0 {
		e.Config.MACAddress = w.Spec.MACAddresses[0] // the partition role puts the one that boots first
	}
	return e, checkToken(w, token)
}

func addAddresses(e *window.Entry, w *ingot.BootWindow) error {
	for _, text := range w.Spec.MACAddresses {
		mac, err := netboot.ParseMAC(text)
		if err != nil {
			return err
		}
		e.MACs = append(e.MACs, mac)
	}
	for _, l := range w.Spec.Leases {
		mac, err := netboot.ParseMAC(l.MACAddress)
		if err != nil {
			return fmt.Errorf("lease: %w", err)
		}
		address, err := netip.ParsePrefix(l.Address)
		if err != nil {
			return fmt.Errorf("lease of %s: %w", mac, err)
		}
		e.Leases = append(e.Leases, netboot.Lease{MAC: mac, Address: address})
	}
	return nil
}

// checkToken holds the window and its Secret together: a medium with a token that the partition role would refuse is not served.
func checkToken(w *ingot.BootWindow, token secret.String) error {
	if w.Spec.TokenSecretName == "" || w.Status.RedeemedAt != nil {
		return nil // no medium is served
	}
	if token.IsZero() {
		return errNoToken
	}
	digest := sha256.Sum256([]byte(token.Reveal()))
	if hex.EncodeToString(digest[:]) != w.Spec.TokenHash {
		return errOtherToken
	}
	return nil
}

// ipv6 checks what is different on an IPv6 network, and adds what is advertised there.
func ipv6(s *netboot.Settings, n ingot.ProvisioningNetwork) error {
	subnet, err := netip.ParsePrefix(n.CIDR)
	switch {
	case s.Mode == netboot.Proxy:
		return errors.New("dhcpMode proxy: firmware knows no proxy over IPv6; with a DHCPv6 server of the site use virtual media (dhcpMode off), or let the boot servers give the addresses (dhcpMode server)")
	case err != nil || !subnet.Addr().Is6():
		return fmt.Errorf("cidr %q: bootServer %s is an IPv6 address, so that this must be an IPv6 subnet like fd00:1::/64", n.CIDR, s.BootServer)
	case n.Gateway != "":
		return fmt.Errorf("gateway %q: on an IPv6 network routers tell of themselves by router advertisements; leave it out", n.Gateway)
	}
	for _, text := range n.DNSServers {
		if server, err := netip.ParseAddr(text); err == nil && !server.Is6() {
			return fmt.Errorf("dnsServers: %s is not an IPv6 address, and the machines of this network have no others", text)
		}
	}
	if n.RouterAdvertisements == ingot.AdvertisedManaged {
		s.Advertised = subnet.Masked()
	}
	return nil
}

// settingsOf are the provisioning network's. Fallback is the boot server's address where the Partition names none; it may be invalid.
func settingsOf(p *ingot.Partition, fallback netip.Addr, httpPort uint16) (netboot.Settings, error) {
	n := p.Spec.ProvisioningNetwork
	s := netboot.Settings{Mode: netboot.Off, BootServer: fallback, HTTPPort: httpPort}
	switch n.DHCPMode {
	case ingot.DHCPServer:
		s.Mode = netboot.Server
	case ingot.DHCPProxy:
		s.Mode = netboot.Proxy
	case ingot.DHCPOff, "":
	default:
		return s, fmt.Errorf("dhcpMode %q is not known", n.DHCPMode)
	}
	var err error
	if n.BootServer != "" {
		if s.BootServer, err = netip.ParseAddr(n.BootServer); err != nil {
			return s, fmt.Errorf("bootServer: %w", err)
		}
	}
	if s.Mode != netboot.Off && (!s.BootServer.IsValid() || s.BootServer.IsUnspecified() || s.BootServer.Is4In6()) {
		return s, errors.New("bootServer is not set: set it to this boot server's address on the provisioning network")
	}
	if s.Mode != netboot.Off && s.IPv6() {
		if err := ipv6(&s, n); err != nil {
			return s, err
		}
	} else if n.RouterAdvertisements == ingot.AdvertisedManaged {
		return s, errors.New("routerAdvertisements are for an IPv6 network: leave it out, or give cidr and bootServer IPv6 addresses")
	}
	if n.Gateway != "" {
		if s.Gateway, err = netip.ParseAddr(n.Gateway); err != nil {
			return s, fmt.Errorf("gateway: %w", err)
		}
	}
	return s, site(&s, p.Spec)
}

// site adds what the Partition says of its servers and of the agent's kernel. The site's name servers are told where the network has none of its own. Of both kinds those of the network's family are told, and time
// servers that have an address: DHCP has no names for them.
func site(s *netboot.Settings, p ingot.PartitionSpec) error {
	for _, text := range p.ProvisioningNetwork.DNSServers {
		server, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("dnsServers: %w", err)
		}
		s.DNSServers = append(s.DNSServers, server)
	}
	if len(s.DNSServers) == 0 {
		s.DNSServers = ofFamily(p.DNSServers, s.IPv6())
	}
	s.NTPServers = ofFamily(p.NTPServers, s.IPv6())
	if p.Boot == nil {
		return nil
	}
	for _, a := range p.Boot.KernelArguments {
		if err := netboot.CheckArgument(a); err != nil {
			return fmt.Errorf("spec.boot.kernelArguments: %w", err)
		}
	}
	s.Arguments = p.Boot.KernelArguments
	return nil
}

func ofFamily(texts []string, six bool) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil && a.Is6() == six {
			out = append(out, a)
		}
	}
	return out
}
