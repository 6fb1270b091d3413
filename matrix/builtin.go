package matrix

import "slices"

// Builtin is the matrix of Ingot's own roles. Each call makes a new slice, so that nobody can change the next one's.
func Builtin() []Row {
	return slices.Concat(controlPlaneRows(), auditRows(), partitionRows(), bootRows(), agentRows(), linkRows(), managementRows(), loginRows(), meshRows(), firewallRows(), consoleRows(), webRows())
}

// Lookup finds a built-in row by its flow's name.
func Lookup(name FlowName) (Row, bool) {
	rows := Builtin()
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Name == name })
	if i < 0 {
		return Row{}, false
	}
	return rows[i], true
}

// Ends of flows.
var (
	atAPIServer  = Endpoint{APIServer, ZoneControlPlane}
	atController = Endpoint{Controller, ZoneControlPlane}
	atPartition  = Endpoint{Partition, ZonePartitionManagement}
	atNode       = Endpoint{Node, AnyZone}
	atFirewall   = Endpoint{Firewall, AnyZone}
	atBoot       = Endpoint{Boot, ZonePartitionManagement}
	atBootNet    = Endpoint{Boot, ZoneProvisioning}
	atAgent      = Endpoint{Agent, ZoneProvisioning}
	atMachine    = Endpoint{Machine, ZoneProvisioning}
	atBMC        = Endpoint{BMC, ZoneBMC}
	atOperator   = Endpoint{Operator, ZoneOperator}
	atImages     = Endpoint{ImageStore, ZoneOutside}
	atNames      = Endpoint{NameServer, ZoneOutside}
	atIssuer     = Endpoint{Issuer, ZoneOutside}
	atConsole    = Endpoint{Console, ZonePartitionManagement}
	atSwitch     = Endpoint{Switch, ZoneProvisioning}
)

func yes(how string) Property { return Property{State: Holds, How: how} }

func no(why, bound string) Property { return Property{State: Excepted, How: why, Bound: bound} }

const (
	tls13 = "TLS 1.3"
	mTLS  = "mutual TLS, certificates of Ingot's CA that live for hours"
)

// mutual fills the cells of a flow between two of our own that both show a certificate.
func mutual(r Row, trusted Property) Row {
	r.Confidential, r.Integrity, r.Authenticated, r.Trusted = yes(tls13), yes(tls13), yes(mTLS), trusted
	r.ServerIdentity, r.Application = servingIdentity(r.To.Role), "HTTPS"
	return r
}

// orToken says that who dials may show a token in place of a certificate.
func orToken(r Row) Row {
	r.Authenticated = yes("the server by its certificate; people by theirs, or by a token of the site's issuer, services by a token of the API server; both tokens live for an hour or so")
	return r
}

// servingIdentity is the name in the certificate that a role of ours serves with.
func servingIdentity(r Role) string {
	if r == APIServer {
		return "ingot-apiserver"
	}
	if r == Mesh || r == Relay {
		return "ingot:" + string(r)
	}
	return "ingot:" + string(r) + ":<partition>"
}

var anyNetwork = no("the control plane is reached from operators' and sites' networks", "a certificate of the CA is needed for the first byte of an answer; everything is audited")

func controlPlaneRows() []Row {
	return []Row{
		orToken(mutual(Row{
			ID: "1.1", Name: OperatorToAPIServer, From: atOperator, To: atAPIServer, Protocol: TCP, Ports: Port(6443),
			Identity: "ingot:operator:<name>", Rights: operatorRights(),
			Purpose: "people and their tools (kubectl, the CLI, GitOps) read and change objects",
		}, anyNetwork)),
		mutual(Row{
			ID: "1.2", Name: PartitionToAPIServer, From: atPartition, To: atAPIServer, Protocol: TCP, Ports: Port(6443),
			Identity: "ingot:partition:<partition>", Rights: partitionRights(),
			Purpose: "the partition role reads hosts and their Secrets and writes what it did",
		}, anyNetwork),
		mutual(Row{
			ID: "1.3", Name: BootToAPIServer, From: atBoot, To: atAPIServer, Protocol: TCP, Ports: Port(6443),
			Identity: "ingot:boot:<partition>", Rights: bootRights(),
			Purpose: "the boot role reads which machines may boot what, and nothing else",
		}, anyNetwork),
		mutual(Row{
			ID: "1.4", Name: ControllerToAPIServer, From: atController, To: atAPIServer, Protocol: TCP, Ports: Port(6443),
			Identity: "ingot:controller", Rights: controllerRights(),
			Purpose: "the controller role reads hosts and sites",
		}, yes("both are in the control plane's zone")),
		health("1.5", HealthOfController, atController, 8447),
		names(Row{ID: "1.8", Name: ControllerToDNS, From: atController, Purpose: "resolve the names of the API server and of the issuer"}, "the names of the API server and of the issuer only"),
		names(Row{ID: "1.9", Name: NodeToDNS, From: atNode, Purpose: "resolve the names of the API server and of the trace collector"}, "the names of the API server and of the trace collector only"),
		mutual(Row{
			ID: "1.6", Name: NodeToAPIServer, From: atNode, To: atAPIServer, Protocol: TCP, Ports: Port(6443), Application: "HTTPS",
			Identity: "ingot:node:<node>", Rights: nodeRights(),
			Purpose: "a host reads the policies and says which of them it enforces, and what it refused",
		}, anyNetwork),
		mutual(Row{
			ID: "1.14", Name: FirewallToAPIServer, From: atFirewall, To: atAPIServer, Protocol: TCP, Ports: Port(6443),
			Identity: "ingot:firewall:<firewall>", Rights: firewallRights(),
			Purpose: "a firewall's machine reads its own Firewall and says what it enforces, and what it refused",
		}, anyNetwork),
		dialBack(),
		health("1.10", HealthOfNode, atNode, 8448),
	}
}

// dialBack is how new rules are confirmed: a connection that is older than they are proves nothing.
func dialBack() Row {
	const nothing = "nothing is sent: the connection is closed once it is open, or once an SSH server has named itself"
	return Row{
		ID: "1.7", Name: ControllerToNodeManagement, From: atController, To: atNode, Protocol: TCP, Ports: Port(22), Application: "SSH", Management: true,
		Confidential:  no(nothing, "a TCP handshake, and the server's banner"),
		Integrity:     no(nothing, "that the port answers is all that is read from it"),
		Authenticated: no(nothing, "who answers in the host's stead makes the host keep rules by which the host is not reached; its status still says them, and the next change is tried anew"),
		Trusted:       no("hosts stand in any zone", "no more than a handshake crosses the network"),
		Purpose:       "the controller opens a new connection to a host whose new rules are on trial, before they are confirmed",
		Notes:         "the port is that of the site's own management row for the host, where it has one",
	}
}

func partitionRows() []Row {
	return []Row{
		{
			ID: "2.1", Name: PartitionToBMC, From: atPartition, To: atBMC, Protocol: TCP, Application: "Redfish",
			Confidential:  yes("TLS, and SSH for the serial console; certificate and key are verified unless the host says disableCertificateVerification"),
			Integrity:     yes("TLS; SSH"),
			Authenticated: yes("the BMC by its certificate, for the serial console by its SSH key, whose fingerprint the host names; Ingot by the user and password of the host's Secret; who is looked for is not known yet, and is sent neither user nor password"),
			Trusted:       yes("the BMC network of the site"),
			Purpose:       "power, boot device, virtual media, inventory over Redfish, and the serial console at the SSH server that the Redfish service names; in the ranges that the Partition declares (spec.discovery.bmcScan), the service root of BMCs that are no hosts yet",
		},
		{
			ID: "2.7", Name: PartitionToBMCIPMI, From: atPartition, To: atBMC, Protocol: UDP, Application: "IPMI",
			Confidential:  yes("RMCP+ with AES-128: cipher suites 17 and 3, and no other"),
			Integrity:     yes("RMCP+ with HMAC-SHA256 or HMAC-SHA1"),
			Authenticated: no("IPMI 2.0 lets anybody who asks have a hash of the password to guess at", "used for hosts whose address says ipmi only, on the BMC network of the site; who is looked for is asked what needs no session, and no hash is had"),
			Trusted:       yes("the BMC network of the site"),
			Purpose:       "power and boot device of machines without Redfish; in the ranges that the Partition declares (spec.discovery.bmcScan), presence and capabilities of BMCs that are no hosts yet",
		},
		{
			ID: "2.8", Name: PartitionToImages, From: atPartition, To: atImages, Protocol: TCP, Application: "TCP",
			Confidential:  no("an image store may speak plain HTTP", "images of firmware are no secrets; a URL with a user in it is refused"),
			Integrity:     yes("sha256 of the whole image, checked before its BMC is asked"),
			Authenticated: yes("the image by its digest"),
			Trusted:       no("image stores are anywhere", "the digest is part of the update in the host's HostFirmwareComponents; link-local addresses and the machine itself are never dialed"),
			Purpose:       "fetch an image of firmware that has a digest, to verify it, and to push it to a BMC that does not fetch",
		},
		traces("2.9", PartitionToTraces, atPartition, "traces of what was done to hosts"),
		traces("2.10", BootToTraces, atBoot, "traces of what machines were given to boot"),
		names(Row{ID: "2.2", Name: PartitionToDNS, From: atPartition, Purpose: "resolve names in BMC addresses and in the URLs of firmware's images, the API server's and the trace collector's"}, "names of BMCs, of image stores, of the API server and of the trace collector only"),
		mutual(Row{
			ID: "2.3", Name: OperatorToPartition, From: atOperator, To: atPartition, Protocol: TCP, Ports: Port(8444),
			Identity: "ingot:operator:<name>",
			Purpose:  "the CLI reads console logs, which are no API objects",
		}, no("operators sit in their own network", "an operator's certificate is needed")),
		health("2.4", HealthOfPartition, atPartition, 8445),
		health("2.5", HealthOfBoot, atBoot, 8446),
		names(Row{ID: "2.6", Name: BootToDNS, From: atBoot, Purpose: "resolve the name of the API server"}, "the name of the API server only"),
	}
}

// names rows are one a role, to the site's resolver. What is resolved is checked by its certificate when it is dialed.
func names(r Row, asked string) Row {
	const checked = "what is dialed afterwards is checked by its certificate"
	r.To, r.Protocol, r.Ports, r.Application = atNames, UDP, Port(53), "DNS"
	r.Confidential, r.Integrity, r.Authenticated = no("DNS as sites run it", asked), no("DNS as sites run it", checked), no("DNS as sites run it", checked)
	r.Trusted = yes("the site's own resolver")
	return r
}

// traces rows are one a role too.
func traces(id string, name FlowName, from Endpoint, what string) Row {
	return Row{
		ID: id, Name: name, From: from, To: atTraces, Protocol: TCP, Ports: Port(4318), Application: "HTTPS", Feature: "traces",
		Confidential: yes("TLS 1.2 or later"), Integrity: yes("TLS 1.2 or later"),
		Authenticated: yes("the collector by its certificate; Ingot by a token"),
		Trusted:       no("the collector may be anywhere", "the collector's certificate is verified before anything is sent; spans hold no secrets, and nothing is decided from an answer"),
		Purpose:       what + ", by OTLP over HTTP, where --traces-endpoint names a collector",
	}
}

// health rows are one a role, since a row has one server.
func health(id string, name FlowName, to Endpoint, port uint16) Row {
	return Row{
		ID: id, Name: name, From: atOperator, To: to, Protocol: TCP, Ports: Port(port), Application: "HTTP",
		Confidential:  no("plain HTTP for monitoring systems", "bound to loopback unless the operator says otherwise; counters and readiness only"),
		Integrity:     no("plain HTTP for monitoring systems", "read only, nothing is decided from it"),
		Authenticated: no("plain HTTP for monitoring systems", "bound to loopback unless the operator says otherwise; counters and readiness only"),
		Trusted:       yes("loopback or the management network"),
		Purpose:       "metrics, liveness and readiness", Feature: "health",
	}
}

func bootRows() []Row {
	const window = "answers go to the MAC addresses of open boot windows only, and a window closes after one boot or its deadline"
	booting := []string{"inspecting", "preparing", "provisioning", "deprovisioning"}
	firmware := no("the firmware of a machine speaks nothing better", window)
	network := yes("the site's provisioning network")
	open := func(r Row) Row {
		r.From, r.To, r.Stages = atMachine, atBootNet, booting
		r.Confidential, r.Integrity, r.Authenticated, r.Trusted = firmware, firmware, firmware, network
		return r
	}
	transfer := open(Row{ID: "3.7", Name: BootToMachineTFTP, Protocol: UDP, Ports: Ports{{1024, 65535}}, Application: "TFTP", Purpose: "the blocks of a TFTP transfer: the server sends them from a port of its own (RFC 1350 §4)"})
	transfer.From, transfer.To = atBootNet, atMachine
	return append([]Row{
		{
			ID: "3.1", Name: BMCToBootMedia, From: atBMC, To: atBoot, Protocol: TCP, Ports: Port(8081), Application: "HTTPS", Stages: booting,
			ServerIdentity: servingIdentity(Boot),
			Confidential:   yes("TLS 1.2 or later; the URL has 128 random bits and ends with the boot window"),
			Integrity:      yes("TLS 1.2 or later"),
			Authenticated:  no("BMCs send no credentials for virtual media, and many do not check the server's certificate", "the URL is unguessable and ends with the boot window; the token inside is void once it was used, and the agent pins the CA of what it gives it to"),
			Trusted:        yes("the BMC network of the site"),
			Purpose:        "the per-host virtual medium that boots the agent",
		},
		open(Row{ID: "3.2", Name: MachineToBootDHCP, Protocol: UDP, Ports: Port(67), Application: "DHCP", Purpose: "address and boot file for a machine's firmware"}),
		open(Row{ID: "3.3", Name: MachineToBootPXE, Protocol: UDP, Ports: Port(4011), Application: "PXE", Purpose: "boot file beside a foreign DHCP server"}),
		open(Row{ID: "3.4", Name: MachineToBootTFTP, Protocol: UDP, Ports: Port(69), Application: "TFTP", Purpose: "iPXE for a machine's firmware"}),
		bootFiles(open(Row{ID: "3.5", Name: MachineToBootHTTP, Protocol: TCP, Ports: Port(8080), Application: "HTTP", Purpose: "script, kernel, ramdisk and boot configuration of the agent for iPXE"})),
		open(Row{ID: "3.6", Name: MachineToBootRA, Protocol: ICMPv6, ICMPTypes: []uint8{133}, Application: "NDP", Purpose: "a machine that boots by IPv6 asks for a router"}),
		transfer,
		open(Row{ID: "3.14", Name: MachineToBootDHCPv6, Protocol: UDP, Ports: Port(547), Application: "DHCPv6", Purpose: "address and boot file for a machine's firmware on an IPv6 network"}),
		{
			ID: "3.13", Name: MachineToBootMedia, From: atMachine, To: atBootNet, Protocol: TCP, Ports: Port(8082), Application: "HTTPS", Stages: booting,
			ServerIdentity: servingIdentity(Boot),
			Confidential:   yes("TLS 1.2 or later; the URL has 128 random bits and ends with the boot window"),
			Integrity:      yes("TLS 1.2 or later, checked by the firmware against the site's CA, which its BMC was given"),
			Authenticated:  no("firmware has no credentials", "the URL is told to the machine's BMC, and to the machine's MAC address in its window; it is unguessable and ends with the window; the token inside is void once it was used"),
			Trusted:        network,
			Purpose:        "the per-host medium that boots the agent by UEFI HTTP boot",
		},
	}, answerRows(booting, firmware, network)...)
}

// bootFiles says what the exception of network boot costs: the boot configuration holds the one-time token.
func bootFiles(r Row) Row {
	const window = "the URL has the boot's 128 random bits; in server mode the client must also have the lease of the window; the token is void " +
		"once it was traded. A neighbour on the provisioning network that is quicker than the machine could trade it: virtual media have no such gap"
	r.Confidential = no("the iPXE of the firmware speaks no TLS, and the boot configuration holds the one-time token", window)
	r.Authenticated = no("the iPXE of the firmware has no credentials", window)
	return r
}

// agentNames are by what an agent finds image stores.
func agentNames(r Row) Row {
	const checked = "the image's digest is checked"
	r.From, r.To, r.Ports, r.Application = atAgent, atNames, Port(53), "DNS"
	r.Confidential, r.Integrity, r.Authenticated = no("DNS as sites run it", "names of image stores only"), no("DNS as sites run it", checked), no("DNS as sites run it", checked)
	r.Trusted = yes("the site's own resolver")
	return r
}

func agentRows() []Row {
	booting := []string{"inspecting", "preparing", "provisioning", "deprovisioning"}
	network := yes("the site's provisioning network")
	return []Row{
		{
			ID: "4.1", Name: AgentToPartition, From: atAgent, To: atPartition, Protocol: TCP, Ports: Port(8443), Application: "HTTPS", Stages: booting, Management: true,
			Confidential: yes(tls13), Integrity: yes(tls13),
			Authenticated: yes("the server by the CA that the boot medium pins; the agent by its one-time token, then by the certificate traded for it"),
			Trusted:       network, Identity: "ingot:agent:<boot>", ServerIdentity: servingIdentity(Partition),
			Purpose: "the agent asks what to do, and says what it did",
		},
		{
			ID: "4.2", Name: AgentToImageStore, From: atAgent, To: atImages, Protocol: TCP, Application: "TCP", Stages: []string{"provisioning"},
			Confidential:  no("an image store may speak plain HTTP", "images are no secrets; credentials of a registry go over TLS only"),
			Integrity:     yes("sha256 or sha512 of the whole image, checked before the disk is bootable"),
			Authenticated: yes("the image by its digest"),
			Trusted:       no("image stores are anywhere", "the digest is part of the host's spec"),
			Purpose:       "fetch the image that the host's spec names",
		},
		{
			ID: "4.3", Name: AgentToDHCP, From: atAgent, To: atBootNet, Protocol: UDP, Ports: Port(67), Application: "DHCP", Stages: booting,
			Confidential:  no("DHCP", "an address is no secret"),
			Integrity:     no("DHCP", "a wrong address leads to no server that the pinned CA vouches for"),
			Authenticated: no("DHCP", "answers go to the MAC addresses of open boot windows only"),
			Trusted:       network,
			Purpose:       "an address for the agent",
		},
		{
			ID: "4.8", Name: AgentToDHCPv6, From: atAgent, To: atBootNet, Protocol: UDP, Ports: Port(547), Application: "DHCPv6", Stages: booting,
			Confidential:  no("DHCP", "an address is no secret"),
			Integrity:     no("DHCP", "a wrong address leads to no server that the pinned CA vouches for"),
			Authenticated: no("DHCP", "answers go to the MAC addresses of open boot windows only"),
			Trusted:       network,
			Purpose:       "an IPv6 address for the agent",
		},
		agentNames(Row{ID: "4.4", Name: AgentToDNS, Protocol: UDP, Stages: booting, Purpose: "resolve the name in an image's URL"}),
		agentNames(Row{
			ID: "4.7", Name: AgentToDNSOverTCP, Protocol: TCP, Stages: booting,
			Purpose: "resolve the name of an image store that has too many addresses for one datagram (RFC 7766)",
		}),
		{
			ID: "4.5", Name: MachineToPartition, From: atMachine, To: atPartition, Protocol: TCP, Ports: Port(8443), Application: "HTTPS", Stages: []string{"provisioning", "provisioned"},
			Confidential: yes(tls13), Integrity: yes(tls13),
			Authenticated:  yes("the server by the CA in the config drive; the machine by its one-time token"),
			Trusted:        network,
			ServerIdentity: servingIdentity(Partition),
			Purpose:        "the provisioned system reports its first boot",
		},
		{
			ID: "4.9", Name: FirewallToPartition, From: atFirewall, To: atPartition, Protocol: TCP, Ports: Port(8443), Application: "HTTPS", Stages: []string{"provisioned"},
			Confidential: yes(tls13), Integrity: yes(tls13),
			Authenticated:  yes("the server by the CA in the config drive; the firewall by the one-time token there, which is worth one key"),
			Trusted:        no("a firewall may reach its site by any of its networks", "the server's certificate is checked before the token is sent, and only a Firewall's own host gets its name"),
			ServerIdentity: servingIdentity(Partition),
			Purpose:        "a firewall's machine trades its one-time token for its identity at the API server, at its first boot",
		},
		{
			ID: "4.6", Name: NeighbourToAgentLLDP, From: atSwitch, To: atAgent, Protocol: LLDP, Application: "LLDP", Stages: []string{"inspecting"},
			Confidential:  no("LLDP", "a switch's own announcement to everybody on the cable"),
			Integrity:     no("LLDP", "it is shown as what the neighbour said; nothing is decided from it"),
			Authenticated: no("LLDP", "it is shown as what the neighbour said; nothing is decided from it"),
			Trusted:       network,
			Purpose:       "the agent hears which switch port each NIC is cabled to; it answers nothing",
		},
	}
}
