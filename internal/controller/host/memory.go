package host

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/journey"
)

// memory is what a process knows of a host beyond the objects. All of it may be lost: a decision that misses a reading asks for it again.
type memory struct {
	uid types.UID
	// power and media are the BMC's last readings.
	power journey.PowerReading
	media string
	// result is the last action's result until a pass has used it.
	result *journey.ActionResult
	// busy: an action on the BMC is under way in its own goroutine.
	busy bool
	// heard: an event says that the machine may not be as power says.
	heard bool
	// credentials are the BMC's, read at credentialsAt; zero: read them again.
	credentials   credentials
	credentialsAt time.Time
	// secrets are the facts of the first-boot Secrets named secretNames when all were usable, read at secretsAt.
	secrets     journey.SecretFacts
	secretNames string
	secretsAt   time.Time
	// progressAt is when an agent's progress last woke the host.
	progressAt time.Time
	// wroteAt is when the record was last written.
	wroteAt time.Time
}

// credentials is a BMC Secret as it was read.
type credentials struct {
	fact     journey.Credentials
	name     string
	username string
	password secret.String
}

// memories holds the hosts' memories. One goroutine at a time works on a host (the work queue gives a key to one worker), and a BMC action's goroutine
// only stores its result; the lock is for those two.
type memories struct {
	mu    sync.Mutex
	hosts map[types.NamespacedName]*memory
}

func newMemories() *memories { return &memories{hosts: map[types.NamespacedName]*memory{}} }

// begin notes that an action on the BMC is under way. A reading takes up what was heard before it, not what is heard meanwhile.
func (m *memory) begin(a journey.Action) {
	m.busy = true
	if _, reads := a.(journey.ReadPower); reads {
		m.heard = false
	}
}

// reading is the last power reading, as if there were none when the machine was heard to change after it.
func (m *memory) reading() journey.PowerReading {
	if m.heard && m.result == nil {
		return journey.PowerReading{}
	}
	return m.power
}

// with runs f on the host's memory under the lock. A host that was deleted and made again under the same name starts with an empty one.
func (m *memories) with(key types.NamespacedName, uid types.UID, f func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.hosts[key]
	if h == nil || h.uid != uid {
		h = &memory{uid: uid}
		m.hosts[key] = h
	}
	f(h)
}

// snapshot is a copy of the host's memory.
func (m *memories) snapshot(key types.NamespacedName, uid types.UID) (c memory) {
	m.with(key, uid, func(h *memory) { c = *h })
	return c
}

// finish runs f on the host's memory unless the host was replaced meanwhile: a late result of a deleted host is dropped.
func (m *memories) finish(key types.NamespacedName, uid types.UID, f func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.hosts[key]; h != nil && h.uid == uid {
		f(h)
	}
}

// peek runs f on the host's memory if there is one.
func (m *memories) peek(key types.NamespacedName, f func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.hosts[key]; h != nil {
		f(h)
	}
}

// barred are the hosts of a namespace whose credentials could not be read for want of the right.
func (m *memories) barred(namespace string) []types.NamespacedName {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []types.NamespacedName
	for key, h := range m.hosts {
		if key.Namespace == namespace && h.credentials.fact.Forbidden {
			all = append(all, key)
		}
	}
	return all
}

// forget drops a host that is gone.
func (m *memories) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.hosts, key)
}
