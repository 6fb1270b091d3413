package socket_test

import (
	"errors"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/matrix"
)

func TestHasNamesTheRolesOwnFlowsOnly(t *testing.T) {
	agent := socket.Bind(matrix.Agent, matrix.Builtin(), nil)
	for _, c := range []struct {
		flow     matrix.FlowName
		protocol matrix.Protocol
		ok       bool
	}{
		{matrix.AgentToDHCP, matrix.UDP, true},
		{matrix.NeighbourToAgentLLDP, matrix.LLDP, true},
		{matrix.AgentToDHCP, matrix.TCP, false},
		{matrix.PartitionToBMC, matrix.TCP, false},
		{"no-such-flow", matrix.UDP, false},
	} {
		err := agent.Has(c.flow, c.protocol)
		if (err == nil) != c.ok || (err != nil && !errors.Is(err, socket.ErrNotInMatrix)) {
			t.Errorf("Has(%s, %s) = %v", c.flow, c.protocol, err)
		}
	}
}
