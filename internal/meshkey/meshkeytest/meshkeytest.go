// Package meshkeytest has a coordinator's half of package meshkey for tests, and what every Minter must do.
//
// It owns the fake and the suite. It refuses the mesh: the fake's keys let nobody in.
package meshkeytest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/internal/secret"
)

// Fake makes keys of the MeshKeys that it was told of.
type Fake struct {
	mu sync.Mutex
	// keys by namespace and name: nil is one that can be made, an error why it can't.
	keys  map[string]error
	spent map[string]bool
}

// Add tells of a MeshKey; refusal is why none can be made of it, empty where one can.
func (f *Fake) Add(namespace, name, refusal string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys == nil {
		f.keys, f.spent = map[string]error{}, map[string]bool{}
	}
	var err error
	if refusal != "" {
		err = fmt.Errorf("%w: %s", meshkey.ErrRefused, refusal)
	}
	f.keys[namespace+"/"+name] = err
}

// Mint implements meshkey.Minter.
func (f *Fake) Mint(_ context.Context, namespace, name string) (meshkey.Minted, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := namespace + "/" + name
	err, ok := f.keys[at]
	switch {
	case !ok:
		return meshkey.Minted{}, meshkey.ErrUnknown
	case err != nil:
		return meshkey.Minted{}, err
	case f.spent[at]:
		return meshkey.Minted{}, meshkey.ErrSpent
	}
	f.spent[at] = true
	return meshkey.Minted{Key: secret.New(rand.Text()), Coordinator: "https://192.0.2.1:8449", ExpiresAt: time.Now().Add(time.Hour)}, nil
}

// World is a Minter with MeshKeys that a suite can use.
type World struct {
	Minter meshkey.Minter
	// Namespace has MeshKeys named good-1, good-2 and good-3 that were never minted, and refused, of which no key can be made.
	Namespace string
}

// Suite is what every Minter must do.
func Suite(t *testing.T, w World) {
	t.Helper()
	ctx := t.Context()
	first, err := w.Minter.Mint(ctx, w.Namespace, "good-1")
	if err != nil {
		t.Fatal(err)
	}
	if first.Key.IsZero() || first.Coordinator == "" || !first.ExpiresAt.After(time.Now()) || first.ExpiresAt.After(time.Now().Add(time.Hour+time.Minute)) {
		t.Errorf("a key without words, or good for another time than up to an hour: %+v", first)
	}
	if _, err := w.Minter.Mint(ctx, w.Namespace, "good-1"); !errors.Is(err, meshkey.ErrSpent) {
		t.Errorf("the second call for one MeshKey: %v, want %v", err, meshkey.ErrSpent)
	}
	second, err := w.Minter.Mint(ctx, w.Namespace, "good-2")
	if err != nil || second.Key.Equal(first.Key) {
		t.Errorf("another MeshKey has the same key, or none: %v", err)
	}
	if _, err := w.Minter.Mint(ctx, w.Namespace, "none"); !errors.Is(err, meshkey.ErrUnknown) {
		t.Errorf("a MeshKey that is not there: %v, want %v", err, meshkey.ErrUnknown)
	}
	if _, err := w.Minter.Mint(ctx, w.Namespace, "refused"); !errors.Is(err, meshkey.ErrRefused) || len(err.Error()) <= len(meshkey.ErrRefused.Error())+2 {
		t.Errorf("a MeshKey of which none can be made: %v, want %v and why", err, meshkey.ErrRefused)
	}
	race(t, w)
}

// race asks for one key many times at once: one caller gets it.
func race(t *testing.T, w World) {
	t.Helper()
	const callers = 8
	errs := make(chan error, callers)
	for range callers {
		go func() {
			_, err := w.Minter.Mint(t.Context(), w.Namespace, "good-3")
			errs <- err
		}()
	}
	got := 0
	for range callers {
		switch err := <-errs; {
		case err == nil:
			got++
		case !errors.Is(err, meshkey.ErrSpent):
			t.Errorf("a caller that came second: %v, want %v", err, meshkey.ErrSpent)
		}
	}
	if got != 1 {
		t.Errorf("%d of %d callers at once got the key, want one", got, callers)
	}
}
