package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	pure "github.com/ingotmetal/ingot/firewall/gateway"
	"github.com/ingotmetal/ingot/firewall/names"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// The bounds on what is told of names; the kind's.
const (
	maxNames     = 64
	maxAddresses = 16
)

// The reasons for which an answer is kept from a client.
var (
	errRebinding = errors.New("the answer has an address that is private, special, inside or the firewall's own")
	errFull      = errors.New("there are too many addresses of names: none is learned until others go")
)

// learning is what names are now. The proxy and the daemon share it: whoever has mu may write the sets.
type learning struct {
	host hostnet.Transactions
	file File
	now  func() time.Time

	mu     sync.Mutex
	table  *names.Table
	rules  *pure.Gateway
	ruling *ruleset.Ruleset
	said   map[string]*saying
	dirty  bool
}

// saying is what was answered for a name.
type saying struct {
	answers, refused int64
	problem          string
}

// names is where those of a file's rules are kept.
func (f File) names() File { return File(strings.TrimSuffix(string(f), ".json") + "-names.json") }

// readNames gives what was learned. What is damaged is left: names are learned anew.
func (f File) readNames(now time.Time) *names.Table {
	var kept []names.Element
	if text, err := os.ReadFile(string(f.names())); err == nil {
		_ = json.Unmarshal(text, &kept)
	}
	return names.NewTable(names.DefaultBounds, kept, now)
}

func newLearning(o *Options, k Kept, ruling *ruleset.Ruleset) *learning {
	return &learning{host: o.Host, file: o.File, now: time.Now, table: o.File.readNames(time.Now()), rules: k.Gateway, ruling: ruling, said: map[string]*saying{}}
}

// fill is the text that has the sets of a ruleset as a table has them; empty where there are none.
func fill(r *ruleset.Ruleset, t *names.Table, now time.Time) string {
	if len(r.NameSets) == 0 {
		return ""
	}
	return r.Fill(func(patterns []string) []ruleset.Learned {
		var all []ruleset.Learned
		for _, e := range t.Of(patterns, now) {
			all = append(all, ruleset.Learned{Address: e.Address, For: e.Until.Sub(now)})
		}
		return all
	})
}

// replace has other rules: install puts them into the kernel, and nobody writes a set meanwhile. Before, the sets are filled.
func (l *learning) replace(ctx context.Context, g *pure.Gateway, r *ruleset.Ruleset, install func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules, l.ruling = g, r
	l.table.Tidy(g.Patterns(), l.now())
	l.dirty = true
	if text := fill(r, l.table, l.now()); text != "" {
		if err := l.host.Apply(ctx, text); err != nil {
			return fmt.Errorf("fill the sets of names: %w", err)
		}
	}
	return install()
}

// restore writes the ruleset anew, over whatever is there.
func (l *learning) restore(ctx context.Context, r *ruleset.Ruleset) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Rewrite(ctx, l.host, r, fill(r, l.table, l.now()))
}

// moment is the Gateway with the addresses that names have, or had when a connection may have been begun.
func (l *learning) moment(g *pure.Gateway) *pure.Gateway {
	return g.LearnedFrom(func(patterns []string, a netip.Addr) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.table.Had(patterns, a)
	})
}

// Most implements resolver.Judge.
func (l *learning) Most() time.Duration { return names.DefaultBounds.Most }

// Servers implements resolver.Judge.
func (l *learning) Servers(client netip.Addr, name string) []netip.AddrPort {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rules == nil || !l.rules.HasNames() {
		return nil
	}
	named := names.Any(l.rules.Patterns(), name)
	var all []netip.AddrPort
	for _, a := range l.rules.Servers {
		if named || l.rules.MayAsk(client, a) {
			all = append(all, netip.AddrPortFrom(a, pure.PortOfDNS))
		}
	}
	return all
}

// Take implements resolver.Judge: when it returns, the kernel lets the client connect.
func (l *learning) Take(ctx context.Context, name string, a names.Answer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rules == nil || !names.Any(l.rules.Patterns(), name) {
		return nil // somebody else's business, and no rule's
	}
	s := l.of(name)
	if err := l.take(ctx, name, a); err != nil {
		s.refused++
		s.problem = err.Error()
		return fmt.Errorf("%s: %w", name, err)
	}
	if s.answers++; len(a.Addresses) > 0 {
		s.problem = "" // an answer without addresses, as to the other family's question, mends nothing
	}
	return nil
}

// of is what was answered for a name; of too many, those are forgotten that have no address.
func (l *learning) of(name string) *saying {
	if l.said[name] == nil {
		if len(l.said) >= names.DefaultBounds.Total {
			clear(l.said)
		}
		l.said[name] = &saying{}
	}
	return l.said[name]
}

func (l *learning) take(ctx context.Context, name string, a names.Answer) error {
	for _, address := range a.Addresses {
		if !l.rules.Learnable(address) {
			return fmt.Errorf("%s: %w", address, errRebinding)
		}
	}
	if len(a.Addresses) == 0 {
		return nil
	}
	now := l.now()
	learned := l.table.Learn(name, a.Addresses, a.TTL, now)
	if learned.Full {
		return errFull
	}
	if len(learned.Add)+len(learned.Gone) == 0 {
		return nil
	}
	l.dirty = true
	if err := l.host.Apply(ctx, l.change(name, learned, now)); err != nil {
		l.table.Forget(name)
		return fmt.Errorf("put its addresses into the kernel: %w", err)
	}
	return nil
}

// change is the text for what an answer changes. An address that another name has stays.
func (l *learning) change(name string, learned names.Learned, now time.Time) string {
	return l.ruling.Take(func(patterns []string) []netip.Addr {
		var gone []netip.Addr
		for _, e := range learned.Gone {
			if names.Any(patterns, name) && !slices.ContainsFunc(l.table.Of(patterns, now), func(x names.Element) bool { return x.Address == e.Address }) {
				gone = append(gone, e.Address)
			}
		}
		return gone
	}) + l.ruling.Fill(func(patterns []string) []ruleset.Learned {
		var add []ruleset.Learned
		if !names.Any(patterns, name) {
			return nil
		}
		for _, e := range l.table.Of(patterns, now) {
			if slices.ContainsFunc(learned.Add, func(x names.Element) bool { return x.Address == e.Address }) {
				add = append(add, ruleset.Learned{Address: e.Address, For: e.Until.Sub(now)})
			}
		}
		return add
	})
}

// keep writes what was learned, where that changed.
func (l *learning) keep() error {
	l.mu.Lock()
	all, dirty := l.table.All(), l.dirty
	l.dirty = false
	l.mu.Unlock()
	if !dirty {
		return nil
	}
	text, err := json.Marshal(all)
	if err == nil {
		err = l.file.names().replace(text)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep the addresses of names: %w", err)
	}
	return nil
}

// told is what the status says: of too many names, those that were asked for last.
func (l *learning) told() []ingot.FirewallName {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, byName := l.now(), map[string]*ingot.FirewallName{}
	for name, s := range l.said {
		byName[name] = &ingot.FirewallName{Name: name, Answers: s.answers, Refused: s.refused, Problem: s.problem}
	}
	for _, e := range l.table.All() {
		one := byName[e.Name]
		if one == nil {
			one = &ingot.FirewallName{Name: e.Name}
			byName[e.Name] = one
		}
		if !e.Until.After(now) {
			continue
		}
		if until := metav1.NewTime(e.Until.Truncate(time.Second)); one.Until == nil || one.Until.Before(&until) {
			one.Until = &until
		}
		if len(one.Addresses) < maxAddresses {
			one.Addresses = append(one.Addresses, e.Address.String())
		}
	}
	var all []ingot.FirewallName
	for _, one := range byName {
		all = append(all, *one)
	}
	when := func(n *ingot.FirewallName) time.Time {
		if n.Until == nil {
			return time.Time{}
		}
		return n.Until.Time
	}
	slices.SortFunc(all, func(a, b ingot.FirewallName) int {
		return cmp.Or(when(&b).Compare(when(&a)), cmp.Compare(b.Refused, a.Refused), cmp.Compare(a.Name, b.Name))
	})
	all = all[:min(len(all), maxNames)]
	slices.SortFunc(all, func(a, b ingot.FirewallName) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
