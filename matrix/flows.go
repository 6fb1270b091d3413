package matrix

// The flows' names. Listeners and dialers use these, never a port number.
const (
	RolesToAPIServer    FlowName = "roles-to-apiserver"
	OperatorToAPIServer FlowName = "operator-to-apiserver"
	PartitionToBMC      FlowName = "partition-to-bmc"
	BMCToBootMedia      FlowName = "bmc-to-boot-media"
	MachineToBootDHCP   FlowName = "machine-to-boot-dhcp"
	MachineToBootPXE    FlowName = "machine-to-boot-pxe"
	MachineToBootTFTP   FlowName = "machine-to-boot-tftp"
	MachineToBootHTTP   FlowName = "machine-to-boot-http"
	MachineToBootRA     FlowName = "machine-to-boot-router-solicitation"
	AgentToPartition    FlowName = "agent-to-partition"
	AgentToImageStore   FlowName = "agent-to-image-store"
	AgentToDHCP         FlowName = "agent-to-dhcp"
	MachineToPartition  FlowName = "machine-to-partition-first-boot"
	OperatorToPartition FlowName = "operator-to-partition"
	HealthOfRoles       FlowName = "roles-health"
)
