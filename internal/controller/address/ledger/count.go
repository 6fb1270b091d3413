package ledger

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/ipam"
)

// A limit is kept by counting at the API server after the address is recorded, and not before: of processes that record at the same moment the last one to count sees all the others. What is recorded and not counted
// yet has a mark. Whoever counts takes the mark off, or takes the entry away, and each only over the very mark that was there when the count began. So of one entry either happens once, whichever process does it, and
// no address is told that was not counted within its limits while it was recorded. What a process leaves marked that dies is counted by the next one that serves the claim.

// ipsLabel is on records that have IPs of a namespace, whose name follows; who counts asks for those alone.
const ipsLabel = "ips.ingot.dev/"

// networksLabel is on records of networks.
const networksLabel = "ingot.dev/networks"

// mark is one that no other entry has.
func mark() string { return rand.Text() }

// countedIn is the namespace whose quotas an entry counts for.
func (e *entry) countedIn() (namespace string, counted bool) {
	return e.claim.Namespace, e.claim.Kind == "IP" && e.until.IsZero()
}

// settle counts what was recorded with a mark. It returns nil once the mark is off.
func (l *Ledger) settle(ctx context.Context, q Request, e *entry) error {
	over, err := l.over(ctx, q, e)
	if err != nil {
		return err
	}
	l.mu.Lock()
	r := e.record
	now := r.entries[e.address]
	switch {
	case now == nil || !e.same(now):
		l.mu.Unlock()
		return errLost
	case now.pending == "":
		// Another process counted it, and may have told it.
		c := r.changes[e.address]
		l.mu.Unlock()
		return await(ctx, c)
	case now.pending != e.pending || r.changes[e.address] != nil:
		c := r.changes[e.address]
		l.mu.Unlock()
		if err := await(ctx, c); err != nil {
			return err
		}
		return errLost
	}
	c := &change{from: now, strict: true, done: make(chan struct{})}
	l.forget(now)
	if over == nil {
		counted := *now
		counted.pending = ""
		c.to = &counted
		r.entries[e.address] = c.to
		l.remember(c.to)
	} else {
		// Nobody was told of it, so that it need not rest.
		delete(r.entries, e.address)
		l.stale = true
	}
	r.changes[e.address] = c
	l.kick(r)
	l.mu.Unlock()
	if err := await(ctx, c); err != nil {
		return err
	}
	if over != nil {
		over.Raced = true
		return over
	}
	return nil
}

// over says which limit does not hold with what is recorded now, or nil.
func (l *Ledger) over(ctx context.Context, q Request, e *entry) (*QuotaError, error) {
	counts := map[string]held{}
	for _, limit := range q.Limits {
		for namespace := range limit.Namespaces {
			if _, done := counts[namespace]; done {
				continue
			}
			h, err := l.count(ctx, namespace)
			if err != nil {
				return nil, err
			}
			counts[namespace] = h
		}
	}
	for _, limit := range q.Limits {
		if limit.Family != ipam.Any && (limit.Family == ipam.V4) != e.address.Is4() {
			continue
		}
		n := 0
		for namespace := range limit.Namespaces {
			n += counts[namespace].of(limit.Family)
		}
		if n > limit.Max {
			return &QuotaError{Limit: limit, Held: n}, nil
		}
	}
	return nil, nil
}

// held are the IPs of a namespace that hold something, by name and UID: whether they hold IPv4.
type held map[Claim]bool

func (h held) of(f ipam.Family) int {
	n := 0
	for _, four := range h {
		if f == ipam.Any || four == (f == ipam.V4) {
			n++
		}
	}
	return n
}

// census counts one namespace for all who ask at once.
type census struct {
	// one count is made at a time.
	one sync.Mutex
	// next is the count that has not begun, under the ledger's lock.
	next *tally
}

type tally struct {
	done chan struct{}
	held held
	err  error
}

// count is what IPs of a namespace hold at the API server. All that was stored before the call is in it.
func (l *Ledger) count(ctx context.Context, namespace string) (held, error) {
	l.mu.Lock()
	s := l.censuses[namespace]
	if s == nil {
		s = &census{}
		l.censuses[namespace] = s
	}
	t := s.next
	if t == nil {
		t = &tally{done: make(chan struct{})}
		s.next = t
		go l.take(namespace, s, t)
	}
	l.mu.Unlock()
	select {
	case <-t.done:
		return t.held, t.err
	case <-ctx.Done():
		return nil, fmt.Errorf("count the IPs of namespace %s: %w", namespace, ctx.Err())
	}
}

func (l *Ledger) take(namespace string, s *census, t *tally) {
	s.one.Lock()
	defer s.one.Unlock()
	l.mu.Lock()
	s.next = nil
	l.mu.Unlock()
	defer close(t.done)
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	var list ingot.AddressRecordList
	if err := l.Live.List(ctx, &list, client.HasLabels{ipsLabel + namespace}); err != nil {
		t.err = fmt.Errorf("count the IPs of namespace %s: %w", namespace, err)
		return
	}
	t.held = held{}
	for i := range list.Items {
		r := &record{}
		for k := range list.Items[i].Spec.Addresses {
			e, ok := decode(r, &list.Items[i].Spec.Addresses[k])
			if !ok {
				continue
			}
			if in, counted := e.countedIn(); counted && in == namespace {
				t.held[e.claim] = e.address.Is4()
			}
		}
	}
}

// Use is what a namespace holds of what quotas bound.
type Use struct{ IPv4, IPv6, Networks int }

// Plus is both together.
func (u Use) Plus(o Use) Use {
	return Use{u.IPv4 + o.IPv4, u.IPv6 + o.IPv6, u.Networks + o.Networks}
}

// Uses are what namespaces hold, by records: IPs that were told their address, once each, and networks that have their prefixes.
func Uses(records []ingot.AddressRecord) map[string]Use {
	all, seen := map[string]Use{}, map[Claim]bool{}
	for i := range records {
		r := &record{}
		for k := range records[i].Spec.Addresses {
			e, ok := decode(r, &records[i].Spec.Addresses[k])
			if !ok || e.pending != "" || seen[e.claim] {
				continue
			}
			if namespace, counted := e.countedIn(); counted {
				seen[e.claim] = true
				if e.address.Is4() {
					all[namespace] = all[namespace].Plus(Use{IPv4: 1})
				} else {
					all[namespace] = all[namespace].Plus(Use{IPv6: 1})
				}
			}
		}
		for _, n := range records[i].Spec.Networks {
			if namespace, _, _ := strings.Cut(n.Network, "/"); n.Until == nil && n.Pending == "" {
				all[namespace] = all[namespace].Plus(Use{Networks: 1})
			}
		}
	}
	return all
}
