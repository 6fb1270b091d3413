package matrix

type FlowName string

type Row struct{ Name FlowName }

const (
	AgentToPartition FlowName = "agent-to-partition"
	BootHealth       FlowName = "boot-health"
)

func HealthOf(role string) FlowName { return BootHealth }
