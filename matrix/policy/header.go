package policy

import (
	"errors"
	"fmt"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
)

// header is what one rule asks of a packet besides its addresses.
type header struct {
	protocol calico.Protocol
	icmp     *calico.ICMP
	// ports are the destination's.
	ports []calico.Port
}

// calicoNames are the protocols that Calico has names for; all others are numbers.
var calicoNames = map[matrix.Protocol]string{
	matrix.TCP: "TCP", matrix.UDP: "UDP", matrix.ICMP: "ICMP", matrix.ICMPv6: "ICMPv6", matrix.SCTP: "SCTP", matrix.UDPLite: "UDPLite",
}

// headersOf splits a row as Calico's rules need it: one ICMP type and at most 50 ports each. The error says what is left out of the result.
func headersOf(r matrix.Row) ([]header, error) {
	number, ok := r.Protocol.Number()
	if !ok {
		return nil, errNoIP
	}
	protocol := calico.Protocol{Name: calicoNames[r.Protocol], Number: number}
	if len(r.ICMPTypes) > 0 {
		return typesOf(r, protocol)
	}
	if len(r.Ports) == 0 {
		return []header{{protocol: protocol}}, nil
	}
	if r.Protocol == matrix.UDPLite {
		return nil, errors.New("no rule of Calico's has ports of UDP-Lite: only all of it could be let through, which the row does not say")
	}
	var headers []header
	for first := 0; first < len(r.Ports); first += maxPorts {
		h := header{protocol: protocol}
		for _, p := range r.Ports[first:min(first+maxPorts, len(r.Ports))] {
			h.ports = append(h.ports, calico.Port{Min: p.First, Max: p.Last})
		}
		headers = append(headers, h)
	}
	return headers, nil
}

func typesOf(r matrix.Row, protocol calico.Protocol) ([]header, error) {
	var headers []header
	var err error
	for _, t := range r.ICMPTypes {
		if t > maxICMPType {
			err = fmt.Errorf("rules of Calico's have ICMP types up to %d, and the row has %d", maxICMPType, t)
			continue
		}
		headers = append(headers, header{protocol: protocol, icmp: &calico.ICMP{Type: t}})
	}
	return headers, err
}
