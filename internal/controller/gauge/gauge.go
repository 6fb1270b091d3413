// Package gauge counts the fleet for Prometheus: its issues by kind, and its capacity by partition and size.
//
// It owns the metrics and how often the fleet is read for them. It refuses to find and to count, which packages issue and capacity do, so that a metric is the number of lines that
// `ingot host issues` shows. It changes nothing.
//
// Invariants: what is served is one reading of the whole fleet, never a mixture of two, and says when it was; before the first one there is nothing, and not zeros.
package gauge

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/capacity"
	"github.com/ingotmetal/ingot/capacity/stock"
	"github.com/ingotmetal/ingot/internal/fleet"
	"github.com/ingotmetal/ingot/issue"
	"github.com/ingotmetal/ingot/issue/evidence"
)

// Interval is how often the fleet is read. Of 10,000 hosts that is some seconds of the API server's time.
const Interval = 5 * time.Minute

// Options are what the gauges are built on.
type Options struct {
	// Live asks the API server; a cache of all records of hosts would be larger than all else that the controller role holds.
	Live client.Reader
	Log  *slog.Logger
	// Interval is Interval when 0.
	Interval time.Duration
	// Now is time.Now when nil.
	Now func() time.Time
}

// Gauges are a collector that is to be registered, and a runnable that is to be run by the leader.
type Gauges struct {
	o    Options
	last atomic.Pointer[reading]

	issues, hosts, free, reserved, used, readAt *prometheus.Desc
}

// reading is the fleet at one time.
type reading struct {
	at     time.Time
	issues map[issue.ID]int
	rows   []capacity.Row
}

// New makes the gauges.
func New(o Options) *Gauges {
	if o.Interval <= 0 {
		o.Interval = Interval
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("ingot_"+name, help, labels, nil)
	}
	return &Gauges{
		o:        o,
		issues:   desc("issues", "Issues of the fleet, as ingot host issues, machine issues and partition issues list them.", "id", "severity", "kind"),
		hosts:    desc("capacity_hosts", "Hosts by what they are to who looks for one: allocated, available, faulty or other. Their sum is all hosts.", "partition", "size", "state"),
		free:     desc("capacity_free_hosts", "Available hosts that anybody may have: without what is held back for reservations.", "partition", "size"),
		reserved: desc("capacity_reserved_hosts", "Hosts held back by the reservations that may be served here, also by those that may be elsewhere.", "partition", "size"),
		used:     desc("capacity_reserved_used_hosts", "Hosts held here on reservations.", "partition", "size"),
		readAt:   desc("fleet_read_timestamp_seconds", "When the fleet was last read for these metrics, in seconds since 1970."),
	}
}

// Start implements manager.Runnable: it reads the fleet now and then until ctx ends. A failure is logged, and the last reading stands, with its time.
func (g *Gauges) Start(ctx context.Context) error {
	tick := time.NewTicker(g.o.Interval)
	defer tick.Stop()
	for {
		if err := g.read(ctx); err != nil && ctx.Err() == nil {
			g.o.Log.Warn("the fleet could not be read for its metrics", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (g *Gauges) read(ctx context.Context) error {
	// What the server has in memory is new enough, and costs it no read of its store.
	o, err := fleet.Read(ctx, g.o.Live, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}})
	if err != nil {
		return err
	}
	r := &reading{at: g.o.Now(), issues: map[issue.ID]int{}}
	for _, x := range issue.Find(evidence.Facts(o), r.at) {
		r.issues[x.ID]++
	}
	r.rows = stock.Rows(o.Facts, o.ByHost())
	g.last.Store(r)
	return nil
}

// Describe implements prometheus.Collector.
func (g *Gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.issues, g.hosts, g.free, g.reserved, g.used, g.readAt} {
		to <- d
	}
}

// Collect implements prometheus.Collector. Every kind of issue is there, most of them as 0, so that a rule can tell none from not known.
func (g *Gauges) Collect(to chan<- prometheus.Metric) {
	r := g.last.Load()
	if r == nil {
		return
	}
	send := func(d *prometheus.Desc, n float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
	}
	send(g.readAt, float64(r.at.Unix()))
	for _, k := range issue.Kinds() {
		send(g.issues, float64(r.issues[k.ID]), string(k.ID), string(k.Severity), k.Subject)
	}
	for _, row := range r.rows {
		at := []string{row.Partition, row.Size}
		for state, n := range map[capacity.State]int{capacity.Allocated: row.Allocated, capacity.Available: row.Available, capacity.Faulty: len(row.Faulty), capacity.Other: len(row.Other)} {
			send(g.hosts, float64(n), row.Partition, row.Size, string(state))
		}
		send(g.free, float64(row.Free), at...)
		send(g.reserved, float64(row.Reserved), at...)
		send(g.used, float64(row.Used), at...)
	}
}
