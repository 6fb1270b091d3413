package knock

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/ingotmetal/ingot/discovery"
)

// Bounds of the exchange. The answers have 28 and 30 bytes; whoever sends more datagrams than mostDatagrams is not listened to.
const (
	maxDatagram   = 512
	mostDatagrams = 8
	askTimes      = 2
)

// The parts of RMCP (ASF 2.0 §3.2.2) and of IPMI over it (IPMI 2.0 §13.1.3, §13.6) that are asked with and looked for.
const (
	rmcpVersion   = 0x06
	rmcpNoAck     = 0xff
	classASF      = 0x06
	classIPMI     = 0x07
	asfPing       = 0x80
	asfPong       = 0x40
	asfIPMI       = 0x80 // bit 7 of "supported entities"
	addressBMC    = 0x20
	addressRemote = 0x81
	netFnApp      = 0x06 << 2
	netFnAnswer   = 0x07 << 2
	capabilities  = 0x38 // Get Channel Authentication Capabilities, IPMI 2.0 §22.13
	extended      = 0x80 // asks for the data of version 2.0
	thisChannel   = 0x0e
	administrator = 0x04
)

// pingTag comes back in the answer.
const pingTag = 0x49

// ping is an ASF presence ping (ASF 2.0 §3.2.4.2).
func ping() []byte {
	return []byte{rmcpVersion, 0, rmcpNoAck, classASF, 0x00, 0x00, 0x11, 0xbe, asfPing, pingTag, 0, 0}
}

// askCapabilities is outside of any session: authentication type none, sequence and session 0.
func askCapabilities() []byte {
	m := []byte{addressBMC, netFnApp, 0, addressRemote, 0, capabilities, extended | thisChannel, administrator, 0}
	m[2], m[8] = checksum(m[:2]), checksum(m[3:8])
	header := []byte{rmcpVersion, 0, rmcpNoAck, classIPMI, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(m))}
	return append(header, m...)
}

// checksum makes the sum of all bytes and itself zero (IPMI 2.0 §13.8).
func checksum(b []byte) byte {
	var sum byte
	for _, c := range b {
		sum += c
	}
	return -sum
}

// ipmi asks for presence and capabilities; nil where no BMC answers to either.
func (p *Prober) ipmi(ctx context.Context, at netip.AddrPort) *discovery.IPMIAnswer {
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	c, err := p.o.IPMI(ctx, "udp", at.String())
	if err != nil {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer func() {
		stop()
		_ = c.Close()
	}()
	var found *discovery.IPMIAnswer
	for range askTimes {
		for _, m := range [][]byte{ping(), askCapabilities()} {
			if _, err := c.Write(m); err != nil {
				return found
			}
		}
		var refused bool
		if found, refused = hear(c, p.o.Timeout/askTimes, found); found != nil && found.Version != "" || refused {
			break
		}
	}
	if found != nil {
		found.Port = at.Port()
		if found.Version == "" {
			// It answers to the ping that it speaks IPMI, and not to what every version since 1.5 must answer.
			found.Version = "1.5"
		}
	}
	return found
}

// hear reads until the version is known, or for so long. Refused says that nobody listens there, which the kernel tells by an error.
func hear(c net.Conn, wait time.Duration, found *discovery.IPMIAnswer) (answer *discovery.IPMIAnswer, refused bool) {
	if c.SetReadDeadline(time.Now().Add(wait)) != nil {
		return found, true
	}
	buf := make([]byte, maxDatagram)
	for range mostDatagrams {
		n, err := c.Read(buf)
		if err != nil {
			var network net.Error
			return found, !errors.As(err, &network) || !network.Timeout()
		}
		switch version, ok := parseDatagram(buf[:n]); {
		case ok && version != "":
			return &discovery.IPMIAnswer{Version: version}, false
		case ok && found == nil:
			found = &discovery.IPMIAnswer{}
		}
	}
	return found, false
}

// parseDatagram reads an answer to either question. It is true for a BMC's; the version is known by its capabilities only.
func parseDatagram(b []byte) (version string, bmc bool) {
	const header = 4
	if len(b) < header || b[0] != rmcpVersion {
		return "", false
	}
	switch b[3] {
	case classASF:
		return "", isPong(b[header:])
	case classIPMI:
		return parseCapabilities(b[header:])
	}
	return "", false
}

// isPong: IANA number, type, tag, reserved, length, then 16 bytes of which the ninth has the entities (ASF 2.0 §3.2.4.3).
func isPong(b []byte) bool {
	const fixed, entities = 8, 16
	return len(b) > entities && [4]byte(b[:4]) == [4]byte{0, 0, 0x11, 0xbe} && b[4] == asfPong && b[5] == pingTag && int(b[7]) <= len(b)-fixed && b[entities]&asfIPMI != 0
}

// parseCapabilities reads session header and message (IPMI 2.0 tables 13-8 and 22-15).
func parseCapabilities(b []byte) (string, bool) {
	const session, least = 10, 16
	if len(b) < session || b[0] != 0 || int(b[9]) != len(b)-session || int(b[9]) < least {
		return "", false
	}
	m := b[session:]
	// The first byte should be our own address; some BMCs send theirs there.
	if m[1]&^3 != netFnAnswer || m[2] != checksum(m[:2]) || m[5] != capabilities || m[6] != 0 || m[len(m)-1] != checksum(m[3:len(m)-1]) {
		return "", false
	}
	// Byte 3 of the answer, bit 7: the data of version 2.0 follow; byte 5, bit 1: connections of version 2.0 are taken.
	const types, extendedCapabilities = 8, 10
	if m[types]&0x80 != 0 && m[extendedCapabilities]&2 != 0 {
		return "2.0", true
	}
	return "1.5", true
}
