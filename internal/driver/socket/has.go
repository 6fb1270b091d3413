package socket

import (
	"fmt"

	"github.com/ingotmetal/ingot/matrix"
)

// Has says whether this role has an end of a flow of a protocol, for sockets that stand below what a Network opens. The error is ErrNotInMatrix.
func (b *Bound) Has(flow matrix.FlowName, p matrix.Protocol) error {
	row, err := b.row(flow)
	switch {
	case err != nil:
		return err
	case row.From.Role != b.role && row.To.Role != b.role:
		return fmt.Errorf("role %s has no end of flow %s, which is from %s to %s: %w", b.role, flow, row.From.Role, row.To.Role, ErrNotInMatrix)
	case row.Protocol != p:
		return fmt.Errorf("role %s wants %s for flow %s, which is %s: %w", b.role, p, flow, row.Protocol, ErrNotInMatrix)
	}
	return nil
}
