package markdown

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

// propertyOf reads a security cell.
func propertyOf(cell string) (matrix.Property, string) {
	switch cell {
	case "x", "X":
		return matrix.Property{State: matrix.Holds}, ""
	case "":
		return matrix.Property{}, ""
	case "?":
		return matrix.Property{State: matrix.Unknown}, ""
	case exception:
		return matrix.Property{State: matrix.Excepted}, ""
	}
	return matrix.Property{}, fmt.Sprintf("%q is no security cell: x where it holds, %s where it does not, ? where nobody knows, empty where nobody said", cell, exception)
}

// exception marks what does not hold, for a reason that a table has no room for.
const exception = "-"

func propertyText(p matrix.Property) string {
	switch p.State {
	case matrix.Holds:
		return "x"
	case matrix.Unknown:
		return "?"
	case matrix.Excepted:
		return exception
	case matrix.Blank:
	}
	return ""
}

// wireOf reads the cell of the protocol: an application ("HTTPS"), one over a protocol that it does not usually have ("DNS/tcp"), the bare name of a protocol ("tcp",
// "SCTP"), or the number of one ("112").
func wireOf(cell string) (matrix.Protocol, matrix.Application, string) {
	name, over, has := strings.Cut(cell, "/")
	if has {
		app, ok := applicationOf(strings.TrimSpace(name))
		below, known := bareOf(strings.TrimSpace(over))
		// TCP and UDP are protocols that the list of applications has too: neither runs over the other.
		if _, alsoProtocol := bareOf(string(app.Application)); !ok || !known || alsoProtocol {
			return "", "", fmt.Sprintf("%q is no protocol: an application over a protocol, like DNS/tcp; two protocols are two rows", cell)
		}
		return below, app.Application, ""
	}
	if p := matrix.Protocol(cell); p.Valid() {
		return p, "", ""
	}
	if app, ok := applicationOf(cell); ok {
		return app.Transports[0], app.Application, ""
	}
	if p, ok := bareOf(cell); ok {
		return p, "", ""
	}
	var all []string
	for _, n := range matrix.Applications() {
		all = append(all, string(n.Application))
	}
	return "", "", fmt.Sprintf("%q is no protocol: one of %s, ICMP, ICMPv6, SCTP, UDPLite, or an IP protocol's number from 1 to 255", cell, strings.Join(all, ", "))
}

func applicationOf(cell string) (matrix.Nature, bool) {
	all := matrix.Applications()
	i := slices.IndexFunc(all, func(n matrix.Nature) bool { return strings.EqualFold(string(n.Application), cell) })
	if i < 0 {
		return matrix.Nature{}, false
	}
	return all[i], true
}

// bareOf reads a protocol's name or number.
func bareOf(cell string) (matrix.Protocol, bool) {
	p := matrix.Protocol(strings.ToLower(cell))
	if n, ok := p.Number(); ok {
		return matrix.ProtocolOf(n), true
	}
	return p, p.Valid()
}

// wireText is what wireOf reads back.
func wireText(p matrix.Protocol, a matrix.Application) string {
	nature, ok := matrix.NatureOf(a)
	switch {
	case ok && nature.Transports[0] == p:
		return string(a)
	case ok:
		return string(a) + "/" + string(p)
	}
	if _, taken := applicationOf(string(p)); taken {
		return string(p)
	}
	return strings.ToUpper(string(p))
}

// noPorts are the cells that say nothing of ports.
var noPorts = []string{"", "-", "*", "any", "(any)", "all"}

// portsOf reads "443", "67/68", "80, 443" and "30000-32767".
func portsOf(cell string) (matrix.Ports, string) {
	if slices.Contains(noPorts, strings.ToLower(cell)) {
		return nil, ""
	}
	var ports matrix.Ports
	dashes := strings.NewReplacer("–", "-", " - ", "-", " – ", "-")
	for part := range strings.FieldsFuncSeq(dashes.Replace(cell), func(c rune) bool { return strings.ContainsRune("/,; ", c) }) {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 16)
		last, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil || first == 0 || last < first {
			return nil, fmt.Sprintf("%q is no port: a number from 1 to 65535, a list like 67/68, or a range like 30000-32767 with the smaller one first", part)
		}
		ports = append(ports, matrix.PortRange{First: uint16(first), Last: uint16(last)})
	}
	if ports == nil {
		return nil, fmt.Sprintf("%q is no port: a number from 1 to 65535, a list like 67/68, or a range like 30000-32767", cell)
	}
	return ports, ""
}

func portsText(ports matrix.Ports) string { return strings.ReplaceAll(ports.String(), ",", "/") }
