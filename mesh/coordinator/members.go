package coordinator

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/juanfont/headscale/hscontrol/types"
	"github.com/juanfont/headscale/hscontrol/types/change"
	"tailscale.com/types/key"

	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/mesh"
)

// Node is one that has joined.
type Node struct {
	ID int64
	// MachineKey is "mkey:…", NodeKey "nodekey:…".
	MachineKey, NodeKey string
	Hostname, Version   string
	Addresses           []netip.Addr
	// Tags are with their "tag:".
	Tags      []string
	Online    bool
	LastSeen  time.Time
	Ephemeral bool
	// KeyID is the number of the key that it joined by, 0 where that is gone.
	KeyID int64
}

// Nodes are all that have joined, by their numbers.
func (c *Coordinator) Nodes() []Node {
	var all []Node
	for _, v := range c.state.ListNodes().All() {
		all = append(all, nodeOf(v))
	}
	slices.SortFunc(all, func(a, b Node) int { return int(a.ID - b.ID) })
	return all
}

func nodeOf(v types.NodeView) Node {
	n := Node{
		ID: int64(v.ID().Uint64()), MachineKey: v.MachineKey().String(), NodeKey: v.NodeKey().String(), Hostname: v.Hostname(), // numbers of rows are small
		Addresses: v.IPs(), Tags: v.Tags().AsSlice(), Ephemeral: v.IsEphemeral(),
	}
	if h := v.Hostinfo(); h.Valid() {
		n.Version = h.IPNVersion()
	}
	if at, ok := v.LastSeen().GetOk(); ok {
		n.LastSeen = at
	}
	if online, ok := v.IsOnline().GetOk(); ok {
		n.Online = online
	}
	if id, ok := v.AuthKeyID().GetOk(); ok {
		n.KeyID = int64(id) // numbers of rows are small
	}
	return n
}

// farewell is how long a node that is expelled may take to hear of it and go.
const farewell = time.Second

// Expel removes a node: its peers forget it at once, and it is told to log in, which takes a new key. A node that is gone already is no error.
//
// It is told first: headscale leaves the stream of a node that it removed open and silent, so that its program would go on for ever without a peer.
func (c *Coordinator) Expel(id int64) error {
	node := types.NodeID(id) // it came from Nodes
	v, ok := c.state.GetNodeByID(node)
	if !ok {
		return nil
	}
	if online, known := v.IsOnline().GetOk(); known && online {
		past := time.Now().Add(-time.Hour)
		_, changed, err := c.state.SetNodeExpiry(node, &past)
		if err != nil {
			return fmt.Errorf("tell node %d of the mesh that it is expelled: %w", id, err)
		}
		c.headscale.Change(changed, change.FullUpdate())
		for until := time.Now().Add(farewell); time.Now().Before(until); time.Sleep(batchDelay / 2) {
			if v, ok = c.state.GetNodeByID(node); !ok {
				return nil
			}
			if online, known := v.IsOnline().GetOk(); known && !online {
				break
			}
		}
	}
	changed, err := c.state.DeleteNode(v)
	if err != nil {
		return fmt.Errorf("expel node %d of the mesh: %w", id, err)
	}
	c.headscale.Change(changed)
	return nil
}

// Retag gives a node other tags. They must be in the policy. Members are sent the whole map: a peer that comes in an update of a part is not always taken into tailscale's WireGuard, which then knows no peer of that
// key and drops its handshakes (seen with 1.101.0-pre: "Received invalid initiation message" for minutes, from a peer that the map had).
func (c *Coordinator) Retag(id int64, tags []string) error {
	_, changed, err := c.state.SetNodeTags(types.NodeID(id), tags) // it came from Nodes
	if err != nil {
		return fmt.Errorf("give node %d of the mesh the tags %v: %w", id, tags, err)
	}
	c.headscale.Change(changed, change.FullUpdate())
	return nil
}

// Knows says whether a node key ("nodekey:…") is that of a node of the mesh. It is an error for what is no key.
func (c *Coordinator) Knows(nodeKey string) (bool, error) {
	var k key.NodePublic
	if err := k.UnmarshalText([]byte(nodeKey)); err != nil {
		return false, fmt.Errorf("read a node key: %w", err)
	}
	_, ok := c.state.GetNodeByNodeKey(k)
	return ok, nil
}

// Mint makes a key that is good once, until expires, and lets a node into the quarantine.
func (c *Coordinator) Mint(ephemeral bool, expires time.Time) (id int64, text secret.String, err error) {
	k, err := c.state.CreatePreAuthKey(nil, false, ephemeral, &expires, []string{mesh.Tag(mesh.Quarantine)})
	if err != nil {
		return 0, secret.String{}, fmt.Errorf("make a key of the mesh: %w", err)
	}
	return int64(k.ID), secret.New(k.Key), nil // numbers of rows are small
}

// Key is one in the store, without its text.
type Key struct {
	ID   int64
	Used bool
}

// Keys are all in the store.
func (c *Coordinator) Keys() ([]Key, error) {
	stored, err := c.state.ListPreAuthKeys()
	if err != nil {
		return nil, fmt.Errorf("list the keys of the mesh: %w", err)
	}
	all := make([]Key, 0, len(stored))
	for _, k := range stored {
		all = append(all, Key{int64(k.ID), k.Used}) // numbers of rows are small
	}
	return all, nil
}

// Void removes a key. A node that joined by it stays.
func (c *Coordinator) Void(id int64) error {
	if err := c.state.DeletePreAuthKey(uint64(id)); err != nil { // it came from Keys
		return fmt.Errorf("remove key %d of the mesh: %w", id, err)
	}
	return nil
}

// SetPolicy has headscale take a policy (package matrix/mesh). Asserted is the same with assertions, which headscale proves before anything changes; what is stored is the one without, since those are about
// the nodes of this moment and the store is read before there are any.
func (c *Coordinator) SetPolicy(plain, asserted []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.policy == string(asserted) {
		return nil
	}
	if _, err := c.state.SetPolicy(asserted); err != nil {
		return fmt.Errorf("headscale refuses the mesh's policy, and keeps the one before it: %w", err)
	}
	if _, err := c.state.SetPolicyInDB(string(plain)); err != nil {
		return fmt.Errorf("store the mesh's policy: %w", err)
	}
	changes, err := c.state.ReloadPolicy()
	if err != nil {
		return fmt.Errorf("load the mesh's policy: %w", err)
	}
	c.headscale.Change(append(changes, change.FullUpdate())...)
	c.policy = string(asserted)
	return nil
}

// Tag is the tag of a role's nodes.
func Tag(role string) string { return mesh.Tag(matrix.Role(role)) }
