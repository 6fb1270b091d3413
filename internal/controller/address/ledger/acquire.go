package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/ingotmetal/ingot/ipam"
)

var (
	errLost = errors.New("another process gave the address to another claim")
	errGone = errors.New("it was released already")
)

// Limit bounds how many addresses the IPs of some namespaces hold together.
type Limit struct {
	// Name is said to who is refused.
	Name       string
	Namespaces map[string]bool
	// Family is Any for both together.
	Family ipam.Family
	Max    int
}

// Request asks for one address.
type Request struct {
	Pool  string
	Claim Claim
	// As is the holder whose pre-allocation the claim may have.
	As      string
	Family  ipam.Family
	Address netip.Addr
	// Settled says that an object names Address as the claim's already: whatever else of the pool is recorded for it was another process's choice, and is given back.
	Settled bool
	// Limits hold for claims of the kind IP, which are counted.
	Limits []Limit
	// Wake is called once what was refused may be given.
	Wake func()
}

// Grant is an address that is recorded as the claim's.
type Grant struct {
	Address netip.Addr
	VRF     string
	// Prefix is that of the pool's network which the address is in; not valid for a pool without a network.
	Prefix netip.Prefix
}

// QuotaError is a refusal by a Limit.
type QuotaError struct {
	Limit Limit
	Held  int
	// Raced: others asked at the same moment in another process, and all of them may have been refused: asking again soon helps.
	Raced bool
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("%s allows %d addresses and %d are held: release one, or have the quota raised", e.Limit.Name, e.Limit.Max, e.Held)
}

// FormerError says that an address is recorded for an object of the same name that was there before: release that first.
type FormerError struct{ Claim Claim }

func (e *FormerError) Error() string {
	return fmt.Sprintf("%s with the UID %s still has an address", e.Claim.Key(), e.Claim.UID)
}

// Acquire gives the claim an address of the pool and returns once that is stored, and counted where limits hold. What the claim has of the pool already is returned again. An expected refusal is an *ipam.Refusal or
// a *QuotaError, which errors.As finds.
func (l *Ledger) Acquire(ctx context.Context, q Request) (Grant, error) {
	for {
		l.mu.Lock()
		e, c, err := l.choose(ctx, q)
		if err != nil && q.Wake != nil {
			l.waiting.add(l.vrfOf(q.Pool), q.Claim.Key(), q.Wake)
		}
		var grant Grant
		if err == nil {
			l.waiting.remove(q.Claim.Key())
			grant = Grant{Address: e.address, VRF: e.record.vrf, Prefix: l.prefixOf(e)}
			if c == nil {
				c = e.record.changes[e.address]
			}
		}
		l.mu.Unlock()
		if err != nil {
			return grant, err
		}
		if err := await(ctx, c); again(err) {
			continue
		} else if err != nil {
			return Grant{}, fmt.Errorf("record %s for %s: %w", grant.Address, q.Claim.Key(), err)
		}
		if e.pending != "" {
			if err := l.settle(ctx, q, e); again(err) {
				continue
			} else if err != nil {
				return Grant{}, err
			}
		}
		return grant, nil
	}
}

// await waits until a change is stored, or can't be; of none nothing is to be waited for.
func await(ctx context.Context, c *change) error {
	if c == nil {
		return nil
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("not known to be stored: %w", ctx.Err())
	}
}

// again says that somebody else was faster, so that all has to be looked at anew.
func again(err error) bool { return errors.Is(err, errLost) || errors.Is(err, errGone) }

// choose finds the claim's address, or chooses one and enters it. The caller has the lock.
func (l *Ledger) choose(ctx context.Context, q Request) (*entry, *change, error) {
	if err := l.ready(ctx); err != nil {
		return nil, nil, err
	}
	for e := range l.byClaim[q.Claim.Key()] {
		if e.claim.UID != q.Claim.UID {
			return nil, nil, &FormerError{e.claim}
		}
		if q.Settled && e.pool == q.Pool && e.address != q.Address {
			l.free(e)
		}
	}
	if err := l.ready(ctx); err != nil {
		return nil, nil, err
	}
	for e := range l.byClaim[q.Claim.Key()] {
		if e.pool == q.Pool && (!q.Address.IsValid() || q.Address == e.address) {
			return e, nil, nil
		}
	}
	if refused := l.findings[q.Pool]; refused != nil {
		return nil, nil, refused
	}
	if err := l.withinLimits(q); err != nil {
		return nil, nil, err
	}
	holder := q.Claim.Key()
	if _, taken := l.state.Held(q.Pool, q.As); q.As != "" && !taken {
		holder = q.As
	} else {
		q.As = ""
	}
	lease, refused := l.state.Acquire(ipam.Request{Pool: q.Pool, Holder: holder, Family: q.Family, Address: q.Address, Seed: rand.Uint64()}, l.Now()) // it spreads addresses and guards nothing
	if refused != nil {
		return nil, nil, refused
	}
	block := blockOf(lease.Address)
	r := l.record(recordName(lease.VRF, block))
	r.vrf, r.block = lease.VRF, block
	e := &entry{record: r, address: lease.Address, pool: q.Pool, claim: q.Claim, as: q.As, turn: int64(lease.Turn)} // a count
	if len(q.Limits) > 0 {
		e.pending = mark()
	}
	c := l.put(e)
	l.kick(r)
	return e, c, nil
}

// put enters an entry as a change of its record.
func (l *Ledger) put(e *entry) *change {
	r := e.record
	c := &change{to: e, done: make(chan struct{})}
	if old := r.changes[e.address]; old != nil {
		// A release that is not stored yet: it is with this.
		c.from, c.before = old.from, old
	}
	r.changes[e.address], r.entries[e.address] = c, e
	l.remember(e)
	return c
}

func (l *Ledger) withinLimits(q Request) error {
	if len(q.Limits) == 0 {
		return nil
	}
	for _, limit := range q.Limits {
		if !l.wants(q, limit) {
			continue
		}
		held := 0
		for namespace := range limit.Namespaces {
			n := l.ips[namespace]
			if n != nil && limit.Family != ipam.V6 {
				held += n[0]
			}
			if n != nil && limit.Family != ipam.V4 {
				held += n[1]
			}
		}
		if held >= limit.Max {
			return &QuotaError{Limit: limit, Held: held}
		}
	}
	return nil
}

// wants says whether what is asked for counts for a limit. Without a family or an address it is the family of the pool's first range.
func (l *Ledger) wants(q Request, limit Limit) bool {
	switch {
	case limit.Family == ipam.Any:
		return true
	case q.Address.IsValid():
		return (limit.Family == ipam.V4) == q.Address.Is4()
	case q.Family != ipam.Any:
		return limit.Family == q.Family
	}
	u, _ := l.state.Usage(q.Pool)
	return (limit.Family == ipam.V4) == (u.V4.Size > 0)
}

func (l *Ledger) vrfOf(pool string) string {
	if l.state == nil {
		return ""
	}
	p, _ := l.state.Pool(pool)
	return p.VRF
}

func (l *Ledger) prefixOf(e *entry) netip.Prefix {
	p, _ := l.state.Pool(e.pool)
	n, _ := l.state.Network(p.Network)
	for _, prefix := range n.Prefixes {
		if prefix.Contains(e.address) {
			return prefix
		}
	}
	return netip.Prefix{}
}

// Release frees what a claim with this UID has and returns once that is stored; with no UID, what any claim of its name has. It says how many addresses it freed.
func (l *Ledger) Release(ctx context.Context, claim Claim) (int, error) {
	return l.release(ctx, func(e *entry) bool { return claim.UID == "" || e.claim.UID == claim.UID }, claim.Key())
}

// Keep frees what the claim has besides one address of a pool: two processes may each have given it one.
func (l *Ledger) Keep(ctx context.Context, claim Claim, pool string, address netip.Addr) error {
	_, err := l.release(ctx, func(e *entry) bool { return e.claim.UID == claim.UID && (e.pool != pool || e.address != address) }, claim.Key())
	return err
}

func (l *Ledger) release(ctx context.Context, which func(*entry) bool, key string) (int, error) {
	l.mu.Lock()
	if err := l.ready(ctx); err != nil {
		l.mu.Unlock()
		return 0, err
	}
	var all []*change
	for e := range l.byClaim[key] {
		if which(e) {
			all = append(all, l.free(e))
		}
	}
	l.waiting.remove(key)
	l.mu.Unlock()
	for _, c := range all {
		if err := await(ctx, c); err != nil && !errors.Is(err, errGone) {
			return 0, fmt.Errorf("record the release of %s: %w", key, err)
		}
	}
	return len(all), nil
}

// free makes the change that takes an entry away. The caller has the lock.
func (l *Ledger) free(e *entry) *change {
	r := e.record
	var before *change
	if pending := r.changes[e.address]; pending != nil && pending.to == e {
		// It was chosen and is not stored yet; the write that is under way may store it. A release that it was to be stored with goes with this one.
		before, pending.before = pending.before, nil
		pending.end(errGone)
	}
	rest := time.Time{}
	pool, _ := l.state.Pool(e.pool)
	if pool.Rest > 0 && pool.PreAllocations[e.holder()] != e.address {
		rest = l.Now().Add(pool.Rest)
	}
	l.forget(e)
	c := &change{from: e, before: before, done: make(chan struct{})}
	if rest.IsZero() {
		delete(r.entries, e.address)
	} else {
		c.to = &entry{record: r, address: e.address, pool: e.pool, claim: e.claim, as: e.as, turn: e.turn, until: rest}
		r.entries[e.address] = c.to
	}
	r.changes[e.address] = c
	if lease, ok := l.state.Held(e.pool, e.holder()); ok && lease.Address == e.address && len(l.byClaim[e.claim.Key()]) == 0 {
		l.state.Release(e.pool, e.holder(), l.Now())
	} else {
		l.stale = true
	}
	l.kick(r)
	return c
}
