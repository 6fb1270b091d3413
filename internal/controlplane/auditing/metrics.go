package auditing

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingotmetal/ingot/internal/trail"
)

// File is the trail's own files among the sinks of the metrics; the others are the archives' names.
const File = "file"

var (
	recordsMetric = prometheus.NewDesc("ingot_audit_records_total",
		`Records of the audit trail that a sink has, since the trail began: "file" is the trail itself, the others are archives that it is sent to.`, []string{"sink"}, nil)
	failuresMetric = prometheus.NewDesc("ingot_audit_failures_total",
		`How often a sink did not take what it was given: of "file", entries that could not be written or flushed since the API server started; of an archive, sendings that failed, over restarts.`, []string{"sink"}, nil)
	queueMetric = prometheus.NewDesc("ingot_audit_queue_records",
		`Records that a sink has yet to take: of "file", those that are written and not known to be on the disk; of an archive, those of the trail that it has not confirmed.`, []string{"sink"}, nil)
	lastMetric = prometheus.NewDesc("ingot_audit_last_record_timestamp_seconds",
		`When a sink took its last record, in seconds since 1970: time() minus this is its age. 0 while it has taken none.`, []string{"sink"}, nil)
	refusedMetric = prometheus.NewDesc("ingot_audit_refused_requests_total",
		"Requests that were refused since they could not be recorded before, since the API server started.", nil, nil)
)

// Collector shows the trail and its archives as metrics.
type Collector struct {
	// Dir is the trail's folder, in which archives keep how far they are.
	Dir     string
	Trail   *trail.Trail
	Auditor *Auditor
	Log     *slog.Logger
}

var _ prometheus.Collector = Collector{}

// Describe implements prometheus.Collector.
func (Collector) Describe(into chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{recordsMetric, failuresMetric, queueMetric, lastMetric, refusedMetric} {
		into <- d
	}
}

// Collect implements prometheus.Collector.
func (c Collector) Collect(into chan<- prometheus.Metric) {
	into <- prometheus.MustNewConstMetric(refusedMetric, prometheus.CounterValue, float64(c.Auditor.refused.Load()))
	state := c.Trail.State()
	sink(into, File, state.Seq, state.Failed, state.Seq-min(state.Seq, state.Flushed), state.At)
	names, err := trail.Sinks(c.Dir)
	if err != nil {
		c.Log.Error("the archives of the audit trail cannot be listed for the metrics", "err", err)
		return
	}
	for _, name := range names {
		at, err := trail.ReadPosition(c.Dir, name)
		if name == File || err != nil {
			c.Log.Error("how far an archive of the audit trail is cannot be shown", "sink", name, "err", err)
			continue
		}
		sink(into, name, at.Seq, at.Failures, state.Seq-min(state.Seq, at.Seq), at.Time)
	}
}

func sink(into chan<- prometheus.Metric, name string, records, failures, queue uint64, last time.Time) {
	seconds := 0.0
	if !last.IsZero() {
		seconds = float64(last.UnixMilli()) / float64(time.Second/time.Millisecond)
	}
	into <- prometheus.MustNewConstMetric(recordsMetric, prometheus.CounterValue, float64(records), name)
	into <- prometheus.MustNewConstMetric(failuresMetric, prometheus.CounterValue, float64(failures), name)
	into <- prometheus.MustNewConstMetric(queueMetric, prometheus.GaugeValue, float64(queue), name)
	into <- prometheus.MustNewConstMetric(lastMetric, prometheus.GaugeValue, seconds, name)
}
