package matrix

// linkRows are what hosts need before any of the others: addresses, neighbours and routers. They never leave their link.
func linkRows() []Row {
	const told = "what is dialed afterwards is checked by its certificate"
	link := func(r Row) Row {
		r.Protocol, r.Application = ICMPv6, "NDP"
		r.Confidential = no("neighbour discovery is plain", "addresses of the link only")
		r.Integrity, r.Authenticated = no("neighbour discovery is plain", told), no("whoever is on the link speaks it", told)
		r.Trusted = yes("the link itself: messages that crossed a router are dropped (RFC 4861 §6.1, hop limit 255)")
		return r
	}
	routers := func(asks, tells Row, zone Zone) []Row {
		asks.From, asks.To, asks.ICMPTypes = Endpoint{AnyRole, zone}, Anybody, []uint8{133}
		tells.From, tells.To, tells.ICMPTypes = Anybody, Endpoint{AnyRole, zone}, []uint8{134}
		asks.Purpose, tells.Purpose = "hosts ask for IPv6 routers", "IPv6 routers tell hosts the way out"
		return []Row{link(asks), link(tells)}
	}
	neighbours := link(Row{
		ID: "5.1", Name: NeighbourDiscovery, From: Anybody, To: Anybody, ICMPTypes: []uint8{130, 131, 132, 135, 136, 143}, Failsafe: true,
		Purpose: "IPv6 hosts find each other on their link; switches learn which groups they listen to",
		Notes:   "connection tracking does not see these messages, so that both directions are rows",
	})
	all := []Row{neighbours}
	all = append(all, routers(Row{ID: "5.2", Name: ControlPlaneToRouters}, Row{ID: "5.3", Name: RoutersToControlPlane}, ZoneControlPlane)...)
	return append(all, routers(Row{ID: "5.4", Name: PartitionManagementToRouters}, Row{ID: "5.5", Name: RoutersToPartitionManagement}, ZonePartitionManagement)...)
}

// managementRows are by what people mend hosts. They hold whatever else is said: a firewall that shuts out its operator is a broken one.
func managementRows() []Row {
	ssh := func(id string, name FlowName, zone Zone) Row {
		return Row{
			ID: id, Name: name, From: atOperator, To: Endpoint{AnyRole, zone}, Protocol: TCP, Ports: Port(22), Application: "SSH", Management: true, Failsafe: true,
			Confidential: yes("SSH"), Integrity: yes("SSH"),
			Authenticated: yes("the host by its key, the operator by their own"),
			Trusted:       no("operators sit in their own network", "a key that the host knows is needed; the operators' networks alone may dial"),
			Purpose:       "people mend hosts",
		}
	}
	return []Row{
		ssh("6.1", OperatorToControlPlaneSSH, ZoneControlPlane),
		ssh("6.2", OperatorToPartitionManagementSSH, ZonePartitionManagement),
	}
}

// answerRows are answers of the boot role that connection tracking does not tie to what they answer.
func answerRows(booting []string, lawful, network Property) []Row {
	answer := func(r Row) Row {
		r.From, r.Stages = atBootNet, booting
		r.Confidential, r.Integrity, r.Authenticated, r.Trusted = lawful, lawful, lawful, network
		return r
	}
	const separate = "the request came from no address, so that the answer is a flow of its own (RFC 2131 §4.1)"
	relayed := answer(Row{ID: "3.11", Name: RelayToBootDHCP, Protocol: UDP, Ports: Port(67), Application: "DHCP", Purpose: "a relay carries a machine's DHCP request from another link"})
	relayed.From, relayed.To = atSwitch, atBootNet
	const group = "the request went to a group, so that the answer is a flow of its own (RFC 8415 §7.1)"
	relayed6 := answer(Row{ID: "3.17", Name: RelayToBootDHCPv6, Protocol: UDP, Ports: Port(547), Application: "DHCPv6", Purpose: "a relay carries a machine's DHCPv6 message from another link"})
	relayed6.From, relayed6.To = atSwitch, atBootNet
	return []Row{
		answer(Row{ID: "3.8", Name: BootToMachineRA, To: atMachine, Protocol: ICMPv6, ICMPTypes: []uint8{134}, Application: "NDP", Purpose: "router advertisement for a machine that asked"}),
		answer(Row{ID: "3.9", Name: BootToMachineDHCP, To: atMachine, Protocol: UDP, Ports: Port(68), Application: "DHCP", Purpose: "the offered address and boot file", Notes: separate}),
		answer(Row{ID: "3.10", Name: BootToAgentDHCP, To: atAgent, Protocol: UDP, Ports: Port(68), Application: "DHCP", Purpose: "the offered address of the agent", Notes: separate}),
		relayed,
		answer(Row{ID: "3.12", Name: BootToRelayDHCP, To: atSwitch, Protocol: UDP, Ports: Port(67), Application: "DHCP", Purpose: "the answer to a relay, at the port of servers whatever port it asked from"}),
		answer(Row{ID: "3.15", Name: BootToMachineDHCPv6, To: atMachine, Protocol: UDP, Ports: Port(546), Application: "DHCPv6", Purpose: "the IPv6 address and boot file", Notes: group}),
		answer(Row{ID: "3.16", Name: BootToAgentDHCPv6, To: atAgent, Protocol: UDP, Ports: Port(546), Application: "DHCPv6", Purpose: "the IPv6 address of the agent", Notes: group}),
		relayed6,
		answer(Row{ID: "3.18", Name: BootToRelayDHCPv6, To: atSwitch, Protocol: UDP, Ports: Port(547), Application: "DHCPv6", Purpose: "the answer to a relay, at the port of servers whatever port it asked from"}),
	}
}
