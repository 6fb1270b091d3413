package flows

import "github.com/ingotmetal/ingot/matrix"

const (
	untyped = "agent-to-partition"
	mine    = matrix.AgentToPartition
)

const stranger matrix.FlowName = "stranger" // want `flow "stranger" is named by a literal`

type server struct{ Flow matrix.FlowName }

func dial(f matrix.FlowName) {}

func named(f matrix.FlowName, s server) {
	dial(matrix.AgentToPartition)
	dial(matrix.HealthOf("boot"))
	dial(mine)
	dial(f)
	dial(s.Flow)
	dial("")
	if f == "" {
		return
	}
	_ = server{Flow: matrix.BootHealth}
	_ = string(f)
	_ = matrix.FlowName(f)
}

func strange(row matrix.Row, text string) {
	dial("agent-to-partition")      // want `flow "agent-to-partition" is named by a literal`
	dial(untyped)                   // want `named by the constant untyped`
	dial("agent-" + "to-partition") // want `put together`
	dial(mine + untyped)            // want `put together`
	dial(matrix.FlowName(text))     // want `made of a string`
	dial(matrix.FlowName("x"))      // want `made of a string`
	dial(row.Name)                  // want `whatever row row\.Name stands in`
	f := row.Name                   // want `whatever row row\.Name stands in`
	dial(f)
	_ = server{Flow: "x"} // want `flow "x" is named by a literal`
	_ = string(row.Name)
}
