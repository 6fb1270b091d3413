package partition

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/ingotmetal/ingot/internal/controller/discovery"
)

// discoveries adds the controller of DiscoveredHosts.
func (p *process) discoveries(ctx context.Context, mgr manager.Manager) error {
	return discovery.Add(ctx, mgr, discovery.Options{Partition: p.o.Partition, Log: p.log})
}
