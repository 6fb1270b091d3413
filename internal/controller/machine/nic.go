package machine

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firstboot"
	"github.com/ingotmetal/ingot/firstboot/cabling"
)

// network is the network data of the machine's system, and says in its status by which cards it has its networks.
func (r *Reconciler) network(ctx context.Context, m *ingot.Machine, h *metal3.BareMetalHost, site *ingot.Partition) (data []byte, problem string, err error) {
	d := &metal3.HardwareData{}
	// A host without HardwareData has no cards that are known: d stays empty.
	if err := client.IgnoreNotFound(r.live.Get(ctx, client.ObjectKeyFromObject(h), d)); err != nil {
		return nil, "", fmt.Errorf("read the HardwareData of host %s/%s: %w", h.Namespace, h.Name, err)
	}
	facts := cabling.Facts{BootMAC: h.Spec.BootMACAddress, Apart: m.Spec.Role == ingot.RoleFirewall, Networks: wired(m)}
	if d.Spec.HardwareDetails != nil {
		facts.Cards = cards(d.Spec.HardwareDetails.NIC)
	}
	lone := len(facts.Networks) == 0
	if lone {
		// DHCP on the card that everything else would be on.
		facts.Networks = []cabling.Network{{}}
	}
	places, problem := cabling.Decide(facts)
	if problem != "" {
		return nil, problem, nil
	}
	m.Status.NICs = nil
	at := map[string]cabling.Place{}
	for _, p := range places {
		at[p.Network] = p
		if !lone {
			m.Status.NICs = append(m.Status.NICs, ingot.MachineNICStatus{Network: p.Network, MACAddress: p.Card.MAC, VLAN: int32(p.VLAN), Name: p.Card.Name, Switch: cmp.Or(p.Card.Switch, p.Card.SwitchID), Port: p.Card.Port})
		}
	}
	addresses, problem := told(m, at)
	if problem != "" {
		return nil, problem, nil
	}
	data, err = firstboot.NetworkData(places[0].Card.MAC, addresses, dns(m, site))
	return data, "", err
}

// wired are the machine's networks with what its owner says of their cards.
func wired(m *ingot.Machine) []cabling.Network {
	var all []cabling.Network
	for _, n := range m.Spec.Networks {
		one := cabling.Network{Name: cmp.Or(n.Namespace, m.Namespace) + "/" + n.Name}
		if n.NIC != nil {
			one.Choice = cabling.Choice{MAC: n.NIC.MACAddress, Switch: n.NIC.Switch, Port: n.NIC.Port, VLAN: int(n.NIC.VLAN)}
		}
		all = append(all, one)
	}
	return all
}

// cards are what inspection found.
func cards(found []metal3.NIC) []cabling.Card {
	all := make([]cabling.Card, 0, len(found))
	for _, n := range found {
		c := cabling.Card{MAC: strings.ToLower(n.MAC), Name: n.Name, Boot: n.PXE, Link: n.SpeedGbps > 0 || n.LLDP != nil, Native: int(n.VLANID)}
		if n.LLDP != nil {
			c.Switch, c.SwitchID, c.Port = n.LLDP.SwitchSystemName, n.LLDP.SwitchID, n.LLDP.PortID
		}
		for _, v := range n.VLANs {
			c.VLANs = append(c.VLANs, cabling.VLAN{ID: int(v.ID), Name: v.Name})
		}
		all = append(all, c)
	}
	return all
}

// told is the machine's addresses as the system is told of them, each on its network's card.
func told(m *ingot.Machine, at map[string]cabling.Place) (all []firstboot.Address, problem string) {
	for _, a := range m.Status.Addresses {
		ip, err := netip.ParseAddr(a.Address)
		if err != nil {
			return nil, fmt.Sprintf("IP %s has the address %q, which is none", a.IP, a.Address)
		}
		bits := int(a.PrefixLength)
		if bits == 0 {
			bits = ip.BitLen()
		}
		x := firstboot.Address{Prefix: netip.PrefixFrom(ip, bits), MAC: at[a.Network].Card.MAC, VLAN: at[a.Network].VLAN}
		if !x.Prefix.IsValid() {
			return nil, fmt.Sprintf("IP %s has the prefix length %d, which is none", a.IP, a.PrefixLength)
		}
		if g, err := netip.ParseAddr(a.Gateway); err == nil {
			x.Gateway = g
		}
		all = append(all, x)
	}
	return all, ""
}
