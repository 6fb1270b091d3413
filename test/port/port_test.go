package port

import (
	"net"
	"sync"
	"testing"
)

// However many ask at once, each has an address of its own, where it can listen; and one that was let go of can be had again.
func TestEachHasItsOwn(t *testing.T) {
	const askers, each = 8, 25
	var mu sync.Mutex
	given := map[string]bool{}
	var all sync.WaitGroup
	for range askers {
		all.Go(func() {
			for range each {
				address := Free(t)
				l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				_ = l.Close()
				mu.Lock()
				if given[address] {
					t.Errorf("%s was given twice", address)
				}
				given[address] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

// A port that somebody listens at is none.
func TestTakenIsNotFree(t *testing.T) {
	r, err := Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if !free(t.Context(), r.Address) {
		t.Errorf("%s is not free", r.Address)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", r.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if free(t.Context(), r.Address) {
		t.Errorf("%s has a listener and is said to be free", r.Address)
	}
}
