// Package router answers the router solicitations of booting machines, with an advertisement of nothing or of the provisioning network.
//
// It owns two ICMPv6 messages. It refuses to be a router: the advertisement has lifetime 0 (RFC 4861 §4.2: "not a default router"). On an IPv4 network it has no prefix and no option, and
// exists since iPXE waits 16 seconds for an advertisement before it goes on with the address that it got by IPv4 long ago; any advertisement ends that wait. On an IPv6
// network whose Partition asks for it, it says that the subnet is on the link and that addresses come by DHCPv6: without that, firmware finds no way to the boot server.
//
// Answers go to the one machine that asked, and only for a MAC whose boot window is open. Only where the subnet is advertised, the link as a whole is told too, from time to time and when a
// machine asks that has no address yet.
package router

import (
	"context"
	"encoding/binary"
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
	optionPrefix          = 3
	optionUnit            = 8

	flagsManaged = 0xc0 // M and O: addresses and everything else come by DHCPv6
	flagOnLink   = 0x80 // of a prefix; without the flag A, nobody makes an address of it
	hopLimit     = 64   // what machines begin with
)

// announceEvery is the pause between two advertisements to the whole link, announceGap the least one (RFC 4861 §10: MIN_DELAY_BETWEEN_RAS). PrefixSeconds is how long machines take the
// subnet for on-link without hearing of it again.
const (
	announceEvery = 15 * time.Second
	announceGap   = 3 * time.Second
	prefixSeconds = 7200
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
	ctx, cancel := context.WithCancel(ctx)
	asked, announced := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(announced)
		s.announce(ctx, conn, asked)
	}()
	defer func() { cancel(); <-announced }()
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
		if addr.IsUnspecified() && n >= solicitationSize && buf[0] == typeSolicitation {
			select {
			case asked <- struct{}{}:
			default: // somebody asked already
			}
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
	return advertisement(s.Windows.Settings())
}

// Tell tells one machine of the subnet, where that is advertised: one that is given an address must know of the subnet before it uses it, and firmware that was told nothing gives up
// at once.
func (s *Server) Tell(conn net.PacketConn, machine netip.Addr) {
	settings := s.Windows.Settings()
	if settings.Mode != netboot.Server || !settings.Advertised.IsValid() {
		return
	}
	to := &net.IPAddr{IP: machine.AsSlice(), Zone: machine.Zone()}
	if _, err := conn.WriteTo(advertisement(settings), to); err != nil {
		s.Log.Warn("router advertisement not sent", "to", to.String(), "err", err)
	}
}

// announce tells the whole link of the subnet while the Partition wants that.
func (s *Server) announce(ctx context.Context, conn net.PacketConn, asked <-chan struct{}) {
	all := &net.IPAddr{IP: net.IPv6linklocalallnodes}
	for failed := false; ctx.Err() == nil; {
		if settings := s.Windows.Settings(); settings.Mode == netboot.Server && settings.Advertised.IsValid() {
			_, err := conn.WriteTo(advertisement(settings), all)
			if err != nil && !failed && ctx.Err() == nil {
				s.Log.Warn("router advertisement not sent", "to", all.String(), "err", err) // once, not for each try
			}
			failed = err != nil
		}
		wait(ctx, announceGap, nil)
		wait(ctx, announceEvery-announceGap, asked)
	}
}

// wait ends with the context, after a time, or when somebody asked.
func wait(ctx context.Context, d time.Duration, asked <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-asked:
	}
}

// advertisement is what machines are told (RFC 4861 §4.2 and §4.6.2).
func advertisement(s netboot.Settings) []byte {
	b := make([]byte, advertisementSize)
	b[0] = typeAdvertisement
	if !s.Advertised.IsValid() {
		return b
	}
	b[4], b[5] = hopLimit, flagsManaged
	subnet := s.Advertised.Addr().As16()
	b = append(b, optionPrefix, 4, byte(s.Advertised.Bits()), flagOnLink)
	b = binary.BigEndian.AppendUint32(b, prefixSeconds) // valid
	b = binary.BigEndian.AppendUint32(b, prefixSeconds) // preferred
	return append(append(b, 0, 0, 0, 0), subnet[:]...)
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
	return netboot.MACOf(from)
}
