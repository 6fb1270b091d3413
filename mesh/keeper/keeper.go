// Package keeper keeps the objects of the mesh and the coordinator's store together.
//
// It owns which key is made for which MeshKey, which node is let in with which tags, who is expelled, and what the objects say. The objects are the truth for who may join and who is expelled; the coordinator
// is the truth for who has joined and is online. It refuses the mesh's protocol (package coordinator) and the matrix's (package matrix/mesh).
//
// A node joins into the quarantine. It gets its tags only once there is a MeshNode for it, made from the MeshKey by which it joined, and its program is not too old. A node without either is expelled.
//
// Invariants: while the API server is away nobody is let in and nobody is expelled; a MeshKey is written down as spent before its key is made; what would be expelled or voided for want of an object is looked up at
// the API server itself first, since a cache may be behind.
package keeper

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/mesh/coordinator"
	"github.com/ingotmetal/ingot/mesh/release"
)

// Coordinator is what the keeper needs of one.
type Coordinator interface {
	Nodes() []coordinator.Node
	Keys() ([]coordinator.Key, error)
	Mint(ephemeral bool, expires time.Time) (int64, secret.String, error)
	Void(id int64) error
	Expel(id int64) error
	Retag(id int64, tags []string) error
	SetPolicy(plain, asserted []byte) error
}

// Options are what the keeper works with.
type Options struct {
	// Cached reads MeshKeys and MeshNodes; Live reads and writes at the API server.
	Cached client.Reader
	Live   client.Client
	Mesh   Coordinator
	// Matrix is the site's.
	Matrix matrix.Matrix
	// URL is where members join.
	URL string
	// Minimum is the oldest program that is let in.
	Minimum release.Version
	// EphemeralGrace is how long an ephemeral node may be away.
	EphemeralGrace time.Duration
	// KeepKeys is how long a MeshKey stays after nobody can join by it, and nobody who did is in the mesh.
	KeepKeys time.Duration
	Log      *slog.Logger
	Now      func() time.Time
}

// Keeper is one per coordinator.
type Keeper struct {
	Options
	roles map[matrix.Role]bool
	// minting is held while a key is made, so that it is not taken for one without an object.
	minting sync.Mutex
	wake    chan struct{}
}

// New reads the roles of the mesh from the matrix.
func New(o Options) (*Keeper, error) {
	roles, err := rolesOf(o.Matrix)
	if err != nil {
		return nil, err
	}
	return &Keeper{Options: o, roles: roles, wake: make(chan struct{}, 1)}, nil
}

// The coordinator has no events to wait for: its nodes are in memory, and are looked at often. Everything is gone through now and then, for what depends on the time.
const (
	look  = 200 * time.Millisecond
	whole = 5 * time.Second
)

// Wake says that an object changed.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run keeps until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	var seen []coordinator.Node
	var last time.Time
	for {
		woken := false
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
			woken = true
		case <-tick.C:
		}
		nodes := k.Mesh.Nodes()
		if !woken && time.Since(last) < whole && reflect.DeepEqual(nodes, seen) {
			continue
		}
		if err := k.Sync(ctx, nodes); err != nil {
			k.Log.Error("the mesh's objects and its coordinator could not be brought together; it is tried again", "err", err)
		}
		seen, last = nodes, time.Now()
	}
}

// world is what there is of the mesh at the API server.
type world struct {
	keys  []ingot.MeshKey
	nodes []ingot.MeshNode
}

func readWorld(ctx context.Context, r client.Reader) (world, error) {
	var keys ingot.MeshKeyList
	if err := r.List(ctx, &keys); err != nil {
		return world{}, fmt.Errorf("list MeshKeys: %w", err)
	}
	var nodes ingot.MeshNodeList
	if err := r.List(ctx, &nodes); err != nil {
		return world{}, fmt.Errorf("list MeshNodes: %w", err)
	}
	return world{keys.Items, nodes.Items}, nil
}

// node finds the object of a node.
func (w world) node(machineKey string) *ingot.MeshNode {
	i := slices.IndexFunc(w.nodes, func(n ingot.MeshNode) bool { return n.Spec.MachineKey == machineKey })
	if i < 0 {
		return nil
	}
	return &w.nodes[i]
}

// key finds the object of a key.
func (w world) key(id int64) *ingot.MeshKey {
	i := slices.IndexFunc(w.keys, func(m ingot.MeshKey) bool { return id != 0 && m.Status.KeyID == id && m.DeletionTimestamp == nil })
	if i < 0 {
		return nil
	}
	return &w.keys[i]
}
