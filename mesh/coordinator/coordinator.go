// Package coordinator is headscale inside of our own process: who is in the mesh, by which keys, under which policy.
//
// It owns headscale's configuration, its store (SQLite in a folder of its own) and the few calls that the rest of Ingot needs of it. It refuses headscale's own API (gRPC, HTTP), its users, its listeners and its
// signal handlers: the listeners are the caller's, and only the paths that members need are answered. Everything of headscale's is behind this package, since its Go API changes with every minor version.
//
// A key made here lets a node in with the tag of the quarantine and no other, so that nothing is reached by it before the caller gives it its tags (Retag).
//
// Invariants: no policy is empty, since an empty one allows all; a key is stored as a hash; no map, log or relay of a third party is in what members are told.
package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/juanfont/headscale/hscontrol"
	"github.com/juanfont/headscale/hscontrol/state"
	"github.com/juanfont/headscale/hscontrol/types"
	"github.com/rs/zerolog"
	zerologlog "github.com/rs/zerolog/log"
	"tailscale.com/tailcfg"
)

// Options say where and what.
type Options struct {
	// Dir holds the store and the coordinator's Noise key. One process has it at a time.
	Dir string
	// URL is where members join, like https://192.0.2.1:8449.
	URL string
	// V4 and V6 are the prefixes that members get addresses of; invalid: that family has none.
	V4, V6 netip.Prefix
	// Relays are told to members. At least one is needed.
	Relays []Relay
	// EphemeralGrace is how long an ephemeral node may be away before it leaves.
	EphemeralGrace time.Duration
	Log            *slog.Logger
}

// Relay is one that members may use.
type Relay struct {
	// Host is a name or an address, as the relay's certificate has it.
	Host string
	Port uint16
	// STUN is its UDP port.
	STUN uint16
}

// Coordinator is a running one. Its methods may be called by several goroutines.
type Coordinator struct {
	headscale *hscontrol.Headscale
	state     *state.State
	life      *life
	lock      *os.File

	mu     sync.Mutex
	policy string
}

// batchDelay is how long changes are gathered before members hear of them.
const batchDelay = 100 * time.Millisecond

// Open starts headscale on a folder, under a policy.
func Open(o Options, policy []byte) (*Coordinator, error) {
	quiet()
	lock, err := take(o.Dir)
	if err != nil {
		return nil, err
	}
	if len(o.Relays) == 0 {
		lock.Close()
		return nil, errors.New("no relay: members that do not reach each other need one; run ingot-mesh relay, and name it with --relay HOST:PORT")
	}
	headscale, err := hscontrol.NewHeadscale(config(o))
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("start the coordinator on %s: %w", o.Dir, err)
	}
	c := &Coordinator{headscale: headscale, state: headscale.GetState(), life: &life{}, lock: lock}
	c.state.SetDERPMap(relays(o.Relays))
	headscale.StartBatcherForTest(c.life)
	headscale.StartEphemeralGCForTest(c.life)
	if err := c.SetPolicy(policy, policy); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// config is headscale's. What is not here is off: OpenID Connect, Let's Encrypt, its embedded relay, MagicDNS, gRPC.
func config(o Options) *types.Config {
	c := &types.Config{
		ServerURL:           o.URL,
		NoisePrivateKeyPath: filepath.Join(o.Dir, "noise.key"),
		Node:                types.NodeConfig{Ephemeral: types.EphemeralConfig{InactivityTimeout: o.EphemeralGrace}},
		IPAllocation:        types.IPAllocationStrategySequential,
		Database: types.DatabaseConfig{Type: types.DatabaseSqlite, Sqlite: types.SqliteConfig{
			Path: filepath.Join(o.Dir, "mesh.sqlite"), WriteAheadLog: true, WALAutoCheckPoint: 1000,
		}},
		Policy:             types.PolicyConfig{Mode: types.PolicyModeDB},
		DisableUpdateCheck: true,
		Tuning:             types.Tuning{BatchChangeDelay: batchDelay, BatcherWorkers: types.DefaultBatcherWorkers(), NodeMapSessionBufferedChanSize: 30},
	}
	if o.V4.IsValid() {
		c.PrefixV4 = &o.V4
	}
	if o.V6.IsValid() {
		c.PrefixV6 = &o.V6
	}
	return c
}

// firstRegion is where numbers are free for relays of one's own (tailcfg.DERPRegion.RegionID).
const firstRegion = 900

// relays is the map of our own relays and no other.
func relays(all []Relay) *tailcfg.DERPMap {
	m := &tailcfg.DERPMap{OmitDefaultRegions: true, Regions: map[int]*tailcfg.DERPRegion{}}
	for i, r := range all {
		id := firstRegion + i
		node := &tailcfg.DERPNode{Name: fmt.Sprintf("relay%d", i+1), RegionID: id, HostName: r.Host, DERPPort: int(r.Port), STUNPort: int(r.STUN)}
		if addr, err := netip.ParseAddr(r.Host); err == nil && addr.Is4() {
			node.IPv4, node.IPv6 = addr.String(), "none"
		} else if err == nil {
			node.IPv6, node.IPv4 = addr.String(), "none"
		}
		m.Regions[id] = &tailcfg.DERPRegion{RegionID: id, RegionCode: node.Name, RegionName: node.Name, Nodes: []*tailcfg.DERPNode{node}}
	}
	return m
}

// Handler answers members: the Noise key, the protocol, and the answers to the coordinator's pings.
func (c *Coordinator) Handler() http.Handler {
	inner := c.headscale.HTTPHandler()
	mux := http.NewServeMux()
	for _, pattern := range []string{"GET /key", "POST /ts2021", "GET /ts2021", "HEAD /machine/ping-response"} {
		mux.Handle(pattern, inner)
	}
	return mux
}

// Close ends the members' streams and closes the store.
func (c *Coordinator) Close() error {
	c.life.end()
	err := c.state.Close()
	c.lock.Close()
	if err != nil {
		return fmt.Errorf("close the coordinator's store: %w", err)
	}
	return nil
}

// take locks the folder: two coordinators on one store would give one address to two members.
func take(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the coordinator's folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the coordinator's folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the coordinator's folder %s: another coordinator has it: %w", dir, err)
	}
	return f, nil
}

// quiet leaves of headscale's global log the warnings.
func quiet() {
	zerolog.SetGlobalLevel(zerolog.WarnLevel)
	zerologlog.Logger = zerolog.New(os.Stderr).With().Timestamp().Logger()
}

// CheckURL says whether members can be told this URL.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.Path != "" {
		return fmt.Errorf("the coordinator's URL is %q: https://ADDRESS:PORT is needed", text)
	}
	return nil
}

// Ready says whether the store answers.
func (c *Coordinator) Ready(ctx context.Context) error { return c.state.PingDB(ctx) }
