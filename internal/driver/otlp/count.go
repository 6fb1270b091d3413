package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// counted counts what was sent and what was lost, and says once that the collector is away and once that it is back. The SDK would tell a handler that is global to the process.
type counted struct {
	sdk.SpanExporter

	spans *prometheus.CounterVec
	away  atomic.Bool
	log   *slog.Logger
	at    string
}

func count(next sdk.SpanExporter, o Options) (sdk.SpanExporter, error) {
	c := &counted{SpanExporter: next, log: o.Log, at: o.Endpoint, spans: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ingot_trace_spans_total", Help: "Spans of hosts' traces that were sent to the collector (sent), or given up since it did not take them (lost).",
	}, []string{"result"})}
	if err := o.Metrics.Register(c.spans); err != nil {
		return nil, fmt.Errorf("register the metric of traces: %w", err)
	}
	return c, nil
}

// ExportSpans is of sdk.SpanExporter.
func (c *counted) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := c.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		c.spans.WithLabelValues("lost").Add(float64(len(spans)))
		if !c.away.Swap(true) {
			c.log.Warn("traces are lost: the collector did not take them", "endpoint", c.at, "count", len(spans), "err", err)
		}
		return nil
	}
	c.spans.WithLabelValues("sent").Add(float64(len(spans)))
	if c.away.Swap(false) {
		c.log.Info("the trace collector takes traces again", "endpoint", c.at)
	}
	return nil
}
