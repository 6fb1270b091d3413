package partition

import (
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/ingotmetal/ingot/internal/controller/bmcevent"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

// streams listens to BMCs' events, so that hosts at rest need not be polled each minute.
func (p *process) streams(mgr manager.Manager, bmcs *bmc.Pool) (*bmcevent.Streams, error) {
	s, err := bmcevent.NewStreams(bmcevent.StreamOptions{Open: bmcs.Stream, Most: p.o.BMCEventStreams, Log: p.log, Metrics: p.counters})
	if err != nil {
		return nil, fmt.Errorf("partition role: %w", err)
	}
	if err := mgr.Add(s); err != nil {
		return nil, fmt.Errorf("partition role: %w", err)
	}
	return s, nil
}

// subscriptions adds the controller of BMCEventSubscriptions.
func (p *process) subscriptions(mgr manager.Manager, bmcs *bmc.Pool, hosts *host.Reconciler) error {
	_, err := bmcevent.Add(mgr, bmcevent.Options{Partition: p.o.Partition, BMCs: bmcs, Targets: hosts, Live: p.live, Log: p.log})
	return err
}
