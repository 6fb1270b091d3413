package discovery

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// Key is one thing by which a machine is known, like "bmc 10.0.0.5" or "mac 52:54:00:12:34:56". Two machines don't share one, but for systems behind one BMC, which Decide tells apart by their paths.
type Key string

func bmcKey(e endpoint) Key { return Key("bmc " + e.host) }

func bmcMACKey(mac string) Key { return Key("bmcmac " + strings.ToLower(mac)) }

func uuidKey(uuid string) Key { return Key("uuid " + strings.ToLower(uuid)) }

func macKey(mac string) Key { return Key("mac " + strings.ToLower(mac)) }

func serialKey(serial string) Key { return Key("serial " + strings.ToUpper(strings.TrimSpace(serial))) }

// Keys are those of a found machine, in the order in which they are compared: what an operator says of it counts beside what was found.
func Keys(o *ingot.DiscoveredHost) []Key {
	addresses, macs := addressesOf(o), append([]string{o.Spec.BootMACAddress}, o.Spec.MACAddresses...)
	if a := o.Spec.Accept; a != nil {
		addresses, macs = append(addresses, a.BMCAddress), append(macs, a.BootMACAddress)
	}
	all := keys(addresses, macs, o.Spec.SerialNumber)
	if o.Spec.BMCMACAddress != "" {
		all = append(all, bmcMACKey(o.Spec.BMCMACAddress))
	}
	if k, ok := UUIDKey(o); ok {
		all = append(all, k)
	}
	return all
}

// UUIDKey is what a found BMC's UUID says; false where it told none, or one that tells nothing.
func UUIDKey(o *ingot.DiscoveredHost) (Key, bool) {
	b := o.Status.BMC
	if b == nil || b.UUIDShared || !tellsUUID(b.UUID) {
		return "", false
	}
	return uuidKey(b.UUID), true
}

// addressesOf are the places of a machine's BMC. What a list says stands; a BMC that was found otherwise may have moved since, and is where it answered last.
func addressesOf(o *ingot.DiscoveredHost) []string {
	b := o.Status.BMC
	if o.Spec.Source == ingot.SourceList && o.Spec.BMCAddress != "" {
		return []string{o.Spec.BMCAddress}
	}
	var all []string
	switch {
	case b != nil && !b.Gone:
		all = []string{b.Address}
	case b == nil:
		all = []string{o.Spec.BMCAddress, place(o.Spec.BMCIPAddress)}
	}
	if n := o.Status.Netboot; n != nil && n.BMC {
		all = append(all, place(n.Address))
	}
	return all
}

// place is an IP address in the form of a BMC's; empty for none.
func place(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	return onPort("redfish", a, portRedfish, portRedfish)
}

// RecordKeys are what a host is known by beside its spec: what its BMC and its agent told of themselves.
func RecordKeys(l *ingot.HostLifecycle) []Key {
	uuids := []string{l.Status.MachineUUID}
	if b := l.Status.BMC; b != nil {
		uuids = append(uuids, b.ServiceUUID, b.SystemUUID)
	}
	var all []Key
	for _, u := range uuids {
		if k := uuidKey(u); tellsUUID(u) && !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	return all
}

// tellsUUID says whether a UUID tells machines apart. Boards leave the factory with all digits the same, or with those of AMI's reference code.
func tellsUUID(uuid string) bool {
	u := strings.ToLower(uuid)
	if !uuidPattern.MatchString(u) {
		return false
	}
	digits := strings.ReplaceAll(u, "-", "")
	if strings.Trim(digits, digits[:1]) == "" {
		return false
	}
	return !slices.Contains([]string{"03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009", "12345678-1234-1234-1234-123456789012", "12345678-1234-5678-90ab-cddeefaabbcc"}, u)
}

// HostKeys are those of a host: by its spec, and by what inspection found.
func HostKeys(h *metal3.BareMetalHost) []Key {
	macs, serial := []string{h.Spec.BootMACAddress}, ""
	if d := h.Status.HardwareDetails; d != nil {
		serial = d.SystemVendor.SerialNumber
		for i := range d.NIC {
			macs = append(macs, d.NIC[i].MAC)
		}
	}
	return keys([]string{h.Spec.BMC.Address}, macs, serial)
}

func keys(addresses, macs []string, serial string) []Key {
	var all []Key
	add := func(k Key) {
		if !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	for _, a := range addresses {
		if e, ok := parse(a); ok {
			add(bmcKey(e))
		}
	}
	for _, m := range macs {
		if m != "" {
			add(macKey(m))
		}
	}
	if tells(serial) {
		add(serialKey(serial))
	}
	return all
}

// tells says whether a serial number tells machines apart. Boards leave the factory with these in the place of one (SMBIOS 3.7 §7.2 leaves the text to the vendor).
func tells(serial string) bool {
	s := strings.ToLower(strings.TrimSpace(serial))
	if strings.Trim(s, "0x-. ") == "" {
		return false
	}
	return !slices.Contains([]string{
		"none", "n/a", "na", "unknown", "not specified", "not available", "not applicable", "default string", "to be filled by o.e.m.", "system serial number", "0123456789", "123456789", "1234567890", "empty", "invalid",
	}, s)
}

// endpoint is what of a BMC's address tells BMCs apart.
type endpoint struct {
	// host is the host in lower case, with the port where it is not the scheme's own: a BMC is one, whether it is spoken to by Redfish or by IPMI.
	host string
	// path is the system's, empty where the address names none.
	path string
}

// parse reads an address as far as is needed to compare it. An address that is no URL has no key; making a host of it is refused by the API server, with the reason.
func parse(address string) (endpoint, bool) {
	if address == "" {
		return endpoint{}, false
	}
	if !strings.Contains(address, "://") {
		address = "ipmi://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return endpoint{}, false
	}
	own := "443"
	switch {
	case u.Scheme == "ipmi" || u.Scheme == "libvirt":
		own = "623"
	case strings.HasSuffix(u.Scheme, "+http"):
		own = "80"
	}
	e := endpoint{host: strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), path: strings.TrimRight(u.Path, "/")}
	if p := u.Port(); p != "" && p != own {
		e.host += " port " + p
	}
	if e.path == "/redfish/v1" || e.path == "/redfish/v1/Systems" {
		e.path = ""
	}
	return e, true
}

// twinOf is a host that is this machine, and what both have in words.
func twinOf(o *ingot.DiscoveredHost, hosts []*metal3.BareMetalHost) (*metal3.BareMetalHost, string) {
	mine := Keys(o)
	for _, h := range hosts {
		for _, k := range HostKeys(h) {
			if !slices.Contains(mine, k) || strings.HasPrefix(string(k), "bmc ") && otherSystem(o, h) {
				continue
			}
			return h, describe(k)
		}
	}
	return nil, ""
}

// otherSystem: both addresses name a system, and not the same.
func otherSystem(o *ingot.DiscoveredHost, h *metal3.BareMetalHost) bool {
	address := o.Spec.BMCAddress
	if a := o.Spec.Accept; a != nil {
		address = first(a.BMCAddress, address)
	}
	a, known := parse(address)
	b, theirs := parse(h.Spec.BMC.Address)
	return known && theirs && a.path != "" && b.path != "" && a.path != b.path
}

func describe(k Key) string {
	kind, value, _ := strings.Cut(string(k), " ")
	switch kind {
	case "bmc":
		return "the BMC " + value
	case "uuid":
		return "the UUID " + value
	case "bmcmac":
		return "the BMC's MAC address " + value
	case "mac":
		return "the MAC address " + value
	}
	return "the serial number " + value
}
