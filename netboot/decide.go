package netboot

import (
	"net/netip"
	"slices"
	"time"
)

// Decide answers a DHCP packet. W is the window that has the packet's MAC, nil for none. There is an answer exactly if the silence is Answered.
func Decide(s Settings, w *Window, r Request, now time.Time) (Answer, Silence) {
	if silence := open(s, w, r.MAC, now); silence != Answered {
		return Answer{}, silence
	}
	if !s.BootServer.Is4() || s.BootServer.IsUnspecified() {
		return Answer{}, SilentUnconfigured
	}
	if s.Mode == Proxy {
		return decideProxy(s, *w, r)
	}
	return decideServer(s, *w, r, now)
}

// open are the questions that come before all others.
func open(s Settings, w *Window, m MAC, now time.Time) Silence {
	switch {
	case s.Mode != Server && s.Mode != Proxy:
		return SilentOff
	case w == nil || !slices.Contains(w.MACs, m):
		return SilentUnknown
	case now.Before(w.OpensAt):
		return SilentNotOpen
	case !w.Open(now):
		return SilentClosed
	}
	return Answered
}

// decideProxy answers firmware and iPXE with a boot file and no address. The boot file is in the offer already; firmware that asks again does so at port 4011.
func decideProxy(s Settings, w Window, r Request) (Answer, Silence) {
	a := Answer{ServerID: s.BootServer}
	switch {
	case r.Type == Discover && !r.PXEPort:
		a.Type, a.To = Offer, toClient(r)
	case (r.Type == Ask || r.Type == Inform) && r.PXEPort:
		a.Type, a.To = Accept, Destination{Source: true}
	case r.Type == Ask || r.Type == Inform:
		return Answer{}, SilentNotProxied
	case r.PXEPort:
		return Answer{}, SilentWrongPort
	default:
		return Answer{}, SilentNothingToSay
	}
	if r.Kind() == KindPlain {
		return Answer{}, SilentNotProxied
	}
	if silence := a.addFile(s, w, r); silence != Answered {
		return Answer{}, silence
	}
	if r.Kind() == KindIPXE {
		a.VendorClass = vendorPXE // iPXE takes an offer without an address for a proxy's only with this class
	}
	return a, Answered
}

// decideServer answers with the reserved address, and with a boot file where the window has one for this client.
func decideServer(s Settings, w Window, r Request, now time.Time) (Answer, Silence) {
	if r.PXEPort {
		return Answer{}, SilentWrongPort
	}
	if r.Type != Discover && r.Type != Ask {
		return Answer{}, SilentNothingToSay
	}
	lease, ok := w.LeaseOf(r.MAC)
	if !ok {
		return Answer{}, SilentNoLease
	}
	a := Answer{Type: Offer, Address: lease, ServerID: s.BootServer, Gateway: s.Gateway, DNSServers: s.DNSServers, NTPServers: s.NTPServers, To: toClient(r)}
	a.Lease, a.Renew, a.Rebind = leaseTimes(w.ClosesAt.Sub(now))
	if r.Type == Ask {
		a.Type = Accept
		if silence := claim(s, lease.Addr(), r, &a); silence != Answered || a.Type == Refuse {
			return a.orNothing(silence)
		}
	}
	if w.Redeemed {
		if r.Type == Ask && present(r.Current) {
			return a, Answered
		}
		return Answer{}, SilentRedeemed
	}
	return a.orNothing(a.addFileOrNone(s, w, r))
}

// claim checks what a client believes that its address is, in the three states that RFC 2131 §4.3.2 tells apart.
func claim(s Settings, lease netip.Addr, r Request, a *Answer) Silence {
	if present(r.ServerID) && r.ServerID != s.BootServer {
		return SilentOtherServer // SELECTING, and it selected somebody else
	}
	claimed := r.Requested // SELECTING, INIT-REBOOT
	if present(r.Current) {
		claimed = r.Current // RENEWING, REBINDING
		a.To = Destination{Address: r.Current}
		if present(r.Relay) {
			a.To = Destination{Address: r.Relay, Relay: true}
		}
	}
	if claimed != lease {
		// RFC 2131 §4.3.2: a NAK is broadcast, or goes to the relay. Never to an address that the packet claims.
		r.Current = netip.Addr{}
		*a = Answer{Type: Refuse, ServerID: s.BootServer, To: toClient(r)}
	}
	return Answered
}

// addFile puts the boot file for the client into the answer.
func (a *Answer) addFile(s Settings, w Window, r Request) Silence {
	switch {
	case !w.bootsFile(r):
		return SilentNoFile
	case w.Redeemed:
		return SilentRedeemed
	}
	program := r.program()
	if program == "" {
		return SilentArchitecture
	}
	a.NextServer = s.BootServer
	switch r.Kind() {
	case KindPXE:
		a.BootFile = tftpName(w.BootID, program)
		a.VendorClass, a.VendorOptions = vendorPXE, slices.Clone(pxeDiscoveryControl[:])
	case KindHTTP:
		if w.Boots == BootsHTTP {
			a.BootFile, a.VendorClass = w.BootURI, vendorHTTP
			return Answered
		}
		a.BootFile, a.VendorClass = s.fileURL(w.BootID, program), vendorHTTP
	default:
		a.BootFile = s.fileURL(w.BootID, program)
		a.NoProxy = s.Mode == Server
	}
	return Answered
}

// addFileOrNone is addFile where an address alone is an answer too: for clients that want no file, and in windows that have none. Firmware that gets an address and no file
// goes on to the next boot device at once; unanswered, it would wait for a minute.
func (a *Answer) addFileOrNone(s Settings, w Window, r Request) Silence {
	if r.Kind() == KindPlain || !w.bootsFile(r) {
		return Answered
	}
	return a.addFile(s, w, r)
}

// bootsFile says whether a window has a file for a client: in one that boots by HTTP only the firmware's HTTP client is told of it, and PXE goes on to the next device.
func (w Window) bootsFile(r Request) bool {
	return w.Boots == BootsAgent || w.Boots == BootsHTTP && r.Kind() == KindHTTP
}

func (a Answer) orNothing(silence Silence) (Answer, Silence) {
	if silence != Answered {
		return Answer{}, silence
	}
	return a, Answered
}

// toClient is where an answer to a client without an address goes.
func toClient(r Request) Destination {
	if present(r.Relay) {
		return Destination{Address: r.Relay, Relay: true}
	}
	return Destination{Broadcast: true}
}

func present(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }
