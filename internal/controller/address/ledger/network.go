package ledger

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/ipam"
)

// Wanted is a network as its object asks for it.
type Wanted struct {
	// Name is NAMESPACE/NAME.
	Name, UID string
	VRF       string
	Kind      ipam.Kind
	Parent    string
	// Prefixes is empty where they are to be cut, by Lengths.
	Prefixes []netip.Prefix
	Lengths  ipam.Lengths
	// Limits hold for new networks.
	Limits []NetworkLimit
}

// NetworkLimit bounds how many networks some namespaces have together.
type NetworkLimit struct {
	Name       string
	Namespaces map[string]bool
	Max        int
}

// edit changes the record of a name until nobody was faster. What change refuses is returned.
func (l *Ledger) edit(ctx context.Context, name string, change func(*ingot.AddressRecordSpec) (changed bool, err error)) error {
	l.edits.Lock()
	defer l.edits.Unlock()
	for range tries {
		o := &ingot.AddressRecord{}
		err := l.Live.Get(ctx, client.ObjectKey{Name: name}, o)
		if apierrors.IsNotFound(err) {
			o = &ingot.AddressRecord{ObjectMeta: metav1.ObjectMeta{Name: name}}
		} else if err != nil {
			return fmt.Errorf("read AddressRecord %s: %w", name, err)
		}
		changed, err := change(&o.Spec)
		if err != nil {
			return err
		}
		if _, labelled := o.Labels[networksLabel]; !labelled && len(o.Spec.Networks) > 0 {
			metav1.SetMetaDataLabel(&o.ObjectMeta, networksLabel, "")
			changed = true
		}
		if changed {
			if err := l.store(ctx, o); lostWrite(err) {
				continue
			} else if err != nil {
				return fmt.Errorf("write AddressRecord %s: %w", name, err)
			}
		}
		l.mu.Lock()
		if changed {
			l.writes++
		}
		if r := l.record(name); changed || newer(o.ResourceVersion, r.version) {
			l.replace(r, o)
		}
		l.mu.Unlock()
		return nil
	}
	return fmt.Errorf("write AddressRecord %s: %d times another process was faster; trying again", name, tries)
}

// SetNetwork records a network with its prefixes, and returns these once they are counted where limits hold. Recorded already it costs one read. An expected refusal is an *ipam.Refusal or a *NetworkQuotaError.
func (l *Ledger) SetNetwork(ctx context.Context, w Wanted) ([]netip.Prefix, error) {
	got, pending, err := l.propose(ctx, w)
	if err != nil || pending == "" {
		return got, err
	}
	over, err := l.networksOver(ctx, w)
	if err != nil {
		return nil, err
	}
	// The mark must be the one that was there before the count: what was given up and recorded anew since is counted anew.
	counted := false
	err = l.edit(ctx, networksName(w.VRF), func(spec *ingot.AddressRecordSpec) (bool, error) {
		at := w.in(spec.Networks)
		counted = at >= 0 && spec.Networks[at].Pending == ""
		if at < 0 || spec.Networks[at].Pending != pending {
			return false, nil
		}
		if over != nil {
			spec.Networks = slices.Delete(spec.Networks, at, at+1)
			return true, nil //nolint:nilerr // what is over a limit is told after it was given up
		}
		spec.Networks[at].Pending, counted = "", true
		return true, nil
	})
	switch {
	case err != nil:
		return nil, err
	case counted:
		return got, nil
	case over != nil:
		return nil, over
	}
	return nil, fmt.Errorf("network %s was counted by two processes at once; trying again", w.Name)
}

// in finds the network among recorded ones, or gives -1.
func (w *Wanted) in(recorded []ingot.RecordedNetwork) int {
	return slices.IndexFunc(recorded, func(n ingot.RecordedNetwork) bool { return n.Network == w.Name && n.UID == w.UID && n.Until == nil })
}

// propose records a network, with a mark where it is still to be counted.
func (l *Ledger) propose(ctx context.Context, w Wanted) (got []netip.Prefix, pending string, err error) {
	err = l.edit(ctx, networksName(w.VRF), func(spec *ingot.AddressRecordSpec) (bool, error) {
		spec.VRF = w.VRF
		l.mu.Lock()
		defer l.mu.Unlock()
		if err := l.ready(ctx); err != nil {
			return false, err
		}
		config, err := l.Config(ctx)
		if err != nil {
			return false, err
		}
		at := slices.IndexFunc(spec.Networks, func(n ingot.RecordedNetwork) bool { return n.Network == w.Name && n.Until == nil })
		made := ingot.RecordedNetwork{Network: w.Name, UID: w.UID, Type: ingot.NetworkType(w.Kind), Parent: w.Parent}
		switch {
		case at >= 0 && spec.Networks[at].UID != w.UID:
			return false, &ipam.Refusal{Reason: ipam.Taken, Subject: "network name " + w.Name, By: "a network of that name which is being removed"}
		case at >= 0:
			made.Pending = spec.Networks[at].Pending
		case len(w.Limits) > 0:
			if err := l.withinNetworkLimits(w, spec.Networks); err != nil {
				return false, err
			}
			made.Pending = mark()
		}
		now := l.Now()
		n, refused := l.plan(spec.Networks, w, config, now)
		if refused != nil {
			return false, refused
		}
		got, pending = n.Prefixes, made.Pending
		for _, p := range n.Prefixes {
			made.Prefixes = append(made.Prefixes, p.String())
		}
		if at < 0 {
			spec.Networks = append(slices.DeleteFunc(spec.Networks, func(n ingot.RecordedNetwork) bool { return n.Until != nil && !n.Until.After(now) }), made)
			return true, nil
		}
		if refused := l.leaves(w.Name, spec.Networks[at].Prefixes, n.Prefixes); refused != nil {
			return false, refused
		}
		if slices.Equal(spec.Networks[at].Prefixes, made.Prefixes) {
			return false, nil
		}
		spec.Networks[at] = made
		return true, nil
	})
	return got, pending, err
}

// plan decides a network's prefixes among the recorded ones and the pools that name no network. It changes nothing.
func (l *Ledger) plan(recorded []ingot.RecordedNetwork, w Wanted, config Config, now time.Time) (ipam.Network, *ipam.Refusal) {
	var f ipam.Facts
	for _, n := range recorded {
		f = addNetwork(f, w.VRF, n, config)
	}
	f.Pools = config.Pools
	state, _ := ipam.Build(f)
	facts := config.Networks[w.Name].Network
	facts.Name, facts.VRF, facts.Kind, facts.Parent, facts.Prefixes = w.Name, w.VRF, w.Kind, w.Parent, w.Prefixes
	if len(w.Prefixes) > 0 {
		if refused := state.SetNetwork(facts, now); refused != nil {
			return ipam.Network{}, refused
		}
		n, _ := state.Network(w.Name)
		return n, nil
	}
	return state.Cut(ipam.Cut{Name: w.Name, Parent: w.Parent, Kind: w.Kind, Lengths: w.Lengths, Reserved: facts.Reserved}, now)
}

// leaves refuses to take a prefix away in which somebody has an address.
func (l *Ledger) leaves(network string, before []string, after []netip.Prefix) *ipam.Refusal {
	var lost []netip.Prefix
	for _, text := range before {
		if p, err := netip.ParsePrefix(text); err == nil && !slices.ContainsFunc(after, func(a netip.Prefix) bool { return a.Bits() <= p.Bits() && a.Contains(p.Addr()) }) {
			lost = append(lost, p)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	for _, r := range l.records {
		for _, e := range r.entries {
			if e.pool != "Network/"+network || !e.until.IsZero() {
				continue
			}
			for _, p := range lost {
				if p.Contains(e.address) && !slices.ContainsFunc(after, func(a netip.Prefix) bool { return a.Contains(e.address) }) {
					return &ipam.Refusal{Reason: ipam.InUse, Subject: "network " + network, Prefix: p, By: e.claim.Key()}
				}
			}
		}
	}
	return nil
}

// withinNetworkLimits counts the networks of all VRFs, of this one as it was read, and refuses early what can't be.
func (l *Ledger) withinNetworkLimits(w Wanted, recorded []ingot.RecordedNetwork) error {
	for _, limit := range w.Limits {
		held := limit.count(recorded)
		for _, r := range l.records {
			if r.name != networksName(w.VRF) {
				held += limit.count(r.networks)
			}
		}
		if held >= limit.Max {
			return &NetworkQuotaError{Limit: limit, Held: held}
		}
	}
	return nil
}

// networksOver counts them at the API server, this one among them: see count.go.
func (l *Ledger) networksOver(ctx context.Context, w Wanted) (*NetworkQuotaError, error) {
	var list ingot.AddressRecordList
	if err := l.Live.List(ctx, &list, client.HasLabels{networksLabel}); err != nil {
		return nil, fmt.Errorf("count networks: %w", err)
	}
	for _, limit := range w.Limits {
		held := 0
		for i := range list.Items {
			held += limit.count(list.Items[i].Spec.Networks)
		}
		if held > limit.Max {
			return &NetworkQuotaError{Limit: limit, Held: held, Raced: true}, nil
		}
	}
	return nil, nil
}

func (limit NetworkLimit) count(all []ingot.RecordedNetwork) int {
	held := 0
	for _, n := range all {
		if namespace, _, _ := strings.Cut(n.Network, "/"); n.Until == nil && limit.Namespaces[namespace] {
			held++
		}
	}
	return held
}

// NetworkQuotaError is a refusal by a NetworkLimit.
type NetworkQuotaError struct {
	Limit NetworkLimit
	Held  int
	// Raced is as with a QuotaError.
	Raced bool
}

func (e *NetworkQuotaError) Error() string {
	return fmt.Sprintf("%s allows %d networks and there are %d: remove one, or have the quota raised", e.Limit.Name, e.Limit.Max, e.Held)
}

// RemoveNetwork takes a network's prefixes from it, which rest as long as its parent says, and its numbers. It is refused while somebody has an address or a prefix of it.
func (l *Ledger) RemoveNetwork(ctx context.Context, w Wanted) error {
	l.mu.Lock()
	if err := l.ready(ctx); err != nil {
		l.mu.Unlock()
		return err
	}
	by := ""
	for _, entries := range l.byClaim {
		for e := range entries {
			if e.pool == "Network/"+w.Name {
				by = e.claim.Key()
			}
		}
	}
	l.mu.Unlock()
	if by != "" {
		return &ipam.Refusal{Reason: ipam.InUse, Subject: "network " + w.Name, By: by}
	}
	err := l.edit(ctx, networksName(w.VRF), func(spec *ingot.AddressRecordSpec) (bool, error) {
		at := slices.IndexFunc(spec.Networks, func(n ingot.RecordedNetwork) bool { return n.Network == w.Name && n.UID == w.UID && n.Until == nil })
		if at < 0 {
			return false, nil
		}
		if child := slices.IndexFunc(spec.Networks, func(n ingot.RecordedNetwork) bool { return n.Parent == w.Name && n.Until == nil }); child >= 0 {
			return false, &ipam.Refusal{Reason: ipam.InUse, Subject: "network " + w.Name, By: "network " + spec.Networks[child].Network}
		}
		rest, err := l.restOf(ctx, spec.Networks[at].Parent)
		if err != nil {
			return false, err
		}
		if rest > 0 {
			until := metav1.NewTime(l.Now().Add(rest))
			spec.Networks[at].Until = &until
			return true, nil
		}
		// What rests of a super network goes with it.
		spec.Networks = slices.DeleteFunc(spec.Networks, func(n ingot.RecordedNetwork) bool {
			return n.Network == w.Name && n.UID == w.UID || n.Parent == w.Name
		})
		return true, nil
	})
	if err != nil {
		return err
	}
	return l.edit(ctx, numbersName, func(spec *ingot.AddressRecordSpec) (bool, error) {
		before := len(spec.Numbers)
		spec.Numbers = slices.DeleteFunc(spec.Numbers, func(n ingot.RecordedNumber) bool { return n.Network == w.Name && n.UID == w.UID })
		return len(spec.Numbers) != before, nil
	})
}

func (l *Ledger) restOf(ctx context.Context, parent string) (time.Duration, error) {
	if parent == "" {
		return 0, nil
	}
	config, err := l.Config(ctx)
	if err != nil {
		return 0, err
	}
	return config.Networks[parent].Rest, nil
}

// Children is how many networks are cut from one.
func (l *Ledger) Children(ctx context.Context, vrf, network string) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(ctx); err != nil {
		return 0, err
	}
	n := 0
	if r := l.records[networksName(vrf)]; r != nil {
		for _, other := range r.networks {
			if other.Parent == network && other.Until == nil {
				n++
			}
		}
	}
	return n, nil
}
