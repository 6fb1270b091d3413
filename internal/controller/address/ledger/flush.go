package ledger

import (
	"context"
	"fmt"
	"maps"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// tries is how often a write is made again over what another process wrote, before those who wait for it are told.
const tries = 8

// kick has a record written, if nothing is writing it. The caller has the lock.
func (l *Ledger) kick(r *record) {
	if r.flushing {
		return
	}
	r.flushing, r.kicked = true, l.Now()
	go l.flush(r)
}

// flush writes a record until nothing is left to write.
func (l *Ledger) flush(r *record) {
	for failed := 0; ; {
		l.mu.Lock()
		wait := l.pause(r)
		l.mu.Unlock()
		if wait > 0 && failed == 0 {
			time.Sleep(wait)
		}
		ctx, cancel := context.WithTimeout(context.Background(), writeTime)
		err := l.write(ctx, r)
		cancel()
		l.mu.Lock()
		switch {
		case err == nil:
			failed = 0
		case lostWrite(err):
			failed++
			l.conflicts++
		default:
			failed = tries
		}
		if failed >= tries {
			l.giveUp(r, fmt.Errorf("write %s: %w", r, err))
		}
		if len(r.changes) == 0 {
			r.flushing = false
			behind := r.seen != "" && (r.floor == "" || newer(r.seen, r.floor))
			r.seen = ""
			wake := l.waiting.some(r.vrf)
			if behind {
				r.unknown = true
				r.flushing = true
			}
			l.mu.Unlock()
			for _, f := range wake {
				f()
			}
			if !behind {
				return
			}
			continue
		}
		l.mu.Unlock()
	}
}

// pause is how long a record waits for more to be written with it: since its own last write, or, where other records were written just now, since its first change. So a claim that comes alone waits for nobody,
// and of many the first of each new block waits for those that follow it. The caller has the lock.
func (l *Ledger) pause(r *record) time.Duration {
	now := l.Now()
	since := r.written
	if now.Sub(l.wrote) < l.Pace && r.kicked.After(since) {
		since = r.kicked
	}
	return min(max(l.Pace-now.Sub(since), 0), l.Pace)
}

func lostWrite(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
}

// giveUp tells those who wait that nothing is known of their changes, and forgets these: the record is read before it is written again.
func (l *Ledger) giveUp(r *record, err error) {
	for a, c := range r.changes {
		delete(r.changes, a)
		if c.to != nil {
			l.forget(c.to)
		}
		if e := r.stored[a]; e != nil {
			r.entries[a] = e
			l.remember(e)
		} else {
			delete(r.entries, a)
		}
		c.end(err)
	}
	r.unknown, l.stale = true, true
}

// write stores a record's changes, once. A conflict leaves them to be written again.
func (l *Ledger) write(ctx context.Context, r *record) error {
	l.mu.Lock()
	unknown := r.unknown
	l.mu.Unlock()
	if unknown {
		if err := l.read(ctx, r); err != nil {
			return err
		}
	}
	l.mu.Lock()
	snapshot, entries := maps.Clone(r.changes), maps.Clone(r.entries)
	if len(snapshot) == 0 && !r.unlabelled {
		l.mu.Unlock()
		return nil
	}
	o := r.object(entries, l.Now())
	before := o.ResourceVersion
	l.mu.Unlock()
	if err := l.store(ctx, o); err != nil {
		l.mu.Lock()
		r.unknown = true
		l.mu.Unlock()
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes++
	r.version, r.stored, r.written, r.unlabelled = o.ResourceVersion, entries, l.Now(), false
	l.wrote = r.written
	if r.floor = r.version; r.version == "" {
		r.floor = before
	}
	for a, c := range snapshot {
		if r.changes[a] == c {
			delete(r.changes, a)
			c.end(nil)
		}
	}
	return nil
}

// store creates, updates or, where nothing is left in it, deletes an object, over the version that it has.
func (l *Ledger) store(ctx context.Context, o *ingot.AddressRecord) error {
	switch {
	case len(o.Spec.Addresses)+len(o.Spec.Networks)+len(o.Spec.Numbers) == 0:
		if o.ResourceVersion == "" {
			return nil
		}
		err := l.Live.Delete(ctx, o, client.Preconditions{ResourceVersion: ptr.To(o.ResourceVersion)})
		o.ResourceVersion = ""
		return err
	case o.ResourceVersion == "":
		return l.Live.Create(ctx, o)
	}
	return l.Live.Update(ctx, o)
}

// read takes what is stored for what the record is.
func (l *Ledger) read(ctx context.Context, r *record) error {
	o := &ingot.AddressRecord{}
	err := l.Live.Get(ctx, client.ObjectKey{Name: r.name}, o)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("read %s: %w", r, err)
	}
	l.mu.Lock()
	vrf, block := r.vrf, r.block
	if err != nil {
		l.replace(r, nil)
	} else {
		l.replace(r, o)
	}
	if r.vrf == "" || err != nil {
		r.vrf, r.block = vrf, block
	}
	lost := l.takeLost()
	l.mu.Unlock()
	l.tell(lost)
	return nil
}

// takeLost are the claims that Lost is to be told of, which it is only once. The caller has the lock.
func (l *Ledger) takeLost() []Claim {
	lost := l.lost
	l.lost = nil
	return lost
}

func (l *Ledger) tell(lost []Claim) {
	if l.Lost == nil {
		return
	}
	for _, c := range lost {
		l.Lost(c)
	}
}

// Observe is told of every record that is seen by a watch; gone says that it was deleted. What this process wrote itself is known.
func (l *Ledger) Observe(o *ingot.AddressRecord, gone bool) {
	l.mu.Lock()
	if !l.loaded {
		l.mu.Unlock()
		return
	}
	r := l.record(o.Name)
	if r.floor != "" && !newer(o.ResourceVersion, r.floor) || gone && r.version == "" {
		l.mu.Unlock()
		return
	}
	if r.flushing {
		if r.seen == "" || newer(o.ResourceVersion, r.seen) {
			r.seen = o.ResourceVersion
		}
		l.mu.Unlock()
		return
	}
	if gone {
		vrf, block := r.vrf, r.block
		l.replace(r, nil)
		r.vrf, r.block = vrf, block
	} else {
		l.replace(r, o)
	}
	wake, lost := l.waiting.some(r.vrf), l.takeLost()
	l.mu.Unlock()
	// First who had an address that is free now, then who waits for one.
	l.tell(lost)
	for _, f := range wake {
		f()
	}
}

// Doubt says that a record is not known to be as it was seen last: it is read again.
func (l *Ledger) Doubt(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.records[name]; l.loaded && r != nil {
		r.unknown = true
		l.kick(r)
	}
}

// waiters are who asked for what was refused, in the order in which they asked.
type waiters struct {
	byVRF map[string][]waiter
	in    map[string]string
}

type waiter struct {
	key  string
	wake func()
}

// woken is how many are woken by one release: enough for what one record can free.
const woken = 1 << hostBits

func (w *waiters) add(vrf, key string, wake func()) {
	if w.in == nil {
		w.byVRF, w.in = map[string][]waiter{}, map[string]string{}
	}
	if at, ok := w.in[key]; ok && at == vrf {
		return
	}
	w.in[key] = vrf
	w.byVRF[vrf] = append(w.byVRF[vrf], waiter{key, wake})
}

// remove forgets a waiter; its place in the row is skipped later.
func (w *waiters) remove(key string) { delete(w.in, key) }

// some are the next ones of a VRF, which are no waiters any more.
func (w *waiters) some(vrf string) []func() {
	var all []func()
	row := w.byVRF[vrf]
	for len(row) > 0 && len(all) < woken {
		next := row[0]
		row = row[1:]
		if at, ok := w.in[next.key]; ok && at == vrf {
			delete(w.in, next.key)
			all = append(all, next.wake)
		}
	}
	if len(row) == 0 {
		delete(w.byVRF, vrf)
	} else {
		w.byVRF[vrf] = row
	}
	return all
}

// all are all of them.
func (w *waiters) all() []func() {
	var all []func()
	for _, row := range w.byVRF {
		for _, next := range row {
			if _, ok := w.in[next.key]; ok {
				delete(w.in, next.key)
				all = append(all, next.wake)
			}
		}
	}
	w.byVRF = map[string][]waiter{}
	return all
}
