package netboot

import (
	"net/netip"
	"time"
)

// AnswerType is a DHCP message type that servers send.
type AnswerType string

// The types.
const (
	Offer  AnswerType = "offer"
	Accept AnswerType = "ack"
	Refuse AnswerType = "nak"
)

// Answer is what to send, as far as it is not a copy of the request.
type Answer struct {
	Type AnswerType
	// Address is the client's, with its network's length; the zero value in proxy mode and in a refusal.
	Address netip.Prefix
	// Lease, Renew (T1) and Rebind (T2) are set with an address.
	Lease, Renew, Rebind time.Duration
	// ServerID is option 54.
	ServerID netip.Addr
	// Gateway and DNSServers are set with an address; Gateway may be invalid.
	Gateway    netip.Addr
	DNSServers []netip.Addr
	NTPServers []netip.Addr
	// VendorClass is option 60, VendorOptions option 43; empty for none.
	VendorClass   string
	VendorOptions []byte
	// BootFile is a TFTP name or a URL; empty for none. NextServer is where TFTP is.
	BootFile   string
	NextServer netip.Addr
	// NoProxy tells iPXE not to wait for a proxyDHCP (its option 175.176).
	NoProxy bool
	// To says where the answer goes.
	To Destination
}

// Destination is where an answer goes (RFC 2131 §4.1).
type Destination struct {
	// Broadcast: to 255.255.255.255, port 68. A client without an address can be reached in no other way by a UDP socket, whatever its broadcast flag says.
	Broadcast bool
	// Source: to where the request came from.
	Source bool
	// Address: to this address, at the client's port 68, or at a relay's port 67.
	Address netip.Addr
	Relay   bool
}

// Silence is why there is no answer. The zero value, Answered, means that there is one.
type Silence string

// The silences. Each is a word in a log and a metric's label.
const (
	Answered             Silence = ""
	SilentOff            Silence = "dhcp-is-off"
	SilentUnknown        Silence = "no-window-for-this-mac"
	SilentNotOpen        Silence = "window-not-open-yet"
	SilentClosed         Silence = "window-closed"
	SilentRedeemed       Silence = "token-already-redeemed"
	SilentNoLease        Silence = "no-address-reserved-for-this-mac"
	SilentOtherServer    Silence = "client-chose-another-server"
	SilentNoFile         Silence = "this-window-boots-no-file"
	SilentArchitecture   Silence = "no-boot-file-for-this-firmware"
	SilentNotProxied     Silence = "proxy-gives-no-addresses"
	SilentWrongPort      Silence = "message-not-meant-for-this-port"
	SilentNothingToSay   Silence = "message-needs-no-answer"
	SilentUnconfigured   Silence = "partition-has-no-boot-server-address"
	SilentForeignAddress Silence = "not-the-address-leased-in-this-window"
)

// pxeDiscoveryControl is option 43 of a PXE answer: PXE_DISCOVERY_CONTROL (6) with bit 3, "use the boot file in this packet, ask no boot server", and the end mark
// (PXE 2.1 table 2-1). Without it UEFI firmware says "PXE-E16: No valid offer received".
var pxeDiscoveryControl = [...]byte{6, 1, 8, 0xff}

// The longest lease. Windows are longer than that where images are large, and the agent renews.
const maxLease = time.Hour

// leaseTimes are the lease for the rest of a window, and when to renew (T1, half of it) and to rebind (T2, seven eighths; RFC 2131 §4.4.5). An address is never leased beyond its
// window, since it may be another machine's afterwards. Whole minutes, so that two servers whose clocks differ a little mostly say the same.
func leaseTimes(left time.Duration) (lease, renew, rebind time.Duration) {
	lease = min(left, maxLease)
	if lease > 2*time.Minute {
		lease = lease.Truncate(time.Minute)
	}
	lease = max(lease.Truncate(time.Second), time.Second)
	return lease, (lease / 2).Truncate(time.Second), (lease * 7 / 8).Truncate(time.Second)
}
