// Package dhcp6 answers DHCPv6 (RFC 8415) on an IPv6 provisioning network: it decodes, asks netboot, and encodes.
//
// It owns the messages, the relays' envelopes and the loop. It refuses decisions. As with IPv4, one packet comes in, at most one goes out, to where it came from and not much larger,
// and for a machine without an open window nothing goes out at all. A machine is known by its Ethernet address: as its relay saw it, in its link-local address, or in its DUID. That is
// as much as a machine's own word over IPv4; what the boot opens is held by the token, not by the address.
package dhcp6

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/ingotmetal/ingot/internal/server/datagram"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/tracing"
)

// The ports (RFC 8415 §7.2).
const (
	ServerPort = 547
	ClientPort = 546
)

// maxRequest is more than any client or chain of relays sends; maxReply is what goes through every IPv6 link in one piece (RFC 8200 §5: 1280 bytes, less the headers of IPv6 and UDP).
const (
	maxRequest = 2048
	maxReply   = 1232
)

// ReceiveBytes is the receive buffer that a server's socket should have.
const ReceiveBytes = 4 << 20

// Group is where clients and relays send to: All_DHCP_Relay_Agents_and_Servers (RFC 8415 §7.1).
func Group() netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 13: 1, 15: 2})
}

// Server answers messages.
type Server struct {
	Windows *window.Index
	Now     func() time.Time
	Log     *slog.Logger
	// Count is told the outcome of every packet: an answer's type, a silence, or "malformed".
	Count func(outcome string)
	// Unknown is told the messages of machines without any window, which are not answered; nil: nobody.
	Unknown func(netboot.Request)
	// Answered is told the link-local address of each machine of this link that is answered, before the answer goes; nil: nobody.
	Answered func(netip.Addr)
	// Trace is told the answers.
	Trace window.Trace
}

// Serve answers what comes to a socket that joined Group until the context ends.
func (s *Server) Serve(ctx context.Context, conn net.PacketConn) error {
	return datagram.Loop{Protocol: "DHCPv6", MaxBytes: maxRequest, Handle: s.Answer, Log: s.Log}.Serve(ctx, conn)
}

// Answer is the reply to one packet and where it goes; nil for silence.
func (s *Server) Answer(packet []byte, from netip.AddrPort) ([]byte, netip.AddrPort) {
	m, err := open(packet, from.Addr())
	if err != nil {
		return s.malformed(from, err)
	}
	r, entry := m.request, (*window.Entry)(nil)
	for _, mac := range r.MACs {
		if entry = s.Windows.ByMAC(mac); entry != nil {
			r.MAC = mac
			break
		}
	}
	answer, silence := netboot.Decide6(s.Windows.Settings(), entry.WindowOf(), r, s.Now())
	if silence != netboot.Answered {
		s.Count(string(silence))
		if entry == nil && s.Unknown != nil && len(r.MACs) > 0 {
			r.MAC = r.MACs[0]
			s.Unknown(r.Sighted())
		}
		s.Log.Debug("DHCPv6 message not answered", "mac", r.MAC.String(), "reason", string(silence), "type", string(r.Type), "client", string(r.Kind()), "from", from.String())
		return nil, netip.AddrPort{}
	}
	reply := m.seal(answer)
	if len(reply) > maxReply {
		// Only a client or a relay that sends long identifiers to be echoed can get here.
		return s.malformed(from, fmt.Errorf("the answer would have %d bytes", len(reply)))
	}
	to := netip.AddrPortFrom(from.Addr(), ClientPort)
	if !m.relayed() && s.Answered != nil {
		s.Answered(from.Addr())
	}
	if m.relayed() {
		to = netip.AddrPortFrom(from.Addr(), m.relayPort(from.Port()))
	}
	s.Count(string(answer.Type))
	now := s.Now()
	s.Trace.Tell(entry, tracing.Served{Server: "dhcpv6", Answer: string(answer.Type), File: answer.BootFile, MAC: r.MAC.String(), Start: now, End: now})
	s.Log.LogAttrs(context.Background(), slog.LevelInfo, "DHCPv6 message answered", slog.String("mac", r.MAC.String()), slog.String("boot", entry.BootID), slog.String("flow", string(flowOf(m))),
		slog.String("type", string(answer.Type)), slog.String("asked", string(r.Type)), slog.String("client", string(r.Kind())), slog.String("file", answer.BootFile), slog.String("to", to.String()))
	return reply, to
}

func flowOf(m message) matrix.FlowName {
	if m.relayed() {
		return matrix.RelayToBootDHCPv6
	}
	return matrix.MachineToBootDHCPv6
}

func (s *Server) malformed(from netip.AddrPort, err error) ([]byte, netip.AddrPort) {
	s.Count("malformed")
	s.Log.Debug("DHCPv6 packet not understood", "from", from.String(), "err", err)
	return nil, netip.AddrPort{}
}
