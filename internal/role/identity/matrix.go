package identity

import (
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/role/declared"
	"github.com/ingotmetal/ingot/matrix"
)

// Bind gives a role its way to the kernel's network, by the matrix of --matrix. Log is for what is found about the matrix later.
func (f *Flags) Bind(role matrix.Role, log *slog.Logger) (*socket.Bound, error) {
	f.log = log
	rows, err := declared.Rows(f.Matrix)
	if err != nil {
		return nil, err
	}
	return socket.Bind(role, rows, kernel.Network{}), nil
}

// reachServer lets the role dial the port that the kubeconfig names. The kubeconfig is the operator's word for where the API server is, and clusters serve at 443 as often as at
// 6443. The row is wrong then, and a firewall that is compiled from it would cut the role off, which is said once.
func reachServer(b *socket.Bound, flow matrix.FlowName, server *url.URL, log *slog.Logger) error {
	if addr, err := netip.ParseAddr(server.Hostname()); server.Hostname() == "localhost" || err == nil && addr.IsLoopback() {
		return nil // no row is about it
	}
	port := uint64(443)
	if text := server.Port(); text != "" {
		var err error
		if port, err = strconv.ParseUint(text, 10, 16); err != nil {
			return fmt.Errorf("the server's port %q: %w", text, err)
		}
	}
	missing, err := b.Reach(flow, uint16(port))
	if err != nil {
		return err
	}
	if missing != nil && log != nil {
		log.Warn("API server at a port that the matrix does not have; a host firewall would cut it off", "flow", string(flow), "err", missing)
	}
	return nil
}
