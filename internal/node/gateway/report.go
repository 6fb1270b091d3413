package gateway

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/gateway/object"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/matrix"
)

// maxDrops is how many are told; the kind's bound.
const maxDrops = 64

// report says how it stands, where that changed or was not said for a while. Drops change all the time where somebody knocks: they go along with what is said anyway.
func (d *Daemon) report(ctx context.Context) error {
	if d.wanted == nil {
		return nil
	}
	r := Report{Seen: time.Now(), Applied: ingot.FirewallApplied{Generation: d.kept.FirewallGeneration, Digest: d.kept.Digest, Problem: cmp.Or(d.problem, d.unanswered)}}
	if d.kept.Gateway != nil {
		for network, card := range d.kept.Interfaces {
			r.Applied.Interfaces = append(r.Applied.Interfaces, network+"="+card)
		}
		slices.Sort(r.Applied.Interfaces)
		r.Applied.SharedInterfaces = d.kept.Gateway.Shared()
	}
	if m, ok := d.member(cmp.Or(d.unsettled, d.problem, d.unanswered)); ok {
		m.LastSeen = metav1.NewTime(r.Seen)
		r.Member = &m
	} else if d.reported.Member != nil {
		// What it said of the right holds until it is otherwise in the kernel; what hinders it is said.
		m := *d.reported.Member
		m.Problem, m.LastSeen = d.unsettled, metav1.NewTime(r.Seen)
		r.Member = &m
	}
	r.Machine, r.Current = d.o.Machine, object.Current(d.wanted) == d.o.Machine
	if reflect.DeepEqual(r.Applied, d.reported.Applied) && r.Current == d.reported.Current && same(r.Member, d.reported.Member) && r.Seen.Sub(d.reported.Seen) < d.o.Report {
		return nil
	}
	drops, err := d.drops(ctx)
	if err != nil {
		d.o.Log.Warn("the dropped packets could not be read", "err", err)
	}
	r.Drops = drops
	if d.kept.Gateway != nil && d.kept.Gateway.HasNames() {
		r.Names = d.names.told()
	}
	if err := d.o.Source.Report(ctx, r); err != nil {
		return err
	}
	d.reported = r
	return nil
}

// same says whether two say the same, whenever they say it.
func same(a, b *ingot.FirewallMember) bool {
	if a == nil || b == nil {
		return a == b
	}
	x := *a
	x.LastSeen = b.LastSeen
	return x == *b
}

// drops are the latest that were refused, and by what under the rules of now.
func (d *Daemon) drops(ctx context.Context) ([]ingot.FirewallDrop, error) {
	if d.kept.Gateway == nil {
		return nil, nil
	}
	tuples, err := d.o.Host.Tuples(ctx, d.o.Table, hostnet.Refused)
	if errors.Is(err, hostnet.ErrNoTable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(tuples, func(a, b hostnet.Tuple) int { return cmp.Compare(a.Idle, b.Idle) })
	now := d.names.moment(d.kept.Gateway)
	var all []ingot.FirewallDrop
	for _, t := range tuples[:min(len(tuples), maxDrops)] {
		by := now.Explain(firewall.Packet{Hook: firewall.Forward, Source: t.Source, Destination: t.Destination, Protocol: t.Protocol, DestinationPort: t.Port})
		one := ingot.FirewallDrop{From: t.Source.String(), To: t.Destination.String(), Protocol: string(matrix.ProtocolOf(t.Protocol)), Port: int32(t.Port), Packets: int64(t.Packets), By: by.By,
			Last: metav1.NewTime(time.Now().Add(-t.Idle).Truncate(time.Second))}
		if by.Verdict == firewall.Accept {
			// The sets have no interfaces: what the rules allow was refused for where it came from, by a limit, or by rules of before.
			one.By = "spoofed, over a limit, or refused by earlier rules or before its name was asked for"
		}
		all = append(all, one)
	}
	return all, nil
}
