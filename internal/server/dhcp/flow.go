package dhcp

import "github.com/ingotmetal/ingot/matrix"

// flowOf is the flow that a packet belongs to.
func flowOf(pxePort bool) matrix.FlowName {
	if pxePort {
		return matrix.MachineToBootPXE
	}
	return matrix.MachineToBootDHCP
}
