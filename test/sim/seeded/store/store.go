// Package store is an API server's objects in memory, for simulations.
//
// It owns what controllers rely on: resource versions and conflicts, generations, UIDs, the status apart from the rest, finalizers, owners, JSON and merge patches, selectors. It
// refuses what they don't: validation, admission, rights, server-side apply, deletion of collections. controller-runtime's fake client has no generations, no UIDs and no
// garbage collection, and takes milliseconds for a write; a simulation of thousands of lives needs all three and has no milliseconds.
//
// Invariants, each shown by one suite that the real API server passes too (contract_test.go): what is read was encoded and decoded once, so that times are in whole
// seconds and empty is nothing; a write under an old version changes nothing; a write that changes nothing has no version of its own.
package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Store is safe for use by many goroutines.
type Store struct {
	scheme *runtime.Scheme
	now    func() time.Time

	mu      sync.Mutex
	version int64
	objects map[ID]client.Object
	// made counts the objects of a name, so that each gets a UID that depends on nothing else.
	made     map[ID]int
	indexes  map[index]client.IndexerFunc
	versions map[ID]int64
	watchers []func(Change)
}

// ID names an object.
type ID struct {
	Kind schema.GroupVersionKind
	Key  types.NamespacedName
}

// Change is one write. Object must not be changed; of a deleted object it is the last state.
type Change struct {
	ID      ID
	Version int64
	Object  client.Object
	Deleted bool
}

type index struct {
	kind  schema.GroupVersionKind
	field string
}

// New makes an empty store. now gives the time of creations and deletions.
func New(s *runtime.Scheme, now func() time.Time) *Store {
	return &Store{scheme: s, now: now, objects: map[ID]client.Object{}, made: map[ID]int{}, indexes: map[index]client.IndexerFunc{}, versions: map[ID]int64{}}
}

// Watch has f called with every change from now on, in order, while the store is locked: f must not use it.
func (s *Store) Watch(f func(Change)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers, f)
}

// Index makes lists selectable by a field, as an informer's index does.
func (s *Store) Index(o client.Object, field string, values client.IndexerFunc) error {
	kind, err := s.kindOf(o)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indexes[index{kind, field}] = values
	return nil
}

// Each calls f with every object that there is. f must not change it.
func (s *Store) Each(f func(ID, client.Object)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, o := range s.objects {
		f(id, o)
	}
}

// Object is the object as it stands, nil for none. It must not be changed.
func (s *Store) Object(id ID) client.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[id]
}

// VersionOf is the version of the last write to an object, also of one that is gone; 0 where there was none.
func (s *Store) VersionOf(id ID) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.versions[id]
}

// Collect deletes the objects whose owner is gone, as the garbage collector does some time later. It returns their number.
func (s *Store) Collect() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	living := map[types.UID]bool{}
	for _, o := range s.objects {
		living[o.GetUID()] = true
	}
	var orphans []ID
	for id, o := range s.objects {
		if owner := metav1.GetControllerOf(o); owner != nil && !living[owner.UID] {
			orphans = append(orphans, id)
		}
	}
	for _, id := range orphans {
		s.remove(id)
	}
	return len(orphans)
}

func (s *Store) kindOf(o runtime.Object) (schema.GroupVersionKind, error) {
	kind, err := apiutil.GVKForObject(o, s.scheme)
	if err != nil {
		return kind, fmt.Errorf("kind of %T: %w", o, err)
	}
	return kind, nil
}

func (s *Store) idOf(o client.Object) (ID, error) {
	kind, err := s.kindOf(o)
	return ID{kind, client.ObjectKeyFromObject(o)}, err
}

// put writes an object, with the lock held, and gives the version that stands then.
func (s *Store) put(id ID, o client.Object) error {
	stored, err := s.decoded(id.Kind, o)
	if err != nil {
		return err
	}
	stored.SetManagedFields(nil)
	if old := s.objects[id]; old != nil {
		stored.SetResourceVersion(old.GetResourceVersion())
		if same(old, stored) {
			return nil
		}
	}
	s.version++
	stored.SetResourceVersion(strconv.FormatInt(s.version, 10))
	s.objects[id] = stored
	s.tell(Change{ID: id, Version: s.version, Object: stored})
	if stored.GetDeletionTimestamp() != nil && len(stored.GetFinalizers()) == 0 {
		s.remove(id)
	}
	return nil
}

func (s *Store) remove(id ID) {
	o := s.objects[id]
	if o == nil {
		return
	}
	delete(s.objects, id)
	s.version++
	s.tell(Change{ID: id, Version: s.version, Object: o, Deleted: true})
}

func (s *Store) tell(c Change) {
	s.versions[c.ID] = c.Version
	for _, f := range s.watchers {
		f(c)
	}
}

// uid is the name that the next object of this ID gets.
func (s *Store) uid(id ID) types.UID {
	s.made[id]++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", id.Kind, id.Key, s.made[id]))
	h := hex.EncodeToString(sum[:16])
	return types.UID(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
}

// decoded is the object as its JSON says, which is what any client of a real server reads.
func (s *Store) decoded(kind schema.GroupVersionKind, o client.Object) (client.Object, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind.Kind, err)
	}
	return s.fromJSON(kind, text)
}

func (s *Store) fromJSON(kind schema.GroupVersionKind, text []byte) (client.Object, error) {
	made, err := s.scheme.New(kind)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", kind.Kind, err)
	}
	o, ok := made.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%T is no object", made)
	}
	if err := json.Unmarshal(text, o); err != nil {
		return nil, fmt.Errorf("decode %s: %w", kind.Kind, err)
	}
	o.GetObjectKind().SetGroupVersionKind(kind)
	return o, nil
}

// resource is what errors call a kind.
func resource(kind schema.GroupVersionKind) schema.GroupResource {
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	return plural.GroupResource()
}
