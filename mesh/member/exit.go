package member

import (
	"context"
	"errors"
	"strings"
	"sync"

	"tailscale.com/ipn"
)

// ErrExpelled is the end of a member that the coordinator does not know: its MeshNode was deleted, or the key by which it joined was voided before it had a map of the mesh. A coordinator that is away is no such thing.
var ErrExpelled = errors.New("the coordinator has expelled this node, and its peers have forgotten it: to come back it needs another one-time key, and an empty folder (--dir)")

// exit is where an expulsion is known.
type exit struct {
	once sync.Once
	gone chan struct{}
}

func newExit() *exit { return &exit{gone: make(chan struct{})} }

func (e *exit) take() { e.once.Do(func() { close(e.gone) }) }

// until is ctx until the expulsion, which is its cause then.
func (e *exit) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-e.gone:
			end(ErrExpelled)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { end(nil) }
}

// Staying is ctx until the member is expelled; see Expulsion.
func (m *Member) Staying(ctx context.Context) (context.Context, context.CancelFunc) {
	return m.exit.until(ctx)
}

// Expulsion is ErrExpelled where a context of Staying ended by that, and nil otherwise.
func Expulsion(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), ErrExpelled) {
		return ErrExpelled
	}
	return nil
}

// watch takes the coordinator's word that the node has to log in again. It was in the mesh before: while the coordinator is away it goes on by the map that it has, and that state is never reached.
func (m *Member) watch() {
	ctx, stop := m.exit.until(context.Background())
	defer stop()
	local, err := m.server.LocalClient()
	if err != nil {
		return // the server is closed
	}
	events, err := local.WatchIPNBus(ctx, ipn.NotifyInitialState)
	if err != nil {
		return
	}
	defer func() { _ = events.Close() }()
	for {
		n, err := events.Next()
		if err != nil {
			return
		}
		if n.State != nil && *n.State == ipn.NeedsLogin {
			m.exit.take()
			return
		}
	}
}

// expelled says whether a line of tailscale's log tells that the coordinator does not know the node. Its library asks for such a node's map, or to be logged in by a person, for ever, and has no event for the first. Both
// answers come within Noise, so that they are the coordinator's and nobody else's. To be logged in is asked of who comes back without a key.
func expelled(line string, back bool) bool {
	return strings.Contains(line, "PollNetMap: initial fetch failed 404") || back && strings.HasPrefix(line, "control: AuthURL is ")
}
