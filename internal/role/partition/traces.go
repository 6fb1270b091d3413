package partition

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/role/traces"
	"github.com/ingotmetal/ingot/matrix"
)

// traces is where spans of hosts go; nil where no collector is named.
func (p *process) traces(ctx context.Context, mgr manager.Manager) (host.Traces, error) {
	e, err := p.o.Traces.Open(ctx, traces.Role{Name: matrix.Partition, Partition: p.o.Partition, Flow: matrix.PartitionToTraces, Bound: p.bound, Metrics: p.counters, Log: p.log})
	if e == nil || err != nil {
		return nil, err
	}
	return e, mgr.Add(always{func(ctx context.Context) error {
		<-ctx.Done()
		traces.Close(ctx, e, p.log)
		return nil
	}})
}
