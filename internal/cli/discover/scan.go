package discover

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/discovery/sweep"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// scanPoll is how often a pass is looked at: it takes minutes.
const scanPoll = 500 * time.Millisecond

func scanCommand(s *session.Session) *cobra.Command {
	var partition string
	var wait time.Duration
	c := &cobra.Command{
		Use:   "scan",
		Short: "Have the BMC ranges of a Partition asked at once",
		Long: "Has the partition role ask the ranges that the Partition declares (spec.discovery.bmcScan) for BMCs now, in the place of in some hours, and waits until all addresses were asked. Nothing is logged into: what answers is a " +
			"DiscoveredHost, to be accepted or ignored.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := connect(s)
			if err != nil {
				return err
			}
			name, err := partitionOf(cmd.Context(), c, partition)
			if err != nil {
				return err
			}
			return scanNow(cmd.Context(), s, c, name, wait)
		},
	}
	c.Flags().StringVar(&partition, "partition", "", "Partition whose ranges are asked (default: the only one)")
	c.Flags().DurationVar(&wait, "timeout", time.Hour, "how long to wait for the pass; 0: not at all")
	return c
}

func scanNow(ctx context.Context, s *session.Session, c client.Client, name string, wait time.Duration) error {
	p := &ingot.Partition{}
	if err := c.Get(ctx, client.ObjectKey{Name: name}, p); err != nil {
		return fmt.Errorf("read Partition %s: %w", name, err)
	}
	if p.Spec.Discovery == nil || p.Spec.Discovery.BMCScan == nil {
		return fmt.Errorf("partition %s declares no ranges to be asked: set spec.discovery.bmcScan.ranges", name)
	}
	ranges, err := sweep.Parse(p.Spec.Discovery.BMCScan.Ranges)
	if err != nil {
		return fmt.Errorf("partition %s: spec.discovery.bmcScan.ranges: %w", name, err)
	}
	before := p.DeepCopy()
	request := time.Now().UTC().Format(time.RFC3339Nano)
	if p.Annotations == nil {
		p.Annotations = map[string]string{}
	}
	p.Annotations[ingot.ScanAnnotation] = request
	if err := c.Patch(ctx, p, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("ask Partition %s for a pass: %w", name, err)
	}
	if wait <= 0 {
		_, err := fmt.Fprintf(s.Out, "%s: a pass over %d addresses is asked for\n", name, ranges.Size())
		return err
	}
	return followScan(ctx, s, c, p, request, wait)
}

// followScan waits until the pass that was asked for is over.
func followScan(ctx context.Context, s *session.Session, c client.Client, p *ingot.Partition, request string, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(scanPoll)
	defer tick.Stop()
	for {
		b := p.Status.BMCScan
		mine := b != nil && b.Request == request
		// It has a next one when it is over.
		if mine && b.NextAt != nil {
			text := fmt.Sprintf("%s: %d addresses asked, %d BMCs answered, %d are new: `ingot discover list -n %s`\n", p.Name, b.Addresses, b.Answered, b.New, p.Spec.Discovery.Namespace)
			if b.NotRecorded > 0 {
				text += fmt.Sprintf("%d more are not recorded, since too many wait for an answer already: accept, ignore or delete some\n", b.NotRecorded)
			}
			_, err := fmt.Fprint(s.Out, text)
			return err
		}
		select {
		case <-ctx.Done():
			progress := "it has not begun"
			if mine {
				progress = fmt.Sprintf("%d of %d addresses were asked a minute ago", b.Probed, b.Addresses)
			}
			return fmt.Errorf("the pass of Partition %s is not over after %s (%s); it goes on by itself", p.Name, wait, progress)
		case <-tick.C:
			if err := c.Get(ctx, client.ObjectKeyFromObject(p), p); err != nil && ctx.Err() == nil {
				return fmt.Errorf("read Partition %s: %w", p.Name, err)
			}
		}
	}
}
