package matrix

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// accepted remembers objects that a foreign API server has completed after we replaced them, so that we do not write them again and again. It forgets when the object
// changes, and at a restart.
type accepted struct {
	mu          sync.Mutex
	generations map[types.UID]int64
}

func (a *accepted) add(obj client.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.generations == nil {
		a.generations = map[types.UID]int64{}
	}
	a.generations[obj.GetUID()] = obj.GetGeneration()
}

func (a *accepted) is(obj client.Object) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.generations[obj.GetUID()] == obj.GetGeneration() && obj.GetGeneration() != 0
}

func (a *accepted) forget(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.generations, uid)
}
