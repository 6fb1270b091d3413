// Package router answers the router solicitations of booting machines with an advertisement of nothing.
//
// It owns two ICMPv6 messages. It refuses to be a router: the advertisement has lifetime 0 (RFC 4861 §4.2: "not a default router"), no prefix and no option. It exists since iPXE waits
// 16 seconds for an advertisement before it goes on with the address that it got by IPv4 long ago; any advertisement ends that wait.
//
// Answers go to the one machine that asked, and only for a MAC whose boot window is open.
package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/netboot"
)

// RFC 4861 §4.1 and §4.2: the messages; §4.6.1: the option.
const (
	typeSolicitation  = 133
	typeAdvertisement = 134

	solicitationSize  = 8
	advertisementSize = 16

	optionSourceLinkLayer = 1
	optionUnit            = 8
)

// Server answers solicitations.
type Server struct {
	Windows *window.Index
	Now     func() time.Time
	Log     *slog.Logger
	// Count is told the outcome of every solicitation.
	Count func(outcome string)
}

// Serve answers what comes to a socket of socket.ListenRouter until the context ends.
func (s *Server) Serve(ctx context.Context, conn net.PacketConn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("router socket was closed: %w", err)
		}
		if err != nil {
			s.Log.Warn("router solicitation not read", "err", err)
			continue
		}
		peer, ok := from.(*net.IPAddr)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(peer.IP)
		if !ok {
			continue
		}
		reply := s.Answer(buf[:n], addr)
		if reply == nil {
			continue
		}
		if _, err := conn.WriteTo(reply, from); err != nil {
			s.Log.Warn("router advertisement not sent", "to", from.String(), "err", err)
		}
	}
}

// Answer is the advertisement for a solicitation; nil for silence.
func (s *Server) Answer(message []byte, from netip.Addr) []byte {
	mac, ok := sender(message, from)
	if !ok {
		s.Count("malformed")
		s.Log.Debug("router solicitation not understood", "from", from.String())
		return nil
	}
	entry := s.Windows.ByMAC(mac)
	if silence := netboot.MayAdvertise(s.Windows.Settings(), entry.WindowOf(), mac, s.Now()); silence != netboot.Answered {
		s.Count(string(silence))
		s.Log.Debug("router solicitation not answered", "mac", mac.String(), "reason", string(silence))
		return nil
	}
	s.Count("answered")
	s.Log.Info("router solicitation answered", "mac", mac.String(), "boot", entry.BootID, "flow", matrix.MachineToBootRA)
	reply := make([]byte, advertisementSize)
	reply[0] = typeAdvertisement
	return reply
}

// sender is the MAC that a solicitation came from: its source link-layer option says it, or its link-local address, which firmware makes from the MAC
// (RFC 4291 appendix A). A machine that still has no address (the source is "::") cannot be answered alone and asks again when it has one.
func sender(message []byte, from netip.Addr) (netboot.MAC, bool) {
	from = from.WithZone("")
	if len(message) < solicitationSize || message[0] != typeSolicitation || message[1] != 0 || !from.IsLinkLocalUnicast() || !from.Is6() {
		return netboot.MAC{}, false
	}
	for options := message[solicitationSize:]; len(options) >= optionUnit; {
		length := int(options[1]) * optionUnit
		if length == 0 || length > len(options) {
			return netboot.MAC{}, false // RFC 4861 §4.6: an option of length 0 is not to be processed
		}
		if options[0] == optionSourceLinkLayer && length == optionUnit {
			return netboot.MAC(options[2:8]), true
		}
		options = options[length:]
	}
	a := from.As16()
	if a[11] != 0xff || a[12] != 0xfe {
		return netboot.MAC{}, false
	}
	return netboot.MAC{a[8] ^ 2, a[9], a[10], a[13], a[14], a[15]}, true
}
