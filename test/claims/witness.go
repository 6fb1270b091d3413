package claims

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// brokenShown is how many broken invariants are kept: the first ones tell the most.
const brokenShown = 50

// witness holds every write of a host and of an IP to the invariants. It knows nothing but what the API server's watches said, in their order.
type witness struct {
	// quotas are of machines by project, and the tenant's; addressBounds of addresses, by project. want is how many machines get hosts.
	quotas, addressBounds map[string]int
	want                  int
	fail                  context.CancelCauseFunc

	mu sync.Mutex
	// has is the claim by host, holder the host by claim, held how many a project has.
	has, holder map[string]string
	held        map[string]int
	// dirty are hosts that had an image since their wipe was last proved.
	dirty map[string]bool
	// user is the IP by address, address by IP.
	user, address map[string]string
	// shown is how many IPs of a project show an address; recorded are the IPs that a record has addresses of and has counted, by record and project.
	shown    map[string]int
	recorded map[string]map[string]map[string]bool
	// requested and bound are when a claim was asked for, and seen to get the host that it has.
	requested, bound map[string]time.Time
	// waited is how long each of the machines waited, as of the first moment at which all hosts were held.
	waited  []time.Duration
	writes  int
	broken  []string
	changed chan struct{}
}

func newWitness(quotas, addressBounds map[string]int, want int, fail context.CancelCauseFunc) *witness {
	return &witness{quotas: quotas, addressBounds: addressBounds, want: want, fail: fail, shown: map[string]int{}, recorded: map[string]map[string]map[string]bool{}, has: map[string]string{}, holder: map[string]string{}, held: map[string]int{}, dirty: map[string]bool{}, user: map[string]string{}, address: map[string]string{},
		requested: map[string]time.Time{}, bound: map[string]time.Time{}, changed: make(chan struct{}, 1)}
}

// breaks notes an invariant that does not hold. The caller has the lock.
func (w *witness) breaks(format string, args ...any) {
	if len(w.broken) < brokenShown {
		w.broken = append(w.broken, fmt.Sprintf(format, args...))
	}
	w.fail(errBroken)
}

// errBroken ends a race early: what was found is in the report.
var errBroken = errors.New("an invariant is broken")

func (w *witness) asked(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requested[name] = time.Now()
}

// soil says whether a host has somebody's data.
func (w *witness) soil(name string, dirty bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dirty[name] = dirty
}

func (w *witness) soiled(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dirty[name]
}

// host holds one write of a host to the invariants; gone: it was deleted.
func (w *witness) host(h *metal3.BareMetalHost, gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	before, now := w.has[h.Name], ""
	if ref := h.Spec.ConsumerRef; ref != nil && !gone {
		now = ref.Namespace + "/" + ref.Name
	}
	switch {
	case before == now:
		return
	case before != "" && now != "":
		w.breaks("host %s went from %s to %s at revision %s", h.Name, before, now, h.ResourceVersion)
	case now == "":
		if w.dirty[h.Name] {
			w.breaks("host %s was let go of by %s with its data on it at revision %s", h.Name, before, h.ResourceVersion)
		}
		delete(w.holder, before)
		delete(w.bound, before)
		w.count(before, -1, h.ResourceVersion)
	default:
		if other := w.holder[now]; other != "" {
			w.breaks("%s has both %s and %s at revision %s", now, other, h.Name, h.ResourceVersion)
		}
		w.holder[now] = h.Name
		w.count(now, 1, h.ResourceVersion)
		w.bound[now] = time.Now()
		if w.waited == nil && len(w.holder) == w.want {
			w.measure()
		}
	}
	w.has[h.Name] = now
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// measure takes the times, now that all hosts are held. The caller has the lock.
func (w *witness) measure() {
	for claim, at := range w.bound {
		asked, known := w.requested[claim]
		if !known {
			w.breaks("%s has a host, and nobody asked for it", claim)
		}
		w.waited = append(w.waited, at.Sub(asked))
	}
	slices.Sort(w.waited)
}

// count changes what a claim's project and the tenant hold. The caller has the lock.
func (w *witness) count(claim string, by int, revision string) {
	namespace, _, _ := strings.Cut(claim, "/")
	for _, of := range []string{namespace, tenant} {
		w.held[of] += by
		if most, bounded := w.quotas[of]; bounded && w.held[of] > most {
			w.breaks("%s holds %d hosts at revision %s, and may hold %d", of, w.held[of], revision, most)
		}
	}
}

// ip holds one write of an IP to the invariants.
func (w *witness) ip(ip *ingot.IP, gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	key := ip.Namespace + "/" + ip.Name + " " + string(ip.UID)
	before, now := w.address[key], ip.Status.Address
	if gone {
		if before != "" {
			w.shown[ip.Namespace]--
		}
		delete(w.address, key)
		if w.user[before] == key {
			delete(w.user, before)
		}
		return
	}
	if before == now {
		return
	}
	if before != "" {
		w.breaks("IP %s went from %s to %q at revision %s", key, before, now, ip.ResourceVersion)
	}
	if other := w.user[now]; other != "" {
		w.breaks("%s is both %s's and %s's at revision %s", now, other, key, ip.ResourceVersion)
	}
	w.address[key], w.user[now] = now, key
	w.shown[ip.Namespace]++
	if most, bounded := w.addressBounds[ip.Namespace]; bounded && w.shown[ip.Namespace] > most {
		w.breaks("%s shows %d addresses at revision %s, and may have %d", ip.Namespace, w.shown[ip.Namespace], ip.ResourceVersion, most)
	}
}

// record holds one write of a record of addresses to the quotas: what it has counted of a project's IPs, together with what the other records have. An IP may have an address in two of them for a moment, and counts once.
func (w *witness) record(o *ingot.AddressRecord, gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	now := map[string]map[string]bool{}
	for i := range o.Spec.Addresses {
		a := &o.Spec.Addresses[i]
		kind, rest, _ := strings.Cut(a.Claim, "/")
		namespace, name, _ := strings.Cut(rest, "/")
		if gone || kind != "IP" || a.Pending != "" || a.Until != nil {
			continue
		}
		if now[namespace] == nil {
			now[namespace] = map[string]bool{}
		}
		now[namespace][name+" "+a.UID] = true
	}
	w.recorded[o.Name] = now
	for namespace, most := range w.addressBounds {
		held := map[string]bool{}
		for _, of := range w.recorded {
			maps.Copy(held, of[namespace])
		}
		if len(held) > most {
			w.breaks("%s has %d addresses in the records at revision %s, and may have %d", namespace, len(held), o.ResourceVersion, most)
		}
	}
}

// until waits for a number of bound hosts.
func (w *witness) until(ctx context.Context, holds func(bound int) (bool, error)) error {
	for {
		w.mu.Lock()
		bound := len(w.holder)
		w.mu.Unlock()
		done, err := holds(bound)
		if done || err != nil {
			return err
		}
		select {
		case <-w.changed:
		case <-ctx.Done():
			return fmt.Errorf("%d hosts are held: %w", bound, context.Cause(ctx))
		}
	}
}

func (w *witness) report(r *Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Waited, r.Broken, r.Writes = w.waited, w.broken, w.writes
}
