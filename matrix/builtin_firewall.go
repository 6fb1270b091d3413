package matrix

// firewallRows are DNS through a tenant's firewall whose rules have names: what it tells clients inside is what it lets them connect to. And they are what a firewall's new machine tells its links when it takes the addresses over.
func firewallRows() []Row {
	asked := func(r Row) Row {
		const named = "names that a rule of the firewall has, or that a rule lets the client ask of the name server itself"
		r.From, r.To, r.Ports, r.Application = Endpoint{Machine, AnyZone}, atFirewall, Port(53), "DNS"
		r.Confidential = no("DNS as clients speak it", named)
		r.Integrity = no("DNS as clients speak it", "whoever is between a client and its firewall may have it connect to another address, which the firewall lets through only if a rule does")
		r.Authenticated = no("DNS as clients speak it", "the source must be in the inside network by whose card it comes, and nobody else is answered")
		r.Trusted = yes("the project's own network")
		return r
	}
	asks := func(r Row) Row {
		const bounded = "private, inside and special addresses are never taken, and only those of names that a rule has, for an hour at most"
		r.From, r.To, r.Ports, r.Application = atFirewall, atNames, Port(53), "DNS"
		r.Confidential = no("DNS as sites run it", "names that clients inside ask for")
		r.Integrity, r.Authenticated = no("DNS as sites run it", bounded), no("DNS as sites run it", bounded)
		r.Trusted = yes("the site's own resolver, or the one that the project names")
		return r
	}
	tells := func(r Row, application Application) Row {
		const plain = "whoever is on the link can say to have an address: each network of a firewall has a card of its own"
		r.From, r.To, r.Application = atFirewall, Anybody, application
		r.Confidential = no("neighbours speak plainly", "addresses of the link only")
		r.Integrity, r.Authenticated = no("neighbours speak plainly", plain), no("neighbours speak plainly", plain)
		r.Trusted = yes("the links of the firewall's own networks, which it never leaves")
		r.Purpose = "a firewall's new machine tells its neighbours that the addresses are with it now"
		return r
	}
	return []Row{
		asked(Row{ID: "9.2", Name: ClientToFirewallDNS, Protocol: UDP, Purpose: "a client inside asks for a name, where rules of its firewall have names"}),
		asked(Row{ID: "9.3", Name: ClientToFirewallDNSOverTCP, Protocol: TCP, Purpose: "a client inside asks for a name whose answer is too long for one datagram (RFC 7766)"}),
		asks(Row{ID: "9.4", Name: FirewallToDNS, Protocol: UDP, Purpose: "a firewall asks for what a client inside has asked"}),
		asks(Row{ID: "9.5", Name: FirewallToDNSOverTCP, Protocol: TCP, Purpose: "a firewall asks again for an answer that was cut (RFC 7766)"}),
		tells(Row{ID: "9.6", Name: FirewallToNeighboursARP, Protocol: ARP}, "ARP"),
		tells(Row{ID: "9.7", Name: FirewallToNeighboursNDP, Protocol: ICMPv6, ICMPTypes: []uint8{136}}, "NDP"),
	}
}
