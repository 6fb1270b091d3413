// Package firstboot writes what an installed system is told at its first boot: who it is, its addresses, its keys, its servers.
//
// It owns the texts: OpenStack's metadata and network data as config drives have them (OpenStack Nova, doc/api_schemas/network_data.json; cloud-init's datasource ConfigDrive reads them), and a
// person's user data with ours beside it (cloud-init, "User data formats", MIME multi-part). It refuses to find out anything: addresses and cards come in.
//
// Which card an address goes onto comes in, too (package cabling decides). A person's user data is passed as it is wherever that is possible.
//
// Invariants: the same facts give the same bytes; nothing is told that was not given.
package firstboot

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/netip"
	"net/textproto"
	"strings"
)

// Metadata is meta_data.json of a machine: its name, and the keys that its first user is logged in by.
func Metadata(hostname string, keys []string) ([]byte, error) {
	m := map[string]any{"name": hostname, "hostname": hostname, "local-hostname": hostname, "local_hostname": hostname}
	if len(keys) > 0 {
		named := map[string]string{}
		for i, k := range keys {
			named[fmt.Sprintf("key-%02d", i)] = k
		}
		m["public_keys"] = named
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write the metadata of %s: %w", hostname, err)
	}
	return text, nil
}

// With is metadata with one more value.
func With(metadata []byte, key, value string) ([]byte, error) {
	var m map[string]any
	if err := json.Unmarshal(metadata, &m); err != nil {
		return nil, fmt.Errorf("read metadata to add %s: %w", key, err)
	}
	m[key] = value
	return json.Marshal(m)
}

// Address is one that a machine has.
type Address struct {
	Prefix netip.Prefix
	// Gateway is the router of its subnet, invalid where there is none.
	Gateway netip.Addr
	// MAC is the card's; empty: the one that all others are on.
	MAC string
	// VLAN is the tag of its frames there, 0 for none.
	VLAN int
}

type link struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	// MAC is a card's; the others are a VLAN's, whose card has the ID Card.
	MAC     string `json:"ethernet_mac_address,omitempty"`
	Card    string `json:"vlan_link,omitempty"`
	VLAN    int    `json:"vlan_id,omitempty"`
	VLANMAC string `json:"vlan_mac_address,omitempty"`
}

// links are those that addresses go onto, each once, with the cards of VLANs before those.
type links struct{ all []link }

// of is the ID of the link of a card and a VLAN.
func (l *links) of(mac string, vlan int) string {
	mac = strings.ToLower(mac)
	card, cards := "", 0
	for _, x := range l.all {
		if x.VLAN == 0 {
			cards++
		}
		if x.VLAN == 0 && x.MAC == mac {
			card = x.ID
		}
	}
	if card == "" {
		card = fmt.Sprintf("nic%d", cards)
		l.all = append(l.all, link{ID: card, Type: "phy", MAC: mac})
	}
	if vlan == 0 {
		return card
	}
	id := fmt.Sprintf("%s.%d", card, vlan)
	for _, x := range l.all {
		if x.ID == id {
			return id
		}
	}
	l.all = append(l.all, link{ID: id, Type: "vlan", Card: card, VLAN: vlan, VLANMAC: mac})
	return id
}

type route struct {
	Network string `json:"network"`
	Netmask string `json:"netmask"`
	Gateway string `json:"gateway"`
}

type network struct {
	ID      string  `json:"id"`
	Type    string  `json:"type"`
	Link    string  `json:"link"`
	Address string  `json:"ip_address,omitempty"`
	Netmask string  `json:"netmask,omitempty"`
	Routes  []route `json:"routes,omitempty"`
}

type service struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

// NetworkData is network_data.json: addresses on their cards, or on the one with this MAC address, where the first with a gateway of its family is that family's way out, and name servers. Without addresses the card is set up by
// DHCP, as it is without any network data.
func NetworkData(mac string, addresses []Address, dns []netip.Addr) ([]byte, error) {
	var on links
	out := struct {
		Links    []link    `json:"links"`
		Networks []network `json:"networks"`
		Services []service `json:"services"`
	}{nil, []network{}, []service{}}
	routed := map[bool]bool{}
	for i, a := range addresses {
		v4 := a.Prefix.Addr().Is4()
		n := network{ID: fmt.Sprintf("network%d", i), Type: "ipv6", Link: on.of(cmp.Or(a.MAC, mac), a.VLAN), Address: a.Prefix.Addr().String(), Netmask: mask(a.Prefix)}
		any6 := netip.IPv6Unspecified().String()
		r := route{any6, any6, a.Gateway.String()}
		if v4 {
			any4 := netip.IPv4Unspecified().String()
			n.Type, r.Network, r.Netmask = "ipv4", any4, any4
		}
		if a.Gateway.IsValid() && a.Gateway.Is4() == v4 && !routed[v4] {
			routed[v4] = true
			n.Routes = []route{r}
		}
		out.Networks = append(out.Networks, n)
	}
	if len(addresses) == 0 {
		out.Networks = append(out.Networks, network{ID: "network0", Type: "ipv4_dhcp", Link: on.of(mac, 0)})
	}
	out.Links = on.all
	for _, a := range dns {
		out.Services = append(out.Services, service{"dns", a.String()})
	}
	text, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("write the network data of card %s: %w", mac, err)
	}
	return text, nil
}

// mask is a prefix's netmask in the form of an address, which is how network data has it for both families.
func mask(p netip.Prefix) string {
	all := bytes.Repeat([]byte{0xff}, p.Addr().BitLen()/8)
	ones, _ := netip.AddrFromSlice(all)
	m, err := ones.Prefix(p.Bits())
	if err != nil {
		return ""
	}
	return m.Masked().Addr().String()
}

// kinds are what user data begins with, and what cloud-init calls it.
func kinds() map[string]string {
	return map[string]string{
		"#cloud-config": "text/cloud-config", "#!": "text/x-shellscript", "#include": "text/x-include-url", "#cloud-boothook": "text/cloud-boothook", "## template: jinja": "text/jinja2",
		"#cloud-config-archive": "text/cloud-config-archive", "#cloud-config-jsonp": "text/cloud-config-jsonp",
	}
}

// kind is what user data is; empty: nothing that ours can stand beside.
func kind(user []byte) string {
	best, found := "", ""
	for begin, name := range kinds() {
		if bytes.HasPrefix(user, []byte(begin)) && len(begin) > len(best) {
			best, found = begin, name
		}
	}
	return found
}

// Part is something of ours that a system is told beside a person's user data.
type Part struct {
	// Kind is what cloud-init calls it, like "text/x-shellscript".
	Kind, Name string
	Text       []byte
}

// UserData is a person's user data with time servers and other parts beside it. Where there are such and the user data is nothing that cloud-init takes together with others (Ignition, an archive, MIME already), joined is
// false, and the text is the person's alone. What the person says of time servers counts before ours.
func UserData(user []byte, ntp []string, more ...Part) (text []byte, joined bool, err error) {
	var parts []Part
	if len(ntp) > 0 {
		servers, err := json.Marshal(map[string]any{"ntp": map[string]any{"enabled": true, "servers": ntp}})
		if err != nil {
			return nil, false, fmt.Errorf("write the time servers: %w", err)
		}
		// JSON is YAML.
		parts = append(parts, Part{"text/cloud-config", "servers", append([]byte("#cloud-config\n"), append(servers, '\n')...)})
	}
	parts = append(parts, more...)
	switch {
	case len(parts) == 0:
		return user, true, nil
	case len(user) == 0 && len(parts) == 1:
		return parts[0].Text, true, nil
	case len(user) > 0 && kind(user) == "":
		return user, false, nil
	case len(user) > 0:
		parts = append([]Part{{kind(user), "user-data", user}}, parts...)
	}
	text, err = together(parts)
	return text, err == nil, err
}

// together is a message of several parts.
func together(parts []Part) ([]byte, error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	sum := sha256.New()
	for _, p := range parts {
		sum.Write(p.Text)
	}
	if err := w.SetBoundary("ingot-" + hex.EncodeToString(sum.Sum(nil)[:12])); err != nil {
		return nil, fmt.Errorf("join user data: %w", err)
	}
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%q\r\nMIME-Version: 1.0\r\n\r\n", w.Boundary())
	for _, part := range parts {
		p, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Type":              {part.Kind + `; charset="utf-8"`},
			"Content-Transfer-Encoding": {"base64"},
			"Content-Disposition":       {fmt.Sprintf("attachment; filename=%q", part.Name)},
		})
		if err != nil {
			return nil, fmt.Errorf("join user data: %w", err)
		}
		if err := lines(p, part.Text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("join user data: %w", err)
	}
	return b.Bytes(), nil
}

// lines writes base64 in lines of 76 (RFC 2045 §6.8).
func lines(w interface{ Write([]byte) (int, error) }, text []byte) error {
	const width = 76
	rest := base64.StdEncoding.EncodeToString(text)
	for len(rest) > 0 {
		n := min(width, len(rest))
		if _, err := w.Write([]byte(rest[:n] + "\r\n")); err != nil {
			return fmt.Errorf("join user data: %w", err)
		}
		rest = rest[n:]
	}
	return nil
}
