package discovery

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"net/netip"
	"strings"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// The columns of Kea's lease files (memfile backend, kea-leases4.csv and kea-leases6.csv) that matter here.
const (
	keaAddress = "address"
	keaMAC     = "hwaddr"
	keaTime    = "valid_lifetime"
	keaState   = "state"
)

// ReadLeases reads the lease file of a foreign DHCP server, whose leases are BMCs' as far as wanted says so of their addresses: Kea's CSV (the first line has its columns' titles), or dnsmasq's, with a lease in each line. Of the lines of
// one address the last one counts, as both servers append. What has ended is left out where the file says so (Kea's state and lifetime 0); leases without a MAC address, as DHCPv6 has them, are told by their address.
func ReadLeases(text []byte, wanted func(netip.Addr) bool) List {
	r := newReader(nil)
	if len(text) > MaxListBytes {
		r.problem(1, "", "the file has %d bytes, at most %d are read: split it", len(text), MaxListBytes)
		return r.list
	}
	b := leases{r: r, wanted: wanted, at: map[netip.Addr]int{}}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	if bytes.HasPrefix(first, []byte(keaAddress+",")) {
		b.kea(text)
	} else {
		b.dnsmasq(text)
	}
	b.add()
	return r.list
}

// lease is one line that counts.
type lease struct {
	line    int
	address netip.Addr
	mac     string
	ended   bool
}

type leases struct {
	r      *reader
	wanted func(netip.Addr) bool
	all    []lease
	// at is the place of an address in all.
	at map[netip.Addr]int
}

func (b *leases) put(l lease) {
	if !b.wanted(l.address) {
		return
	}
	if i, ok := b.at[l.address]; ok {
		b.all[i] = l
		return
	}
	b.at[l.address] = len(b.all)
	b.all = append(b.all, l)
}

// dnsmasq: "expiry MAC address name client-id", the MAC address with the hardware type before it where it is no Ethernet's; after a line "duid ...": "expiry IAID address name DUID" (lease.c of dnsmasq, which documents it in its man page
// by --dhcp-script).
func (b *leases) dnsmasq(text []byte) {
	line, v6 := 0, false
	for raw := range bytes.Lines(text) {
		line++
		fields := strings.Fields(string(raw))
		switch {
		case len(fields) == 0:
			continue
		case fields[0] == "duid":
			v6 = true
			continue
		}
		const columns = 4
		if len(fields) < columns || strings.Trim(fields[0], "0123456789") != "" {
			b.r.problem(line, "", "it is no lease of dnsmasq (time, MAC address, address, name), and the first line is none of Kea's titles")
			continue
		}
		b.read(line, fields[2], fields[1], v6, false)
	}
}

// kea reads what Kea's memfile backend writes. State 0 is a lease in use, 1 declined, 2 expired and reclaimed; a lifetime of 0 is a lease that was given back.
func (b *leases) kea(text []byte) {
	c := csv.NewReader(bytes.NewReader(text))
	c.FieldsPerRecord, c.LazyQuotes = -1, true
	titles, err := c.Read()
	if err != nil {
		b.r.problem(1, "", "no line of titles can be read: %s", why(err))
		return
	}
	columns := map[string]int{}
	for i, t := range titles {
		columns[strings.TrimSpace(t)] = i
	}
	for _, t := range []string{keaTime, keaState} {
		if _, ok := columns[t]; !ok {
			b.r.problem(1, t, "Kea's lease files have this column, and it is missing")
			return
		}
	}
	for {
		cells, err := c.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		line := lineOf(c, err)
		if err != nil {
			b.r.problem(line, "", "%s", why(err))
			return
		}
		cell := func(title string) string {
			if i, ok := columns[title]; ok && i < len(cells) {
				return strings.TrimSpace(cells[i])
			}
			return ""
		}
		if len(cells) < len(titles) && cell(keaState) == "" {
			b.r.problem(line, "", "it has %d cells, and there are %d columns", len(cells), len(titles))
			continue
		}
		b.read(line, cell(keaAddress), cell(keaMAC), cell(keaMAC) == "", cell(keaState) != "0" || cell(keaTime) == "0")
	}
}

func (b *leases) read(line int, ip, mac string, without, ended bool) {
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Zone() != "" {
		b.r.problem(line, "", "%q is no IP address", ip)
		return
	}
	l := lease{line: line, address: a, ended: ended}
	if _, ethernet, typed := strings.Cut(mac, "-"); typed && strings.Contains(ethernet, ":") {
		// dnsmasq writes the type of other hardware before the address.
		without = true
	}
	if !without && b.wanted(a) {
		if l.mac = b.r.mac(line, "", mac); l.mac == "" {
			return
		}
	}
	b.put(l)
}

// add makes entries of the leases that count.
func (b *leases) add() {
	newest := map[string]int{}
	for _, l := range b.all {
		if !l.ended {
			newest[l.mac] = max(newest[l.mac], l.line)
		}
	}
	for _, l := range b.all {
		// A BMC that got another address has a lease for the old one until that ends.
		if l.ended || l.mac != "" && l.line < newest[l.mac] {
			continue
		}
		if len(b.r.list.Entries) >= maxListEntries {
			b.r.problem(l.line, "", "a list has at most %d machines: split it", maxListEntries)
			return
		}
		e := Entry{Line: l.line, Spec: ingot.DiscoveredHostSpec{Source: ingot.SourceLease, BMCIPAddress: l.address.String(), BMCMACAddress: l.mac}}
		e.Name = "bmc-" + plain(l.address.String())
		if l.mac != "" {
			e.Name = "bmc-mac-" + strings.ReplaceAll(l.mac, ":", "")
		}
		b.r.unique(e)
		b.r.list.Entries = append(b.r.list.Entries, e)
	}
}
