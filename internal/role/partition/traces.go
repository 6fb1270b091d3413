package partition

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/otlp"
	"github.com/ingotmetal/ingot/internal/version"
	"github.com/ingotmetal/ingot/matrix"
)

// lastTraces is how long the end of the role waits for the collector.
const lastTraces = 3 * time.Second

// traces is where spans of hosts go; nil where no collector is named.
func (p *process) traces(ctx context.Context, mgr manager.Manager) (host.Traces, error) {
	if p.o.TracesEndpoint == "" {
		return nil, nil // none is asked for
	}
	e, err := otlp.New(ctx, otlp.Options{
		Endpoint: p.o.TracesEndpoint, CA: p.o.TracesCA, TokenFile: p.o.TracesTokenFile, Dial: p.bound.DialContext(matrix.PartitionToTraces),
		Service: "ingot-partition", Version: version.Get().Version, Attributes: map[string]string{"ingot.partition": p.o.Partition},
		Metrics: p.counters, Log: p.log,
	})
	if err != nil {
		return nil, fmt.Errorf("--traces-endpoint: %w", err)
	}
	return e, mgr.Add(always{func(ctx context.Context) error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTraces)
		defer cancel()
		if err := e.Close(last); err != nil {
			p.log.Warn("the last traces are lost", "err", err)
		}
		return nil
	}})
}
