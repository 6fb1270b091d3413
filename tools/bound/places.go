package bound

// Module is the path of the module that is bound.
const Module = "github.com/ingotmetal/ingot"

// Rule is what a place may do that others may not.
type Rule string

// The rules.
const (
	// Opens may open sockets.
	Opens Rule = "opens"
	// Names may make flow names of other things than the matrix's constants.
	Names Rule = "names"
)

// Place is a package, with the ones below it, that is let be, and why.
type Place struct {
	// Path is below Module.
	Path   string
	Rule   Rule
	Reason string
}

// Places are all of them. One in which nothing is found any more is reported, so that the list can only be as long as it has to be. Files of tests are not looked at.
var Places = []Place{
	{"internal/driver/socket", Opens, "the one place: socket.Bound, and the drivers behind it"},
	{"internal/lab/bmcsim", Opens, "simulated hardware: what a BMC does is no flow of Ingot's own"},
	{"internal/lab/simulated", Opens, "simulated hardware: a machine's firmware and system"},
	{"internal/lab/qemu", Opens, "simulated hardware: the cable of a virtual machine is a pair of Unix sockets"},
	{"internal/lab/serialsim", Opens, "simulated hardware: a BMC's SSH server, which is a serial console"},
	{"internal/lab/ipmisim", Opens, "simulated hardware: a BMC that speaks IPMI"},
	{"internal/lab/labtest", Opens, "servers for the tests of the lab's machines"},
	{"internal/server/agentapi/agentapitest", Opens, "a partition role for the tests of the agent"},
	{"internal/controlplane/controlplanetest", Opens, "an API server for tests"},
	{"internal/controlplane", Opens, "etcd inside of the API server's process: its sockets are Unix sockets in the data directory"},
	{"internal/prove", Opens, "sends what rows allow and what none does, between namespaces that it made itself: the proof can't go by the rows"},
	{"mesh/member", Opens, "what came through the mesh goes on to a loopback address or a Unix socket of the same host: it crosses no network"},
	{"mesh/relay", Opens, "the library of relays asks for admission by http.DefaultClient; the answer is registered there and comes from the same process"},
	{"test", Opens, "tests"},
	{"bench", Opens, "measures image writing against a server of its own on loopback"},
	{"bench", Names, "measures matrices that it makes up"},
	{"matrix", Names, "reads the rows of other systems, whose flows no code opens"},
}

// Unopened are the flows that no code names, and why. One that code does name is reported.
var Unopened = map[string]string{
	"MachineToPartition": "dialed by the provisioned system; served by the listener of AgentToPartition",

	"PartitionToDNS":    byName,
	"BootToDNS":         byName,
	"ConsoleToDNS":      byName,
	"ControllerToDNS":   byName,
	"NodeToDNS":         byName,
	"AuditorToDNS":      byName,
	"APIServerToDNS":    byName,
	"AgentToDNS":        byName,
	"AgentToDNSOverTCP": byName,

	"BootToMachineDHCP":   answers,
	"BootToAgentDHCP":     answers,
	"BootToRelayDHCP":     answers,
	"RelayToBootDHCP":     "comes to the listener of MachineToBootDHCP, from a relay",
	"BootToMachineDHCPv6": answers6,
	"BootToAgentDHCPv6":   answers6,
	"BootToRelayDHCPv6":   answers6,
	"BootToMachineRA":     "sent by the socket of MachineToBootRA",

	"NeighbourDiscovery":           byKernel,
	"ControlPlaneToRouters":        byKernel,
	"RoutersToControlPlane":        byKernel,
	"PartitionManagementToRouters": byKernel,
	"RoutersToPartitionManagement": byKernel,

	"MeshToDNS":               byName,
	"RelayToDNS":              byName,
	"OperatorToMesh":          "comes to the listener of NodeToMesh",
	"OperatorToRelay":         "comes to the listener of NodeToRelay",
	"OperatorToRelaySTUN":     "comes to the socket of NodeToRelaySTUN",
	"NodeToNodeWireGuard":     byTailscale,
	"OperatorToNodeWireGuard": byTailscale,
	"OperatorToFirewallSSH":   "goes through the mesh, whose own network stack is within the members' processes",

	"OperatorToControlPlaneSSH":        bySSH,
	"OperatorToPartitionManagementSSH": bySSH,
}

// Reasons that several have.
const (
	byName      = "found by socket.Bound, by its two ends, where a name is dialed"
	answers     = "sent by the socket of MachineToBootDHCP to what is broadcast, which no connection tracking knows as an answer"
	answers6    = "sent by the socket of MachineToBootDHCPv6 to what was sent to a group, which no connection tracking knows as an answer"
	byKernel    = "spoken by the kernel of each host"
	byTailscale = "opened by the library of the mesh's members (tsnet) at the port that `ingot-mesh join` gives it"
	bySSH       = "between an operator's client and the host's own SSH server"
)

// placeOf finds the place that a package belongs to; the longest one wins.
func placeOf(path string, r Rule) (found Place, ok bool) {
	for _, p := range Places {
		if p.Rule == r && under(path, Module+"/"+p.Path) && len(p.Path) > len(found.Path) {
			found, ok = p, true
		}
	}
	return found, ok
}
