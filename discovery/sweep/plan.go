package sweep

import (
	"hash/fnv"
	"net/netip"
	"slices"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// ProbesPerAddress is what asking one address costs of the rate: Redfish and IPMI.
const ProbesPerAddress = 2

// Defaults of a Partition that leaves them out, as its schema has them too.
const (
	DefaultInterval = 6 * time.Hour
	DefaultRate     = 20
)

// Pass is one way through all ranges. The zero value has no addresses. It is not for concurrent use.
type Pass struct {
	ranges         Ranges
	at, step, left int
}

// NewPass begins a pass. Neighbours in the ranges, which often share a switch and a power supply, are not asked one after the other; the seed says which comes when.
func NewPass(r Ranges, seed uint64) *Pass {
	p := &Pass{ranges: r, left: r.size}
	if r.size == 0 {
		return p
	}
	n := uint64(r.size)
	p.at = int(seed % n)
	// A step without a common divisor visits each address once. About 0.618 of the size keeps following ones far apart (the golden ratio).
	p.step = max(int(float64(n)*0.618), 1)
	for gcd(p.step, r.size) != 1 {
		p.step++
	}
	return p
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Next is the address to be asked next; false when all were.
func (p *Pass) Next() (netip.Addr, bool) {
	if p.left == 0 {
		return netip.Addr{}, false
	}
	a := p.ranges.At(p.at)
	p.at, p.left = (p.at+p.step)%p.ranges.size, p.left-1
	return a, true
}

// Pace spreads what is asked evenly over time. The zero value asks DefaultRate probes a second.
type Pace struct {
	// ProbesPerSecond is the rate; 0: DefaultRate.
	ProbesPerSecond int
	next            time.Time
}

// Take reserves the place of one address, and says when it may be asked: now, or later. Time that was not used is not made up for.
func (p *Pace) Take(now time.Time) time.Time {
	rate := p.ProbesPerSecond
	if rate <= 0 {
		rate = DefaultRate
	}
	at := now
	if p.next.After(now) {
		at = p.next
	}
	p.next = at.Add(time.Second * ProbesPerAddress / time.Duration(rate))
	return at
}

// Seed is a number of a partition and of a time, for the order and the jitter of a pass.
func Seed(partition string, at time.Time) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(partition + " " + at.UTC().Format(time.RFC3339)))
	return h.Sum64()
}

// Due says when the next pass begins; a time that is not after now: at once. Request is the Partition's ScanAnnotation.
func Due(partition string, scan ingot.BMCScan, request string, last *ingot.BMCScanStatus, now time.Time) time.Time {
	switch {
	case last == nil || last.StartedAt == nil:
		return now
	case request != last.Request && request != "":
		return now
	case !slices.Equal(scan.Ranges, last.Ranges):
		return now
	case last.FinishedAt == nil || last.FinishedAt.Before(last.StartedAt):
		// A restart broke it off.
		return now
	}
	interval := time.Duration(scan.IntervalMinutes) * time.Minute
	if interval <= 0 {
		interval = DefaultInterval
	}
	// A tenth more or less, so that sites that were set up together do not ask together for ever.
	tenth := interval / 10
	jitter := time.Duration(Seed(partition, last.StartedAt.Time) % uint64(2*tenth+1))
	return last.StartedAt.Add(interval - tenth + jitter)
}

// againAfter is the pause between two times that one address is asked out of turn.
const againAfter = 10 * time.Minute

// MostWanted bounds how many addresses are asked out of turn at once, and how many Wanted remembers.
const MostWanted = 256

// Wanted keeps which addresses were asked out of turn. The zero value is empty. It is not for concurrent use.
type Wanted struct{ asked map[netip.Addr]time.Time }

// Of are the addresses that machines which DHCP or a lease told of have, which were not asked yet, and which are in the ranges; they count as asked from now on.
func (w *Wanted) Of(objects []ingot.DiscoveredHost, partition string, r Ranges, now time.Time) []netip.Addr {
	for a, at := range w.asked {
		if now.Sub(at) >= againAfter {
			delete(w.asked, a)
		}
	}
	var out []netip.Addr
	for i := range objects {
		o := &objects[i]
		if o.Spec.Partition != partition || o.Spec.Ignore || o.Status.Host != nil {
			continue
		}
		for _, a := range Told(o) {
			_, asked := w.asked[a]
			if !asked && len(w.asked) < MostWanted && r.Contains(a) && !answersAt(o, a) {
				if w.asked == nil {
					w.asked = map[netip.Addr]time.Time{}
				}
				w.asked[a] = now
				out = append(out, a)
			}
		}
	}
	return out
}

// Told are the addresses that a machine's BMC has by DHCP or by a lease.
func Told(o *ingot.DiscoveredHost) []netip.Addr {
	texts := []string{o.Spec.BMCIPAddress}
	if n := o.Status.Netboot; n != nil && n.BMC && n.Address != "" {
		texts = []string{n.Address}
	}
	var out []netip.Addr
	for _, t := range texts {
		if a, err := netip.ParseAddr(t); err == nil {
			out = append(out, a)
		}
	}
	return out
}

// answersAt says whether the machine's BMC answered at that address before.
func answersAt(o *ingot.DiscoveredHost, a netip.Addr) bool {
	b := o.Status.BMC
	return b != nil && !b.Gone && b.IPAddress == a.String()
}
