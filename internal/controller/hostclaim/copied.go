package hostclaim

import (
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// copied remembers whose Secrets lie beside their hosts as the claim has them. Secrets are not watched, and a claim is looked at with each write of its host: without this memory each such look would read up to eight
// Secrets. What another names, or has another host, is read at once; another content of the same Secret no later than without it, by the recheck.
type copied struct {
	mu  sync.Mutex
	all map[types.NamespacedName]copies
}

// copies are those of one claim, as of a generation and a host.
type copies struct {
	uid, host  types.UID
	generation int64
	at         time.Time
}

func (x *copied) note(c *metal3.HostClaim, h *metal3.BareMetalHost, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all == nil {
		x.all = map[types.NamespacedName]copies{}
	}
	x.all[client.ObjectKeyFromObject(c)] = copies{c.UID, h.UID, c.Generation, now}
}

// lately says whether the copies were right within half of the time between two rechecks, so that a recheck always looks.
func (x *copied) lately(c *metal3.HostClaim, h *metal3.BareMetalHost, now time.Time, recheck time.Duration) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	was, known := x.all[client.ObjectKeyFromObject(c)]
	return known && was.uid == c.UID && was.host == h.UID && was.generation == c.Generation && now.Sub(was.at) < recheck/2
}

func (x *copied) forget(key types.NamespacedName) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.all, key)
}
