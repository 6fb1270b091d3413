package node

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/matrix"
)

// ParseManagement reads management rows of the command line: protocol/port, or protocol/port/network.
func ParseManagement(texts []string) ([]guard.Row, error) {
	rows := make([]guard.Row, 0, len(texts))
	for i, text := range texts {
		row, err := parseRow(text)
		if err != nil {
			return nil, fmt.Errorf("--management %q: %w (want protocol/port or protocol/port/network, like tcp/22/192.0.2.0/24)", text, err)
		}
		row.ID = "--management " + strconv.Itoa(i+1)
		rows = append(rows, row)
	}
	return rows, nil
}

func parseRow(text string) (guard.Row, error) {
	name, rest, _ := strings.Cut(text, "/")
	digits, network, restricted := strings.Cut(rest, "/")
	protocol, err := ParseProtocol(name)
	if err != nil {
		return guard.Row{}, err
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || port == 0 || !firewall.HasPorts(protocol) {
		return guard.Row{}, fmt.Errorf("%q is no port of %s", digits, name)
	}
	row := guard.Row{Protocol: protocol, Ports: []uint16{uint16(port)}}
	if restricted {
		p, err := netip.ParsePrefix(network)
		if err != nil {
			return guard.Row{}, fmt.Errorf("%q is no network", network)
		}
		row.From = []netip.Prefix{p}
	}
	return row, nil
}

// ParseProtocol reads an IP protocol by name or number.
func ParseProtocol(text string) (uint8, error) {
	if number, ok := matrix.Protocol(strings.ToLower(text)).Number(); ok {
		return number, nil
	}
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no IP protocol: want tcp, udp, sctp, icmp, icmpv6, udplite, or a number from 1 to 255", text)
	}
	return uint8(n), nil
}
