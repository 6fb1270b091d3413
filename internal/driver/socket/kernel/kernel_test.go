package kernel_test

import (
	"net/netip"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/driver/socket/sockettest"
)

func TestContract(t *testing.T) {
	host := sockettest.Host{Network: kernel.Network{}, Addr: netip.MustParseAddr("127.0.0.1"), Link: "lo"}
	sockettest.Run(t, sockettest.Loopback, func(*testing.T) sockettest.Pair { return sockettest.Pair{Server: host, Client: host} })
}
