package discover

import (
	"context"
	"errors"
	"fmt"
	"io"

	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/discovery"
	"github.com/ingotmetal/ingot/discovery/sweep"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// importLeases makes finds of the BMCs in a lease file.
func (i importer) importLeases(ctx context.Context, s *session.Session, stdin io.Reader) error {
	if i.accept || i.format != "" {
		return errors.New("--leases has neither --accept nor --format: a lease file names no credentials, and its form shows by itself")
	}
	if i.online {
		return errors.New("--online is about hosts, and none is made without an accept")
	}
	text, err := bounded(i.leases, stdin)
	if err != nil {
		return err
	}
	c, _, err := connect(s)
	if err != nil {
		return err
	}
	ranges, err := i.ranges(ctx, c)
	if err != nil {
		return err
	}
	l := discovery.ReadLeases(text, ranges.Contains)
	if err := tell(s.Err, i.leases, l.Problems); err != nil {
		return err
	}
	if len(l.Entries) == 0 {
		fmt.Fprintf(s.Err, "%s: no lease is at one of the %d addresses that are BMCs'\n", i.leases, ranges.Size())
		return nil
	}
	return i.run(ctx, s, i.leases, l.Entries)
}

// ranges are the addresses that BMCs have.
func (i importer) ranges(ctx context.Context, c client.Client) (sweep.Ranges, error) {
	if len(i.in) > 0 {
		r, err := sweep.Parse(i.in)
		if err != nil {
			return r, fmt.Errorf("--in: %w", err)
		}
		return r, nil
	}
	name, err := partitionOf(ctx, c, i.partition)
	if err != nil {
		return sweep.Ranges{}, err
	}
	p := &ingot.Partition{}
	if err := c.Get(ctx, client.ObjectKey{Name: name}, p); err != nil {
		return sweep.Ranges{}, fmt.Errorf("read Partition %s: %w", name, err)
	}
	if d := p.Spec.Discovery; d == nil || d.BMCScan == nil {
		return sweep.Ranges{}, fmt.Errorf("a lease file does not say which machines are BMCs, and Partition %s declares no ranges (spec.discovery.bmcScan): give their addresses by --in", name)
	}
	r, err := sweep.Parse(p.Spec.Discovery.BMCScan.Ranges)
	if err != nil {
		return r, fmt.Errorf("partition %s: spec.discovery.bmcScan.ranges: %w; correct them, or give addresses by --in", name, err)
	}
	return r, nil
}
