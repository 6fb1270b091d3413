package ledger

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// hostBits is how many bits of an address are within its record: 64 addresses, as Calico's blocks have, are 9 KiB at most.
const hostBits = 6

// record is an AddressRecord: what is stored, and what is to be.
type record struct {
	name     string
	vrf      string
	block    netip.Prefix
	networks []ingot.RecordedNetwork

	// version is the resource version of what is stored, empty where nothing is. unknown says that a write's outcome is: it is read before the next one.
	version string
	unknown bool
	// floor is the latest version that is known, also of what was deleted since.
	floor string
	// entries is what the record has once the changes are stored. A change without an entry takes one away.
	entries map[netip.Addr]*entry
	stored  map[netip.Addr]*entry
	changes map[netip.Addr]*change

	flushing bool
	written  time.Time
	// kicked is when the first of the changes that wait was made.
	kicked time.Time
	// unlabelled: what is stored does not say in its labels whose IPs it has.
	unlabelled bool
	// seen is the latest version that was observed during a write.
	seen string
}

// entry is an address that is held, or rests until a time.
type entry struct {
	record  *record
	address netip.Addr
	pool    string
	claim   Claim
	as      string
	turn    int64
	until   time.Time
	// pending is the mark of an entry that is not counted against quotas yet: see count.go.
	pending string
}

func (e *entry) holder() string {
	if e.as != "" {
		return e.as
	}
	return e.claim.Key()
}

// same says whether two entries are of one claim and in the same condition.
func (e *entry) same(o *entry) bool {
	return o != nil && e.claim == o.claim && e.pool == o.pool && e.until.IsZero() == o.until.IsZero()
}

// exact says whether two entries are the same, and neither was counted since.
func (e *entry) exact(o *entry) bool { return e.same(o) && e.pending == o.pending }

// change is one that is not stored yet.
type change struct {
	// to is nil where the address becomes free; from is what it takes away or replaces, nil where the address was free.
	to, from *entry
	// strict: from must be stored exactly so, with its mark. A confirmation and the giving up of what was not counted are.
	strict bool
	// before is a release of the same address that is stored with this change.
	before *change
	done   chan struct{}
	// err is read after done: errLost, or why nothing could be stored.
	err error
}

func (l *Ledger) record(name string) *record {
	r := l.records[name]
	if r == nil {
		r = &record{name: name, entries: map[netip.Addr]*entry{}, stored: map[netip.Addr]*entry{}, changes: map[netip.Addr]*change{}}
		l.records[name] = r
	}
	return r
}

func blockOf(a netip.Addr) netip.Prefix {
	p, _ := a.Prefix(a.BitLen() - hostBits)
	return p
}

// recordName is one for each block of each VRF, and a name that an object may have.
func recordName(vrf string, block netip.Prefix) string {
	if block.Addr().Is4() {
		return vrf + ".v4." + strings.ReplaceAll(block.Addr().String(), ".", "-")
	}
	b := block.Addr().As16()
	return vrf + ".v6." + hex.EncodeToString(b[:])
}

func networksName(vrf string) string { return vrf + ".networks" }

const numbersName = "numbers"

// replace makes what is stored the content of an object, and keeps what is to be changed on it. Changes that are not possible any more have lost.
func (l *Ledger) replace(r *record, o *ingot.AddressRecord) {
	for _, e := range r.entries {
		l.forget(e)
	}
	before := r.stored
	r.stored, r.entries = map[netip.Addr]*entry{}, map[netip.Addr]*entry{}
	r.version, r.unknown, r.networks = "", false, nil
	if o != nil {
		if o.ResourceVersion != "" {
			r.floor = o.ResourceVersion
		}
		r.version, r.vrf, r.networks = o.ResourceVersion, o.Spec.VRF, o.Spec.Networks
		r.block, _ = netip.ParsePrefix(o.Spec.Block)
		r.unlabelled = false
		for i := range o.Spec.Addresses {
			if e, ok := decode(r, &o.Spec.Addresses[i]); ok {
				r.stored[e.address] = e
				if namespace, counted := e.countedIn(); counted {
					_, labelled := o.Labels[ipsLabel+namespace]
					r.unlabelled = r.unlabelled || !labelled
				}
			}
		}
	}
	for a, e := range r.stored {
		r.entries[a] = e
	}
	for a, e := range before {
		if now := r.stored[a]; e.until.IsZero() && (now == nil || !e.same(now)) && (r.changes[a] == nil || r.changes[a].from != e) {
			l.lost = append(l.lost, e.claim)
		}
	}
	for a, c := range r.changes {
		if err := c.stillFits(r.stored[a], l.Now()); err != nil || c.to == nil && r.stored[a] == nil {
			delete(r.changes, a)
			c.end(err)
			continue
		}
		if c.to != nil {
			r.entries[a] = c.to
		} else {
			delete(r.entries, a)
		}
	}
	for _, e := range r.entries {
		l.remember(e)
	}
	l.stale = true
}

// stillFits says whether a change can be made of what is stored.
func (c *change) stillFits(stored *entry, now time.Time) error {
	gives := c.to != nil && c.to.until.IsZero()
	switch {
	case !gives: // a release: of what is gone already, or is another's, nothing is left to do
		if !c.takes(stored) || c.strict && !c.from.exact(stored) {
			return errGone
		}
	case stored != nil && stored.exact(c.to): // the write whose outcome was unknown has stored it
	case c.strict:
		if !c.from.exact(stored) {
			return errLost
		}
	case stored == nil, c.takes(stored):
	case stored.until.IsZero() || stored.until.After(now):
		return errLost
	}
	return nil
}

// takes says whether an entry is what the change takes away, or what a release does that is stored with it.
func (c *change) takes(stored *entry) bool {
	for ; c != nil; c = c.before {
		if c.from != nil && c.from.same(stored) {
			return true
		}
	}
	return false
}

func (c *change) end(err error) {
	c.err = err
	close(c.done)
	if c.before == nil {
		return
	}
	if err != nil && (errors.Is(err, errLost) || errors.Is(err, errGone)) {
		// What was to be released is not stored any more, or the address would have been this change's.
		err = errGone
	}
	c.before.end(err)
}

func (l *Ledger) remember(e *entry) {
	if !e.until.IsZero() {
		return
	}
	key := e.claim.Key()
	if l.byClaim[key] == nil {
		l.byClaim[key] = map[*entry]bool{}
	}
	if !l.byClaim[key][e] {
		l.byClaim[key][e] = true
		l.held[e.pool]++
		l.countIP(e, 1)
	}
}

// countIP is for quotas.
func (l *Ledger) countIP(e *entry, by int) {
	if _, counted := e.countedIn(); !counted {
		return
	}
	n := l.ips[e.claim.Namespace]
	if n == nil {
		n = &[2]int{}
		l.ips[e.claim.Namespace] = n
	}
	if e.address.Is4() {
		n[0] += by
	} else {
		n[1] += by
	}
}

func (l *Ledger) forget(e *entry) {
	key := e.claim.Key()
	if !l.byClaim[key][e] {
		return
	}
	delete(l.byClaim[key], e)
	if len(l.byClaim[key]) == 0 {
		delete(l.byClaim, key)
	}
	l.countIP(e, -1)
	if l.held[e.pool]--; l.held[e.pool] == 0 {
		delete(l.held, e.pool)
	}
}

func decode(r *record, a *ingot.RecordedAddress) (*entry, bool) {
	address, err := netip.ParseAddr(a.Address)
	claim, ok := ParseClaim(a.Claim, a.UID)
	if err != nil || !ok {
		return nil, false
	}
	e := &entry{record: r, address: address, pool: a.Pool, claim: claim, as: a.As, turn: a.Turn, pending: a.Pending}
	if a.Until != nil {
		e.until = a.Until.Time
	}
	return e, true
}

// object is what is to be stored. Rests that are over are left out.
func (r *record) object(entries map[netip.Addr]*entry, now time.Time) *ingot.AddressRecord {
	o := &ingot.AddressRecord{ObjectMeta: metav1.ObjectMeta{Name: r.name, ResourceVersion: r.version}}
	o.Spec = ingot.AddressRecordSpec{VRF: r.vrf, Block: r.block.String(), Networks: r.networks}
	for _, e := range entries {
		if !e.until.IsZero() && !e.until.After(now) {
			continue
		}
		a := ingot.RecordedAddress{Address: e.address.String(), Pool: e.pool, Claim: e.claim.Key(), UID: e.claim.UID, As: e.as, Turn: e.turn, Pending: e.pending}
		if namespace, counted := e.countedIn(); counted {
			if o.Labels == nil {
				o.Labels = map[string]string{}
			}
			o.Labels[ipsLabel+namespace] = ""
		}
		if !e.until.IsZero() {
			until := metav1.NewTime(e.until)
			a.Until = &until
		}
		o.Spec.Addresses = append(o.Spec.Addresses, a)
	}
	slices.SortFunc(o.Spec.Addresses, func(a, b ingot.RecordedAddress) int {
		x, _ := netip.ParseAddr(a.Address)
		y, _ := netip.ParseAddr(b.Address)
		return x.Compare(y)
	})
	return o
}

// newer says whether a resource version is later than another; they are numbers that grow (Kubernetes says so since 1.35).
func newer(a, b string) bool {
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	if errX != nil || errY != nil {
		return a != b
	}
	return x > y
}

func (r *record) String() string { return fmt.Sprintf("AddressRecord %s", r.name) }
