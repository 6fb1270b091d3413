package machine

import (
	"slices"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// memory is of the Secrets that lie there as a Machine's system is to be told. They are not watched, and a Machine is looked at with each write of its claim and its host: without this memory each such look would read
// all of them. Another spec, another host or other addresses are told at once; other content of the tenant's own Secret no later than without it, by the recheck.
type memory struct {
	mu  sync.Mutex
	all map[types.NamespacedName]said
}

// said is what one Machine's system was told lately.
type said struct {
	uid, host  types.UID
	generation int64
	request    string
	addresses  []ingot.MachineAddress
	parts      []string
	at         time.Time
	// hostKey and nics go into the status with what was told: its write may have failed, and who is installed is told nothing again.
	hostKey string
	nics    []ingot.MachineNICStatus
}

func (x *memory) note(m *ingot.Machine, h *metal3.BareMetalHost, parts []string, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all == nil {
		x.all = map[types.NamespacedName]said{}
	}
	x.all[client.ObjectKeyFromObject(m)] = said{m.UID, h.UID, m.Generation, m.Status.InstallRequest, slices.Clone(m.Status.Addresses), parts, now, m.Status.SSHHostKey, slices.Clone(m.Status.NICs)}
}

// lately gives the parts that were told within half of the time between two rechecks, so that a recheck always looks, and puts into the status what goes with them.
func (x *memory) lately(m *ingot.Machine, h *metal3.BareMetalHost, now time.Time, recheck time.Duration) ([]string, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	was, known := x.all[client.ObjectKeyFromObject(m)]
	same := known && was.uid == m.UID && was.host == h.UID && was.generation == m.Generation && was.request == m.Status.InstallRequest && now.Sub(was.at) < recheck/2 &&
		slices.EqualFunc(was.addresses, m.Status.Addresses, func(a, b ingot.MachineAddress) bool {
			return a.Network == b.Network && a.IP == b.IP && a.Address == b.Address && a.PrefixLength == b.PrefixLength && a.Gateway == b.Gateway && slices.Equal(a.DNSServers, b.DNSServers)
		})
	if same {
		m.Status.SSHHostKey, m.Status.NICs = was.hostKey, slices.Clone(was.nics)
	}
	return was.parts, same
}

func (x *memory) forget(key types.NamespacedName) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.all, key)
}
