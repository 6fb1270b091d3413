// Package sighting keeps what was heard from machines that asked to boot and have no window.
//
// It owns the bounds: how many machines are held, in memory (Book) and in the one object of a partition (Merge), and which go when there are too many. It refuses answers, and objects' writes. MAC
// addresses cost nothing to make up, so that the number of machines heard means nothing: whoever repeats itself stays, and who was heard once goes first.
//
// Invariants: a book and a record never hold more than Most machines, whatever comes in; what a client says of itself is kept only as printable ASCII of bounded length.
package sighting

import (
	"cmp"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/discovery"
	"github.com/ingotmetal/ingot/netboot"
)

// Most is how many machines a book or a record holds: a hall of racks that is turned on at once.
const Most = 256

// Forget is when a machine that is not heard any more leaves the record.
const Forget = 24 * time.Hour

// maxText is how much of option 60 is kept: "PXEClient:Arch:xxxxx:UNDI:yyyzzz" has 32 bytes (PXE 2.1 §2.4).
const maxText = 64

// Book holds what one boot server heard since it last wrote. The zero value is empty. It is not for concurrent use.
type Book struct {
	machines map[netboot.MAC]*ingot.NetbootMachine
	// Dropped counts requests of machines that had no room.
	Dropped int64
}

// Netboots says whether a request is one of a machine that boots. An operating system's request for an address is not: it may be anything that is plugged in.
func Netboots(r netboot.Request) bool {
	return r.Kind() != netboot.KindPlain && (r.Type == netboot.Discover || r.Type == netboot.Ask)
}

// BMC says whether a request is one of a BMC that wants an address; also are the site's own vendor classes.
func BMC(r netboot.Request, also []string) bool {
	return r.Kind() == netboot.KindPlain && (r.Type == netboot.Discover || r.Type == netboot.Ask) && discovery.IsBMC(r.VendorClass, also)
}

// Hear notes a request, bmc for one of a BMC. It is dropped where the book is full, and its machine is not in it.
func (b *Book) Hear(r netboot.Request, bmc bool, now time.Time) {
	m := b.machines[r.MAC]
	if m == nil {
		if len(b.machines) >= Most {
			b.Dropped++
			return
		}
		if b.machines == nil {
			b.machines = map[netboot.MAC]*ingot.NetbootMachine{}
		}
		m = &ingot.NetbootMachine{MACAddress: r.MAC.String()}
		m.FirstSeen = metav1.NewTime(now)
		b.machines[r.MAC] = m
	}
	m.LastSeen = metav1.NewTime(now)
	m.Requests++
	m.VendorClass, m.MachineID, m.Architecture = printable(r.VendorClass), machineID(r.MachineID), nil
	if len(r.Architectures) > 0 {
		a := int32(r.Architectures[0])
		m.Architecture = &a
	}
	if m.BMC = bmc; bmc {
		m.Address = cmp.Or(addressOf(r), m.Address)
	}
}

// addressOf is what a client says to have, or asks for (RFC 2131 §4.3.2).
func addressOf(r netboot.Request) string {
	for _, a := range []netip.Addr{r.Current, r.Requested} {
		if a.IsValid() && !a.IsUnspecified() && a.Zone() == "" {
			return a.String()
		}
	}
	return ""
}

// Take empties the book and gives what was in it.
func (b *Book) Take() []ingot.NetbootMachine {
	all := make([]ingot.NetbootMachine, 0, len(b.machines))
	for _, m := range b.machines {
		all = append(all, *m)
	}
	slices.SortFunc(all, byAddress)
	b.machines, b.Dropped = nil, 0
	return all
}

// Merge adds what was heard to a record's machines. Those that were not heard for long go, and, where there are too many, those that were heard least.
func Merge(record, heard []ingot.NetbootMachine, now time.Time) []ingot.NetbootMachine {
	by := map[string]ingot.NetbootMachine{}
	for _, m := range record {
		by[m.MACAddress] = m
	}
	for _, m := range heard {
		if old, ok := by[m.MACAddress]; ok {
			m.Requests += old.Requests
			m.FirstSeen = earlier(m.FirstSeen, old.FirstSeen)
			if m.BMC {
				m.Address = cmp.Or(m.Address, old.Address)
			}
			if m.LastSeen.Before(&old.LastSeen) {
				m.LastSeen = old.LastSeen
			}
		}
		by[m.MACAddress] = m
	}
	all := make([]ingot.NetbootMachine, 0, len(by))
	for _, m := range by {
		if now.Sub(m.LastSeen.Time) < Forget {
			all = append(all, m)
		}
	}
	if len(all) > Most {
		slices.SortFunc(all, func(a, b ingot.NetbootMachine) int {
			return cmp.Or(cmp.Compare(b.Requests, a.Requests), a.FirstSeen.Compare(b.FirstSeen.Time), byAddress(a, b))
		})
		all = all[:Most]
	}
	slices.SortFunc(all, byAddress)
	return all
}

func byAddress(a, b ingot.NetbootMachine) int { return strings.Compare(a.MACAddress, b.MACAddress) }

func earlier(a, b metav1.Time) metav1.Time {
	if b.Before(&a) {
		return b
	}
	return a
}

// printable is a client's text with what is no printable ASCII as dots, and no longer than maxText.
func printable(s string) string {
	b := []byte(s[:min(len(s), maxText)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '.'
		}
	}
	return string(b)
}

// machineID writes option 97 as a UUID: type 0 and 16 bytes (RFC 4578 §2.3). Anything else, and the zeros of firmware that has none, are nothing.
func machineID(option []byte) string {
	const length = 17
	if len(option) != length || option[0] != 0 || slices.Max(option) == 0 {
		return ""
	}
	h := hex.EncodeToString(option[1:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
