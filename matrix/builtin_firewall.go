package matrix

// firewallRows are DNS through a tenant's firewall whose rules have names: what it tells clients inside is what it lets them connect to.
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
	return []Row{
		asked(Row{ID: "9.2", Name: ClientToFirewallDNS, Protocol: UDP, Purpose: "a client inside asks for a name, where rules of its firewall have names"}),
		asked(Row{ID: "9.3", Name: ClientToFirewallDNSOverTCP, Protocol: TCP, Purpose: "a client inside asks for a name whose answer is too long for one datagram (RFC 7766)"}),
		asks(Row{ID: "9.4", Name: FirewallToDNS, Protocol: UDP, Purpose: "a firewall asks for what a client inside has asked"}),
		asks(Row{ID: "9.5", Name: FirewallToDNSOverTCP, Protocol: TCP, Purpose: "a firewall asks again for an answer that was cut (RFC 7766)"}),
	}
}
