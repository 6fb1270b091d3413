package machine

import (
	"fmt"
	"io/fs"
	"strings"
)

// openPorts lists the ports that this machine answers on, as the kernel tells them in /proc/net. The agent listens on nothing; it says so, or what is wrong, with every
// inventory.
func openPorts(root fs.FS) []string {
	var ports []string
	for _, table := range []struct{ protocol, state string }{
		// Socket states of include/net/tcp_states.h: LISTEN is 0A; a UDP socket that is not connected has 07.
		{"tcp", "0A"}, {"tcp6", "0A"}, {"udp", "07"}, {"udp6", "07"},
	} {
		data, err := fs.ReadFile(root, "proc/net/"+table.protocol)
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(data), "\n") {
			if f := strings.Fields(line); len(f) > 3 && f[3] == table.state {
				ports = append(ports, fmt.Sprintf("%s %s", table.protocol, f[1]))
			}
		}
	}
	return ports
}
