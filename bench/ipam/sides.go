package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	peeripam "github.com/metal-stack/go-ipam"

	"github.com/ingotmetal/ingot/ipam"
)

// site is a pool that the product is measured with.
type site struct {
	subnet   string
	strategy ipam.Strategy
}

var (
	inFour       = site{"10.0.0.0/16", ipam.Sequential}
	inFourRandom = site{"10.0.0.0/16", ipam.Random}
	inSix        = site{"fd00::/64", ipam.Sequential}
)

// batch is given and taken back again, so that the number in use stays near the level; batches are how often.
const (
	batch   = 50
	batches = 2000
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (s site) state(level int) (*ipam.State, error) {
	pool := ipam.Pool{Name: "pool", Ranges: []ipam.PoolRange{{Subnet: netip.MustParsePrefix(s.subnet)}}, Strategy: s.strategy}
	state, findings := ipam.Build(ipam.Facts{Pools: []ipam.Pool{pool}})
	if len(findings) > 0 {
		return nil, findings[0].Refusal
	}
	for i := range level {
		if _, refused := state.Acquire(ipam.Request{Pool: "pool", Holder: fmt.Sprintf("IPClaim/default/standing-%d", i), Seed: uint64(i)}, now); refused != nil {
			return nil, refused
		}
	}
	return state, nil
}

// product is the time that one address takes to be given and taken back.
func product(s site, level int) (time.Duration, error) {
	state, err := s.state(level)
	if err != nil {
		return 0, err
	}
	var holders [batch]string
	for i := range holders {
		holders[i] = fmt.Sprintf("IPClaim/default/measured-%d", i)
	}
	return measure(batch*batches, func() error {
		for n := range batches {
			for i, h := range holders {
				if _, refused := state.Acquire(ipam.Request{Pool: "pool", Holder: h, Seed: uint64(n*batch + i)}, now); refused != nil {
					return refused
				}
			}
			for _, h := range holders {
				if len(state.Release("pool", h, now)) != 1 {
					return fmt.Errorf("%s held nothing", h)
				}
			}
		}
		return nil
	})
}

// fromFacts is the time that a state of so many addresses takes to be built.
func fromFacts(level int) (time.Duration, error) {
	state, err := inFour.state(level)
	if err != nil {
		return 0, err
	}
	facts := state.Facts()
	// As a list of objects comes: not in the order of addresses.
	for i := range facts.Leases {
		j := i * 7919 % len(facts.Leases)
		facts.Leases[i], facts.Leases[j] = facts.Leases[j], facts.Leases[i]
	}
	return measure(1, func() error {
		_, findings := ipam.Build(facts)
		if len(findings) > 0 {
			return findings[0].Refusal
		}
		return nil
	})
}

// peer is the time that one address takes to be given by go-ipam; what it gives is not taken back while the clock runs.
func peer(level, ops int) (time.Duration, error) {
	ctx := context.Background()
	p := peeripam.New(ctx)
	prefix, err := p.NewPrefix(ctx, inFour.subnet)
	if err != nil {
		return 0, err
	}
	if err := fill(ctx, p, prefix.Cidr, level); err != nil {
		return 0, err
	}
	return measure(ops, func() error {
		for range ops {
			if _, err := p.AcquireIP(ctx, prefix.Cidr); err != nil {
				return err
			}
		}
		return nil
	})
}

// fill loads the prefix with the lowest addresses taken: to acquire 60,000 one by one would take the peer most of an hour.
func fill(ctx context.Context, p peeripam.Ipamer, cidr string, level int) error {
	dump, err := p.Dump(ctx)
	if err != nil {
		return err
	}
	var prefixes []map[string]any
	if err := json.Unmarshal([]byte(dump), &prefixes); err != nil {
		return err
	}
	ips, ok := prefixes[0]["IPs"].(map[string]any)
	if len(prefixes) != 1 || !ok {
		return fmt.Errorf("the dump of go-ipam is not one prefix with its addresses: %.200s", dump)
	}
	a := netip.MustParsePrefix(cidr).Addr()
	for range level {
		a = a.Next()
		ips[a.String()] = true
	}
	text, err := json.Marshal(prefixes)
	if err != nil {
		return err
	}
	if _, err := p.DeletePrefix(ctx, cidr); err != nil {
		return err
	}
	if err := p.Load(ctx, string(text)); err != nil {
		return err
	}
	loaded, err := p.PrefixFrom(ctx, cidr)
	if err != nil {
		return err
	}
	if got := loaded.Usage().AcquiredIPs; got != uint64(level)+2 {
		return fmt.Errorf("go-ipam holds %d addresses after it was loaded with %d and the prefix's own two", got, level)
	}
	return nil
}
