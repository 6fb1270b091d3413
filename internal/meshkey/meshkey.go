// Package meshkey is how the key of a MeshKey leaves the coordinator: by one call over TLS, once.
//
// It owns the contract between who has a key made (the controller role, for a machine's first-boot data; an operator, for a server or a laptop) and the mesh role, which makes it: the words of the
// call, its client and its handler. It refuses to make keys and to keep them: the mesh role (module mesh) makes them, and only the hash of one is ever stored.
//
// Invariants: a key is in the answer to one call and nowhere else; a second call for the same MeshKey makes nothing and fails as ErrSpent, also when the first answer was lost on its way.
package meshkey

import (
	"context"
	"errors"
	"time"

	"github.com/ingotmetal/ingot/internal/secret"
)

// Minted is what a member joins by.
type Minted struct {
	// Key is good once, until ExpiresAt.
	Key secret.String
	// Coordinator is the URL that the member joins at.
	Coordinator string
	ExpiresAt   time.Time
}

// Minter has keys made.
type Minter interface {
	// Mint makes the key of a MeshKey. The errors are of the kinds below; any other is the world's, and the caller cannot know whether the key was made: the next call says so.
	Mint(ctx context.Context, namespace, name string) (Minted, error)
}

// The kinds of refusals.
var (
	// ErrUnknown: there is no such MeshKey. It may be there soon.
	ErrUnknown = errors.New("there is no such MeshKey")
	// ErrSpent: its key was made already. Another MeshKey is needed.
	ErrSpent = errors.New("the key of this MeshKey was handed out already: make another MeshKey")
	// ErrRefused: no key can be made of it; the error's text says why.
	ErrRefused = errors.New("no key is made")
	// ErrForbidden: who asks may not.
	ErrForbidden = errors.New("keys of the mesh are given to the controller role, to operators, and to people who log in by a token and may create MeshKeys: their own keys, and those of servers")
)
