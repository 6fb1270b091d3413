// Package dhcp answers DHCP on the provisioning network: it decodes, asks netboot, and encodes.
//
// It owns the packets and the loop. It refuses decisions. One packet comes in, at most one goes out, never larger than maxReply and never to an address that only the packet
// claims (netboot sees to that); for a MAC without an open window nothing goes out at all, so the server cannot be found by scanning or used against others. Requests are answered one
// after the other: two cores answer many thousands a second, and a flood only ever costs its own place in the socket's queue.
package dhcp

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/ingotmetal/ingot/internal/server/datagram"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/tracing"
)

// The ports (RFC 2131 §4.1, PXE 2.1 §2.2.5).
const (
	ServerPort = 67
	ClientPort = 68
	PXEPort    = 4011
)

// maxRequest is more than any client sends; maxReply is what every client takes (RFC 2132 §9.10: at least 576 bytes of IP packet, and PXE firmware says 1472).
const (
	maxRequest = 2048
	maxReply   = 1472
)

// ReceiveBytes is the receive buffer that a server's socket should have: the requests of some thousand machines that are turned on together wait in it.
const ReceiveBytes = 4 << 20

// Server answers requests.
type Server struct {
	Windows *window.Index
	Now     func() time.Time
	Log     *slog.Logger
	// Count is told the outcome of every packet: an answer's type, a silence, or "malformed".
	Count func(outcome string)
	// Unknown is told the requests of machines without any window, which are not answered; nil: nobody.
	Unknown func(netboot.Request)
	// Trace is told the answers.
	Trace window.Trace
}

// Serve answers what comes to a socket until the context ends. PXEPort says that it is port 4011.
func (s *Server) Serve(ctx context.Context, conn net.PacketConn, pxePort bool) error {
	answer := func(packet []byte, from netip.AddrPort) ([]byte, netip.AddrPort) {
		return s.Answer(packet, pxePort, from)
	}
	return datagram.Loop{Protocol: "DHCP", MaxBytes: maxRequest, Handle: answer, Log: s.Log}.Serve(ctx, conn)
}

// Answer is the reply to one packet and where it goes; nil for silence.
func (s *Server) Answer(packet []byte, pxePort bool, from netip.AddrPort) ([]byte, netip.AddrPort) {
	m, err := parse(packet)
	if err != nil {
		return s.malformed(from, err)
	}
	r, err := decode(m, pxePort)
	if err != nil {
		return s.malformed(from, err)
	}
	entry := s.Windows.ByMAC(r.MAC)
	answer, silence := netboot.Decide(s.Windows.Settings(), entry.WindowOf(), r, s.Now())
	if silence != netboot.Answered {
		s.Count(string(silence))
		if entry == nil && s.Unknown != nil {
			r.MachineID = slices.Clone(r.MachineID) // the packet's memory is the loop's
			s.Unknown(r)
		}
		if s.Log.Enabled(context.Background(), slog.LevelDebug) {
			s.Log.Debug("DHCP request not answered", "mac", r.MAC.String(), "reason", string(silence), "type", string(r.Type), "client", string(r.Kind()))
		}
		return nil, netip.AddrPort{}
	}
	reply := encode(m, answer)
	if len(reply) > maxReply {
		// Only a client that sends long identifiers to be echoed can get here.
		return s.malformed(from, fmt.Errorf("the answer would have %d bytes", len(reply)))
	}
	to := destination(answer.To, from)
	s.Count(string(answer.Type))
	now := s.Now()
	s.Trace.Tell(entry, tracing.Served{Server: "dhcp", Answer: string(answer.Type), File: answer.BootFile, MAC: r.MAC.String(), Start: now, End: now})
	s.Log.LogAttrs(context.Background(), slog.LevelInfo, "DHCP request answered", slog.String("mac", r.MAC.String()), slog.String("boot", entry.BootID), slog.String("flow", string(flowOf(pxePort))),
		slog.String("type", string(answer.Type)), slog.String("client", string(r.Kind())), slog.String("file", answer.BootFile), slog.String("to", to.String()))
	return reply, to
}

func (s *Server) malformed(from netip.AddrPort, err error) ([]byte, netip.AddrPort) {
	s.Count("malformed")
	s.Log.Debug("DHCP packet not understood", "from", from.String(), "err", err)
	return nil, netip.AddrPort{}
}

func destination(d netboot.Destination, from netip.AddrPort) netip.AddrPort {
	switch {
	case d.Source:
		return from
	case d.Broadcast:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), ClientPort)
	case d.Relay:
		return netip.AddrPortFrom(d.Address, ServerPort)
	}
	return netip.AddrPortFrom(d.Address, ClientPort)
}
