package partition

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/ingotmetal/ingot/internal/controller/discovery"
	"github.com/ingotmetal/ingot/internal/driver/knock"
	"github.com/ingotmetal/ingot/matrix"
)

// discoveries adds the controller of DiscoveredHosts and the search for BMCs.
func (p *process) discoveries(ctx context.Context, mgr manager.Manager) error {
	prober := knock.New(knock.Options{Redfish: p.bound.DialContext(matrix.PartitionToBMC), IPMI: p.bound.DialContext(matrix.PartitionToBMCIPMI)})
	return discovery.Add(ctx, mgr, discovery.Options{Partition: p.o.Partition, Log: p.log, Prober: prober})
}
