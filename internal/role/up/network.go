package up

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
)

// labState is what is read of a lab's lab.json. The lab tells where its network is; nothing else of it is known here.
type labState struct {
	Kind             string `json:"kind"`
	PartitionNetwork string `json:"partitionNetwork"`
	BootNetwork      string `json:"bootNetwork"`
	BMCCA            string `json:"bmcCA"`
}

// The lab's hosts, by their place in its network, when only the switch is named. They are the ones that `ingot lab` gives to the roles.
const (
	labSubnet     = "172.22.0.0/24"
	partitionHost = 2
	labHTTPSPort  = 8082
	bootHost      = 3
)

// networks settles the provisioning network of each role, and what follows from it.
func (o *Options) networks(f flags) error {
	switch {
	case f.lab != "":
		state, err := readLab(f.lab)
		if err != nil {
			return err
		}
		o.PartitionNetwork, o.BootNetwork = "kernel", "kernel"
		if state.PartitionNetwork != "" {
			o.PartitionNetwork, o.BootNetwork = state.PartitionNetwork, state.BootNetwork
		}
		if o.BMCCA == "" {
			o.BMCCA = state.BMCCA
		}
		// First, so that a person's own --partition-arg has the last word.
		o.PartitionArgs = append([]string{"--boot-deadline=" + labBootDeadline(state.Kind)}, o.PartitionArgs...)
	case strings.HasPrefix(f.network, netstack.Scheme) && !strings.Contains(f.network, "?"):
		o.PartitionNetwork = onLab(f.network, partitionHost)
		o.BootNetwork = onLab(f.network, bootHost)
	case strings.HasPrefix(f.network, netstack.Scheme):
		return fmt.Errorf("--provisioning-network %q: two roles cannot have one address: name the switch alone, or use --lab", f.network)
	default:
		o.PartitionNetwork, o.BootNetwork = f.network, f.network
	}
	if strings.HasPrefix(o.PartitionNetwork, netstack.Scheme) {
		return o.labDefaults()
	}
	return nil
}

// labBootDeadline is how long a lab's machine may take to its agent's first word. The default is for the self-test of large servers; a boot that is lost in a lab, as one
// of 200 under emulation is, would wait that long for its second try. Virtual machines take 10 to 35 s, several times that on a busy host.
func labBootDeadline(kind string) string {
	if kind == "simulated" {
		return "1m"
	}
	return "6m"
}

func readLab(dir string) (labState, error) {
	var s labState
	text, err := os.ReadFile(filepath.Join(dir, "lab.json"))
	if err != nil {
		return s, fmt.Errorf("--lab: start 'ingot lab --data-dir %s' first: %w", dir, err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("--lab: read %s: %w", filepath.Join(dir, "lab.json"), err)
	}
	return s, nil
}

func onLab(network string, host byte) string {
	subnet := netip.MustParsePrefix(labSubnet)
	address := subnet.Addr().As4()
	address[3] = host
	return netstack.Spec{
		Socket: strings.TrimPrefix(network, netstack.Scheme),
		// Locally administered; the last four bytes are the address. The same as in lab.json.
		MAC:     net.HardwareAddr{0x02, 0x6e, address[0], address[1], address[2], address[3]},
		Address: netip.PrefixFrom(netip.AddrFrom4(address), subnet.Bits()),
	}.String()
}

// labDefaults: on the lab's network the roles listen on their own addresses there, and the boot role is the only DHCP server.
func (o *Options) labDefaults() error {
	spec, err := netstack.Parse(o.PartitionNetwork)
	if err != nil {
		return fmt.Errorf("the partition role's network: %w", err)
	}
	if _, err := netstack.Parse(o.BootNetwork); err != nil {
		return fmt.Errorf("the boot role's network: %w", err)
	}
	if bind, err := netip.ParseAddrPort(o.AgentBind); err == nil && bind.Addr().IsLoopback() {
		o.AgentBind = netip.AddrPortFrom(spec.Address.Addr(), bind.Port()).String()
	}
	if bind, err := netip.ParseAddrPort(o.HTTPBind); err == nil && bind.Addr().IsLoopback() {
		o.HTTPBind = netip.AddrPortFrom(netip.IPv4Unspecified(), bind.Port()).String()
	}
	if boot, err := netstack.Parse(o.BootNetwork); err == nil && o.HTTPSBind == "" {
		o.HTTPSBind = netip.AddrPortFrom(boot.Address.Addr(), labHTTPSPort).String()
	}
	if o.DHCP.Mode != "off" {
		return nil
	}
	o.DHCP = DHCP{Mode: "server", CIDR: spec.Address.Masked().String()}
	o.DHCP.RangeStart, o.DHCP.RangeEnd = upperHalf(spec.Address.Masked())
	return nil
}

// upperHalf is the second half of an IPv4 subnet without its broadcast address: the roles' own addresses are in the first.
func upperHalf(subnet netip.Prefix) (first, last string) {
	base := subnet.Addr().As4()
	number := uint32(base[0])<<24 | uint32(base[1])<<16 | uint32(base[2])<<8 | uint32(base[3])
	size := uint32(1) << (32 - subnet.Bits())
	text := func(n uint32) string {
		return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}).String()
	}
	return text(number + size/2), text(number + size - 2)
}
