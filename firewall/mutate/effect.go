package mutate

import (
	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/class"
	"github.com/ingotmetal/ingot/firewall/evaluate"
)

// Effect is how many classes of packets a host treats otherwise in one reading of its policies than in another, by node. Nodes without any are not
// in it: an empty Effect means that the readings are equivalent.
type Effect map[string]int

// elsewhere is an interface that no endpoint names.
const elsewhere = "ingot-none"

// Differ compares two readings of the same hosts by the model, over all classes that either can distinguish.
func Differ(a, b *firewall.Site, hosts map[string][]firewall.Interface) Effect {
	e := Effect{}
	for node, interfaces := range hosts {
		ra, rb := class.Resolved{Site: a, Host: a.Host(node, interfaces)}, class.Resolved{Site: b, Host: b.Host(node, interfaces)}
		names := []string{elsewhere}
		for _, i := range interfaces {
			names = append(names, i.Name)
		}
		for _, way := range class.Ways(class.WayOptions{Interfaces: names}, ra, rb) {
			for p := range way.Packets() {
				if evaluate.Packet(a, ra.Host, p).Verdict != evaluate.Packet(b, rb.Host, p).Verdict {
					e[node]++
				}
			}
		}
	}
	return e
}
