// Package inventory shows a role's listening sockets as a metric, so that the running system can be compared with the matrix.
//
// It owns the metric ingot_listener_info. It refuses the comparison, which `ingot matrix verify` and ingot-node make. It is apart from package socket since the agent, which
// serves no metrics, travels on every boot.
//
// Invariant: each socket that is open at the moment of the scrape is one series with the value 1, and no other is.
package inventory

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingotmetal/ingot/internal/driver/socket"
)

// Name is the metric's. Its labels: flow, a row's name; protocol, as in the row; address, "ip:port", or the link for icmpv6.
const Name = "ingot_listener_info"

var description = prometheus.NewDesc(Name, "Sockets that this process listens on, each with the flow of the communication matrix that it serves.",
	[]string{"flow", "protocol", "address"}, nil)

// Collector collects the listeners of a role.
type Collector struct{ bound *socket.Bound }

// New makes the collector of a role's sockets, on all of its networks.
func New(b *socket.Bound) Collector { return Collector{b} }

// Describe implements prometheus.Collector.
func (Collector) Describe(into chan<- *prometheus.Desc) { into <- description }

// Collect implements prometheus.Collector.
func (c Collector) Collect(into chan<- prometheus.Metric) {
	seen := map[socket.Listener]bool{}
	for _, l := range c.bound.Listeners() {
		if seen[l] {
			continue // two sockets at one address, as while a link is served anew: one series
		}
		seen[l] = true
		into <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, 1, string(l.Flow), string(l.Protocol), l.Address)
	}
}
