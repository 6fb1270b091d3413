package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/ipam"
)

// DefaultVRF is the scope of what names none.
const DefaultVRF = "default"

// Claim is an object that holds addresses.
type Claim struct{ Kind, Namespace, Name, UID string }

// Key is the claim without its UID: the holder, as ipam calls it.
func (c Claim) Key() string { return c.Kind + "/" + c.Namespace + "/" + c.Name }

// ParseClaim reads a Key back.
func ParseClaim(key, uid string) (Claim, bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 3 {
		return Claim{}, false
	}
	return Claim{Kind: parts[0], Namespace: parts[1], Name: parts[2], UID: uid}, true
}

// NetworkFacts is what a Network's object says beside what is recorded of it.
type NetworkFacts struct {
	ipam.Network
	// Pool is what its addresses are given by; nil where it gives none.
	Pool *ipam.Pool
}

// Import is an address that an object shows and that may be in no record yet.
type Import struct {
	Pool, As string
	Claim    Claim
	Address  netip.Addr
}

// Config is what the cached objects say.
type Config struct {
	// Networks by NAMESPACE/NAME.
	Networks map[string]NetworkFacts
	// Pools are those without a Network object.
	Pools []ipam.Pool
}

// Options are what a Ledger is built on.
type Options struct {
	// Live is a client without a cache.
	Live client.Client
	// Config reads the cached objects. It is called with the ledger locked.
	Config func(context.Context) (Config, error)
	// Imports are taken into the records before anything is given, once in the life of a process; nil: there are none.
	Imports func(context.Context) ([]Import, error)
	// Lost is told of claims whose address went out of a record by another's hand; nil: nobody is. Mostly another process gave it back. But where the claim is there still, its record was deleted or edited, and the
	// claim must ask for its address again before another gets it. It is called without the ledger's lock.
	Lost func(Claim)
	Log  *slog.Logger
	// Now is time.Now when nil; Pace is the least time between two writes of one record, 250 ms when 0.
	Now  func() time.Time
	Pace time.Duration
}

const (
	defaultPace = 250 * time.Millisecond
	writeTime   = 30 * time.Second
	// page is how many records a list has at once.
	page = 500
)

// Ledger is safe for concurrent use.
type Ledger struct {
	Options

	mu      sync.Mutex
	loaded  bool
	stale   bool
	records map[string]*record
	// byClaim finds entries by Claim.Key, held counts entries by pool.
	byClaim map[string]map[*entry]bool
	held    map[string]int
	// ips counts IPv4 and IPv6 addresses of IPs by namespace, for quotas.
	ips      map[string]*[2]int
	state    *ipam.State
	findings map[string]*ipam.Refusal
	waiting  waiters

	// edits serialises changes of networks and numbers.
	edits sync.Mutex
	// wrote is when any record was written last; censuses count IPs at the API server, by namespace.
	wrote    time.Time
	censuses map[string]*census
	// lost are claims that Lost is to be told of.
	lost []Claim
	// counters for the benchmark and the metrics
	writes, conflicts int
}

// New makes a Ledger that reads nothing yet.
func New(o Options) *Ledger {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Pace <= 0 {
		o.Pace = defaultPace
	}
	return &Ledger{Options: o, records: map[string]*record{}, byClaim: map[string]map[*entry]bool{}, held: map[string]int{}, ips: map[string]*[2]int{}, censuses: map[string]*census{}}
}

// Writes are how many times a record was written, and how many writes lost to another writer.
func (l *Ledger) Writes() (written, conflicts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.writes, l.conflicts
}

// Changed says that the cached networks or pools are other ones now: what waits is looked at again.
func (l *Ledger) Changed() {
	l.mu.Lock()
	l.stale = true
	wake := l.waiting.all()
	l.mu.Unlock()
	for _, f := range wake {
		f()
	}
}

// Await calls wake, once, after Changed. A key waits in one place.
func (l *Ledger) Await(key string, wake func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting.add("", key, wake)
}

// ready loads and builds what is needed. The caller has the lock.
func (l *Ledger) ready(ctx context.Context) error {
	if l.loaded && !l.stale {
		return nil
	}
	if !l.loaded {
		if err := l.load(ctx); err != nil {
			return err
		}
	}
	config, err := l.Config(ctx)
	if err != nil {
		return fmt.Errorf("read networks and pools: %w", err)
	}
	l.build(config)
	if !l.loaded && l.Imports != nil {
		imports, err := l.Imports(ctx)
		if err != nil {
			return fmt.Errorf("read the objects that show addresses: %w", err)
		}
		if l.enter(imports) {
			l.build(config)
		}
	}
	l.loaded, l.stale = true, false
	return nil
}

func (l *Ledger) load(ctx context.Context) error {
	l.records, l.byClaim, l.held, l.ips = map[string]*record{}, map[string]map[*entry]bool{}, map[string]int{}, map[string]*[2]int{}
	var list ingot.AddressRecordList
	for next := ""; ; next = list.Continue {
		list = ingot.AddressRecordList{}
		if err := l.Live.List(ctx, &list, client.Limit(page), client.Continue(next)); err != nil {
			return fmt.Errorf("list the records of addresses: %w", err)
		}
		for i := range list.Items {
			r := l.record(list.Items[i].Name)
			if l.replace(r, &list.Items[i]); r.unlabelled {
				l.kick(r)
			}
		}
		if list.Continue == "" {
			return nil
		}
	}
}

// enter records what objects show and no record has, and says whether there was any: another program gave it, or it was moved here with its objects.
func (l *Ledger) enter(imports []Import) bool {
	any := false
	for _, i := range imports {
		pool, known := l.state.Pool(i.Pool)
		if !known || !i.Address.IsValid() {
			continue
		}
		block := blockOf(i.Address)
		r := l.record(recordName(pool.VRF, block))
		if by := r.entries[i.Address]; by != nil {
			if by.claim.Key() != i.Claim.Key() {
				l.Log.Warn("two objects show one address; the one that is recorded keeps it", "address", i.Address.String(), "claim", i.Claim.Key(), "held", by.claim.Key())
			}
			continue
		}
		r.vrf, r.block, any = pool.VRF, block, true
		l.put(&entry{record: r, address: i.Address, pool: i.Pool, claim: i.Claim, as: i.As})
		l.kick(r)
	}
	return any
}

// build makes the State of the records and the configuration.
func (l *Ledger) build(config Config) {
	var f ipam.Facts
	now := l.Now()
	for _, r := range l.records {
		for _, n := range r.networks {
			f = addNetwork(f, r.vrf, n, config)
		}
		for _, e := range r.entries {
			switch {
			case e.until.IsZero():
				f.Leases = append(f.Leases, ipam.Lease{VRF: r.vrf, Pool: e.pool, Address: e.address, Holder: e.holder(), Turn: uint64(e.turn)})
			case e.until.After(now):
				f.Rests = append(f.Rests, ipam.Rest{VRF: r.vrf, Pool: e.pool, Address: e.address, Holder: e.holder(), Turn: uint64(e.turn), Until: e.until})
			}
		}
	}
	f.Pools = append(f.Pools, config.Pools...)
	state, findings := ipam.Build(f)
	l.state, l.findings = state, map[string]*ipam.Refusal{}
	for _, found := range findings {
		switch fact := found.Fact.(type) {
		case ipam.Pool:
			l.findings[fact.Name] = found.Refusal
		case ipam.Lease:
			l.Log.Debug("a held address stands against the pools", "address", fact.Address, "claim", fact.Holder, "err", found.Refusal)
		}
	}
}

func addNetwork(f ipam.Facts, vrf string, n ingot.RecordedNetwork, config Config) ipam.Facts {
	if n.Until != nil {
		for _, p := range n.Prefixes {
			if prefix, err := netip.ParsePrefix(p); err == nil {
				f.PrefixRests = append(f.PrefixRests, ipam.PrefixRest{Parent: n.Parent, Prefix: prefix, Holder: n.Network, Until: n.Until.Time})
			}
		}
		return f
	}
	facts := config.Networks[n.Network]
	made := facts.Network
	made.Name, made.VRF, made.Kind, made.Parent, made.Prefixes = n.Network, vrf, ipam.Kind(n.Type), n.Parent, nil
	for _, p := range n.Prefixes {
		if prefix, err := netip.ParsePrefix(p); err == nil {
			made.Prefixes = append(made.Prefixes, prefix)
		}
	}
	f.Networks = append(f.Networks, made)
	if facts.Pool != nil {
		pool := *facts.Pool
		pool.VRF, pool.Network = vrf, n.Network
		f.Pools = append(f.Pools, pool)
	}
	return f
}

// Problem is why a pool can't give anything, or nil.
func (l *Ledger) Problem(ctx context.Context, pool string) (*ipam.Refusal, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(ctx); err != nil {
		return nil, err
	}
	return l.findings[pool], nil
}

// Usage is how full a pool is, and how many claims hold something of it.
func (l *Ledger) Usage(ctx context.Context, pool string) (u ipam.Usage, held int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(ctx); err != nil {
		return ipam.Usage{}, 0, err
	}
	u, _ = l.state.Usage(pool)
	return u, l.held[pool], nil
}

// Holding is one address of a claim.
type Holding struct {
	Pool    string
	VRF     string
	Claim   Claim
	Address netip.Addr
}

// Holdings are what the claim of a key has, whatever its UID.
func (l *Ledger) Holdings(ctx context.Context, key string) ([]Holding, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(ctx); err != nil {
		return nil, err
	}
	var all []Holding
	for e := range l.byClaim[key] {
		all = append(all, Holding{e.pool, e.record.vrf, e.claim, e.address})
	}
	return all, nil
}

// PoolHoldings are what all claims have of a pool.
func (l *Ledger) PoolHoldings(ctx context.Context, pool string) ([]Holding, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(ctx); err != nil {
		return nil, err
	}
	var all []Holding
	for _, r := range l.records {
		for _, e := range r.entries {
			if e.pool == pool && e.until.IsZero() {
				all = append(all, Holding{e.pool, r.vrf, e.claim, e.address})
			}
		}
	}
	return all, nil
}

// Claims are all claims that hold something. Who knows which of them are gone has them looked at.
func (l *Ledger) Claims(ctx context.Context) ([]Claim, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(ctx); err != nil {
		return nil, err
	}
	all := make([]Claim, 0, len(l.byClaim))
	for _, entries := range l.byClaim {
		for e := range entries {
			all = append(all, e.claim)
		}
	}
	return all, nil
}
