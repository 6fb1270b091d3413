package console

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are this process's own.
func (p *process) metrics() prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(counts{p})
	return r
}

// counts implements prometheus.Collector.
type counts struct{ p *process }

func described(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("ingot_console_"+name, help, nil, nil)
}

// Describe implements prometheus.Collector.
func (c counts) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect implements prometheus.Collector.
func (c counts) Collect(out chan<- prometheus.Metric) {
	var lines, sessions int
	var begun, refused, cut int64
	if c.p.ready.Load() {
		lines, sessions = c.p.server.Open()
		begun, refused, cut = c.p.server.Counts()
	}
	gauge := func(name, help string, v float64) {
		out <- prometheus.MustNewConstMetric(described(name, help), prometheus.GaugeValue, v)
	}
	counter := func(name, help string, v int64) {
		out <- prometheus.MustNewConstMetric(described(name, help), prometheus.CounterValue, float64(v))
	}
	gauge("lines_open", "Consoles that are open now.", float64(lines))
	gauge("sessions_open", "People's sessions that are open now.", float64(sessions))
	counter("sessions_total", "Sessions that began.", begun)
	counter("sessions_refused_total", "Sessions that were refused.", refused)
	counter("sessions_cut_total", "Sessions that were ended since their holder may not see the console any more.", cut)
}
