package netboot

import (
	"bytes"
	"crypto/sha256"
	"net/netip"
	"time"
)

// AnswerType6 is a DHCPv6 message type that servers send.
type AnswerType6 string

// The types.
const (
	Advertise AnswerType6 = "advertise"
	Reply     AnswerType6 = "reply"
)

// Status is a DHCPv6 status (RFC 8415 §21.13).
type Status uint16

// The statuses that are sent.
const (
	StatusSuccess   Status = 0
	StatusNoAddress Status = 2
	StatusNoBinding Status = 3
	StatusNotOnLink Status = 4
)

// Answer6 is what to send, as far as it is not a copy of the message.
type Answer6 struct {
	Type AnswerType6
	// ServerID is option 1's counterpart, option 2.
	ServerID []byte
	// Preferred: the client need not wait for other servers' advertisements (option 7 with 255).
	Preferred bool
	// RapidCommit is option 14.
	RapidCommit bool
	// Status is option 13 of the message itself; nil for none.
	Status *Status
	// Associations answer the client's, in its order.
	Associations []Granted
	// DNSServers is option 23.
	DNSServers []netip.Addr
	// NTPServers are option 56 (RFC 5908), one suboption each.
	NTPServers []netip.Addr
	// BootFile is option 59 (RFC 5970); empty for none. VendorClass is the text of option 16, which firmware that boots by HTTP looks for.
	BootFile, VendorClass string
}

// Granted is one IA_NA of an answer.
type Granted struct {
	ID [4]byte
	// Address is the machine's; invalid where it gets none here. Lease is its lifetime, Renew is T1 and Rebind T2.
	Address              netip.Addr
	Lease, Renew, Rebind time.Duration
	// Withdrawn are addresses that the client believes to have and has not: their lifetimes are 0.
	Withdrawn []netip.Addr
	// Status is the association's, StatusSuccess for none.
	Status Status
}

// ServerID6 is the DUID of a partition's boot servers: a DUID-UUID (RFC 6355) made of their address, so that any of them takes up what another one began.
func (s Settings) ServerID6() []byte {
	sum := sha256.Sum256(append([]byte("DHCPv6 server at "), s.BootServer.AsSlice()...))
	id := append([]byte{0, 4}, sum[:16]...)
	id[2+6] = id[2+6]&0x0f | 0x80 // version 8: of our own making (RFC 9562 §5.8)
	id[2+8] = id[2+8]&0x3f | 0x80
	return id
}

// Decide6 answers a DHCPv6 message. W is the window that has the message's MAC, nil for none. There is an answer exactly if the silence is Answered.
func Decide6(s Settings, w *Window, r Request6, now time.Time) (Answer6, Silence) {
	if silence := open6(s, w, r, now); silence != Answered {
		return Answer6{}, silence
	}
	a := Answer6{Type: Reply, ServerID: s.ServerID6(), DNSServers: s.DNSServers, NTPServers: s.NTPServers}
	lease, leased := w.leaseOf6(r.MAC)
	if !leased && r.Type != Inform6 {
		return Answer6{}, SilentNoLease
	}
	switch r.Type {
	case Release6, Decline6:
		// The address is reserved for as long as the window is open, whatever the client thinks of it.
		return Answer6{Type: Reply, ServerID: a.ServerID, Status: status(StatusSuccess)}, Answered
	case Confirm:
		return confirm(a, lease, r)
	case Renew, Rebind:
		a.grant(lease, w, r, now)
		return a, Answered
	case Solicit:
		if !r.RapidCommit {
			a.Type, a.Preferred = Advertise, true
		}
		a.RapidCommit = r.RapidCommit
	case Ask6, Inform6:
	}
	if w.Redeemed {
		return Answer6{}, SilentRedeemed
	}
	if r.Type != Inform6 {
		a.grant(lease, w, r, now)
	}
	return a.withFile(s, *w, r)
}

// open6 are the questions that come before all others. There is no proxy: UEFI knows none over IPv6 (UEFI 2.10 §24.3.4).
func open6(s Settings, w *Window, r Request6, now time.Time) Silence {
	if silence := open(s, w, r.MAC, now); silence != Answered {
		return silence
	}
	switch {
	case s.Mode == Proxy:
		return SilentNotProxied
	case !s.IPv6():
		return SilentUnconfigured
	}
	return r.addressed(s)
}

// addressed says whether a message is for this server, and is one that a client may send (RFC 8415 §16.2 to §16.12).
func (r Request6) addressed(s Settings) Silence {
	switch r.Type {
	case Solicit, Confirm, Rebind:
		if r.ServerID != nil {
			return SilentNothingToSay
		}
	case Ask6, Renew, Release6, Decline6:
		if r.ServerID == nil {
			return SilentNothingToSay
		}
	case Inform6:
		if len(r.Associations) > 0 {
			return SilentNothingToSay
		}
	default:
		return SilentNothingToSay
	}
	if r.ServerID != nil && !bytes.Equal(r.ServerID, s.ServerID6()) {
		return SilentOtherServer
	}
	return Answered
}

// confirm says whether all of a client's addresses belong on this link (RFC 8415 §18.3.3); without any, nothing can be said.
func confirm(a Answer6, lease netip.Prefix, r Request6) (Answer6, Silence) {
	a.Status = status(StatusSuccess)
	asked := false
	for _, ia := range r.Associations {
		for _, addr := range ia.Addresses {
			asked = true
			if !lease.Masked().Contains(addr) {
				a.Status = status(StatusNotOnLink)
			}
		}
	}
	if !asked {
		return Answer6{}, SilentNothingToSay
	}
	a.DNSServers, a.NTPServers = nil, nil
	return a, Answered
}

// grant answers each association. The first one has the machine's address: one address is reserved for one MAC.
func (a *Answer6) grant(lease netip.Prefix, w *Window, r Request6, now time.Time) {
	for i, ia := range r.Associations {
		g := Granted{ID: ia.ID}
		if i == 0 {
			g.Address = lease.Addr()
			g.Lease, g.Renew, g.Rebind = leaseTimes(w.ClosesAt.Sub(now))
		} else {
			g.Status = StatusNoAddress
			if r.Type == Renew || r.Type == Rebind {
				g.Status = StatusNoBinding
			}
		}
		if r.Type != Solicit { // there, addresses are only wishes
			for _, addr := range ia.Addresses {
				if addr != g.Address {
					g.Withdrawn = append(g.Withdrawn, addr)
				}
			}
		}
		a.Associations = append(a.Associations, g)
	}
}

// withFile puts the boot file for the client into an answer, where its window has one.
func (a Answer6) withFile(s Settings, w Window, r Request6) (Answer6, Silence) {
	like := r.likeIPv4()
	if like.Kind() == KindPlain || !w.bootsFile(like) {
		return a, Answered // as with IPv4: an address alone is an answer too
	}
	program := like.program()
	if program == "" {
		return Answer6{}, SilentArchitecture
	}
	switch like.Kind() {
	case KindPXE:
		// No class: an offer with "PXEClient" is one of a boot server for UEFI, which then asks it again at port 4011, and says "PXE-E16: No valid offer" where nothing answers there.
		a.BootFile = "tftp://[" + s.BootServer.String() + "]/" + tftpName(w.BootID, program)
	case KindHTTP:
		a.BootFile, a.VendorClass = s.fileURL(w.BootID, program), vendorHTTP
		if w.Boots == BootsHTTP {
			a.BootFile = w.BootURI
		}
	default:
		a.BootFile = s.fileURL(w.BootID, program)
	}
	return a, Answered
}

func status(s Status) *Status { return &s }
