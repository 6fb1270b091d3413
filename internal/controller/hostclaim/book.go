package hostclaim

import (
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// book has the intents that this process wrote and that its watches may not have brought back yet. It makes choices better and is no more than that: what must hold is held by resource versions, and by what take
// counts once the watch has the intent.
type book struct {
	mu    sync.Mutex
	pages map[string]page
}

// page is a claim's intent to have a host.
type page struct {
	claim types.NamespacedName
	uid   types.UID
	at    time.Time
}

// forgetAfter is how long an intent is believed that the watches show no sign of: somebody else withdrew it.
const forgetAfter = time.Minute

func (b *book) note(host string, c *metal3.HostClaim, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pages == nil {
		b.pages = map[string]page{}
	}
	b.pages[host] = page{client.ObjectKeyFromObject(c), c.UID, now}
}

// strike takes out what a claim meant to have.
func (b *book) strike(c *metal3.HostClaim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for host, p := range b.pages {
		if p.uid == c.UID {
			delete(b.pages, host)
		}
	}
}

// open says whether there are intents that the watches may not have yet.
func (b *book) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.pages) > 0
}

// intents are those that the watches don't have yet. The others are forgotten.
func (b *book) intents(seen []metal3.HostClaim, now time.Time) map[string]types.NamespacedName {
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting := map[types.UID]bool{}
	if len(b.pages) > 0 {
		for i := range seen {
			waiting[seen[i].UID] = seen[i].Status.BareMetalHost == nil
		}
	}
	all := map[string]types.NamespacedName{}
	for host, p := range b.pages {
		if !waiting[p.uid] || now.Sub(p.at) > forgetAfter {
			delete(b.pages, host)
			continue
		}
		all[host] = p.claim
	}
	return all
}
