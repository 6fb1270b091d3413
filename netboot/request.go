package netboot

import (
	"net/netip"
	"strings"
)

// MessageType is a DHCP message type that clients send (RFC 2132 §9.6).
type MessageType string

// The types.
const (
	Discover MessageType = "discover"
	Ask      MessageType = "request"
	Inform   MessageType = "inform"
	Decline  MessageType = "decline"
	Release  MessageType = "release"
)

// Request is a decoded DHCP packet of a client, as far as the answer depends on it.
type Request struct {
	Type MessageType
	// PXEPort: it came to port 4011, where PXE clients ask the proxy itself (PXE 2.1 §2.2.5), not to port 67.
	PXEPort bool
	MAC     MAC
	// VendorClass is option 60, UserClass option 77.
	VendorClass string
	UserClass   []string
	// Architectures is option 93 (RFC 4578 §2.1), in the client's order.
	Architectures []Architecture
	// MachineID is option 97 as sent; nil for none.
	MachineID []byte
	// ServerID is option 54, Requested option 50, Current the field ciaddr, Relay the field giaddr. Invalid or 0.0.0.0: none.
	ServerID, Requested, Current, Relay netip.Addr
}

// Architecture is a client's firmware type (RFC 4578 §2.1, IANA "Processor Architecture Types").
type Architecture uint16

// The ones that Ingot has a boot file for, and those of ARM, to be named.
const (
	ArchBIOS       Architecture = 0
	ArchUEFIx64    Architecture = 7 // "EFI BC" in RFC 4578, x86-64 in practice and with IANA
	ArchUEFIx64Alt Architecture = 9
	ArchHTTPx64    Architecture = 16
)

// Kind is what sort of program a client is.
type Kind string

// The kinds.
const (
	// KindPlain wants an address: the agent, an operating system.
	KindPlain Kind = "plain"
	// KindIPXE wants a script.
	KindIPXE Kind = "ipxe"
	// KindPXE is firmware that loads over TFTP, KindHTTP firmware that loads over HTTP (UEFI 2.10 §24.7).
	KindPXE  Kind = "pxe"
	KindHTTP Kind = "http"
)

// Vendor classes that firmware begins option 60 with, and that answers must carry.
const (
	vendorPXE  = "PXEClient"
	vendorHTTP = "HTTPClient"
	userIPXE   = "iPXE"
)

// Kind says which kind sent the request. iPXE sends PXEClient as its vendor class too, so the user class is asked first.
func (r Request) Kind() Kind {
	for _, class := range r.UserClass {
		if class == userIPXE {
			return KindIPXE
		}
	}
	switch {
	case strings.HasPrefix(r.VendorClass, vendorPXE):
		return KindPXE
	case strings.HasPrefix(r.VendorClass, vendorHTTP):
		return KindHTTP
	}
	return KindPlain
}

// program is the boot file for a kind on its firmware; empty for none.
func (r Request) program() string {
	kind := r.Kind()
	if kind == KindIPXE {
		return FileScript
	}
	for _, arch := range r.Architectures {
		switch {
		case kind == KindPXE && arch == ArchBIOS:
			return FileUNDIOnly
		case kind == KindPXE && (arch == ArchUEFIx64 || arch == ArchUEFIx64Alt):
			return FileSNPOnly
		case kind == KindHTTP && arch == ArchHTTPx64:
			return FileIPXE
		}
	}
	return ""
}
