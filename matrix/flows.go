package matrix

// The flows' names. Listeners and dialers use these, never a port number.
const (
	OperatorToAPIServer   FlowName = "operator-to-apiserver"
	PartitionToAPIServer  FlowName = "partition-to-apiserver"
	BootToAPIServer       FlowName = "boot-to-apiserver"
	ControllerToAPIServer FlowName = "controller-to-apiserver"
	ControllerToDNS       FlowName = "controller-to-dns"
	NodeToAPIServer       FlowName = "node-to-apiserver"
	NodeToDNS             FlowName = "node-to-dns"
	FirewallToAPIServer   FlowName = "firewall-to-apiserver"
	FirewallToPartition   FlowName = "firewall-to-partition"

	AuditorToArchive         FlowName = "auditor-to-archive"
	AuditorToArchiveDatabase FlowName = "auditor-to-archive-database"
	AuditorToDNS             FlowName = "auditor-to-dns"

	PartitionToBMC      FlowName = "partition-to-bmc"
	PartitionToBMCIPMI  FlowName = "partition-to-bmc-ipmi"
	PartitionToImages   FlowName = "partition-to-image-store"
	PartitionToDNS      FlowName = "partition-to-dns"
	PartitionToTraces   FlowName = "partition-to-trace-collector"
	BootToTraces        FlowName = "boot-to-trace-collector"
	OperatorToPartition FlowName = "operator-to-partition"
	BootToDNS           FlowName = "boot-to-dns"
	HealthOfPartition   FlowName = "partition-health"
	HealthOfBoot        FlowName = "boot-health"
	HealthOfController  FlowName = "controller-health"
	HealthOfNode        FlowName = "node-health"

	OperatorToWeb FlowName = "operator-to-web"

	OperatorToConsole    FlowName = "operator-to-console"
	OperatorToConsoleSSH FlowName = "operator-to-console-ssh"
	ControllerToConsole  FlowName = "controller-to-console"
	ConsoleToAPIServer   FlowName = "console-to-apiserver"
	ConsoleToPartition   FlowName = "console-to-partition"
	ConsoleToDNS         FlowName = "console-to-dns"
	HealthOfConsole      FlowName = "console-health"

	ControllerToNodeManagement FlowName = "controller-to-node-management"

	BMCToBootMedia     FlowName = "bmc-to-boot-media"
	MachineToBootDHCP  FlowName = "machine-to-boot-dhcp"
	MachineToBootPXE   FlowName = "machine-to-boot-pxe"
	MachineToBootTFTP  FlowName = "machine-to-boot-tftp"
	BootToMachineTFTP  FlowName = "boot-to-machine-tftp"
	MachineToBootHTTP  FlowName = "machine-to-boot-http"
	MachineToBootMedia FlowName = "machine-to-boot-media"
	MachineToBootRA    FlowName = "machine-to-boot-router-solicitation"

	MachineToBootDHCPv6 FlowName = "machine-to-boot-dhcpv6"
	BootToMachineDHCPv6 FlowName = "boot-to-machine-dhcpv6"
	AgentToDHCPv6       FlowName = "agent-to-dhcpv6"
	BootToAgentDHCPv6   FlowName = "boot-to-agent-dhcpv6"
	RelayToBootDHCPv6   FlowName = "relay-to-boot-dhcpv6"
	BootToRelayDHCPv6   FlowName = "boot-to-relay-dhcpv6"

	AgentToPartition           FlowName = "agent-to-partition"
	AgentToImageStore          FlowName = "agent-to-image-store"
	AgentToDHCP                FlowName = "agent-to-dhcp"
	NeighbourToAgentLLDP       FlowName = "neighbour-to-agent-lldp"
	AgentToDNS                 FlowName = "agent-to-dns"
	AgentToDNSOverTCP          FlowName = "agent-to-dns-over-tcp"
	ClientToFirewallDNS        FlowName = "client-to-firewall-dns"
	ClientToFirewallDNSOverTCP FlowName = "client-to-firewall-dns-over-tcp"
	FirewallToDNS              FlowName = "firewall-to-dns"
	FirewallToDNSOverTCP       FlowName = "firewall-to-dns-over-tcp"
	FirewallToNeighboursARP    FlowName = "firewall-to-neighbours-arp"
	FirewallToNeighboursNDP    FlowName = "firewall-to-neighbours-ndp"
	MachineToPartition         FlowName = "machine-to-partition-first-boot"

	BootToMachineRA   FlowName = "boot-to-machine-router-advertisement"
	BootToMachineDHCP FlowName = "boot-to-machine-dhcp"
	BootToAgentDHCP   FlowName = "boot-to-agent-dhcp"
	RelayToBootDHCP   FlowName = "relay-to-boot-dhcp"
	BootToRelayDHCP   FlowName = "boot-to-relay-dhcp"

	NeighbourDiscovery           FlowName = "neighbour-discovery"
	ControlPlaneToRouters        FlowName = "control-plane-to-routers"
	RoutersToControlPlane        FlowName = "routers-to-control-plane"
	PartitionManagementToRouters FlowName = "partition-management-to-routers"
	RoutersToPartitionManagement FlowName = "routers-to-partition-management"
	OperatorToIssuer             FlowName = "operator-to-issuer"
	APIServerToIssuer            FlowName = "apiserver-to-issuer"
	ControllerToIssuer           FlowName = "controller-to-issuer"
	APIServerToDNS               FlowName = "apiserver-to-dns"
	BrowserToLogin               FlowName = "browser-to-login"

	NodeToMesh              FlowName = "node-to-mesh"
	OperatorToMesh          FlowName = "operator-to-mesh"
	RelayToMesh             FlowName = "relay-to-mesh"
	ControllerToMeshKeys    FlowName = "controller-to-mesh-keys"
	OperatorToMeshKeys      FlowName = "operator-to-mesh-keys"
	MeshToAPIServer         FlowName = "mesh-to-apiserver"
	MeshToDNS               FlowName = "mesh-to-dns"
	RelayToDNS              FlowName = "relay-to-dns"
	HealthOfMesh            FlowName = "mesh-health"
	NodeToRelay             FlowName = "node-to-relay"
	OperatorToRelay         FlowName = "operator-to-relay"
	NodeToRelaySTUN         FlowName = "node-to-relay-stun"
	OperatorToRelaySTUN     FlowName = "operator-to-relay-stun"
	NodeToNodeWireGuard     FlowName = "node-to-node-wireguard"
	OperatorToNodeWireGuard FlowName = "operator-to-node-wireguard"
	ProgramToMeshProxy      FlowName = "program-to-mesh-proxy"
	OperatorToFirewallSSH   FlowName = "operator-to-firewall-ssh"

	OperatorToControlPlaneSSH        FlowName = "operator-to-control-plane-ssh"
	OperatorToPartitionManagementSSH FlowName = "operator-to-partition-management-ssh"
)

// ToAPIServer is the flow by which a role reaches the API server; "" for a role that does not.
func ToAPIServer(r Role) FlowName {
	switch r {
	case Operator:
		return OperatorToAPIServer
	case Partition:
		return PartitionToAPIServer
	case Boot:
		return BootToAPIServer
	case Controller:
		return ControllerToAPIServer
	case Node:
		return NodeToAPIServer
	case Firewall:
		return FirewallToAPIServer
	case Mesh:
		return MeshToAPIServer
	case Console:
		return ConsoleToAPIServer
	default:
		return ""
	}
}

// HealthOf is the flow by which a role's health and metrics are read; "" for a role that serves none.
func HealthOf(r Role) FlowName {
	switch r {
	case Partition:
		return HealthOfPartition
	case Boot:
		return HealthOfBoot
	case Controller:
		return HealthOfController
	case Node:
		return HealthOfNode
	case Mesh:
		return HealthOfMesh
	case Console:
		return HealthOfConsole
	default:
		return ""
	}
}
