package mutate

import (
	"iter"

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
		ha, hb := a.Host(node, interfaces), b.Host(node, interfaces)
		for c := range Classes(a, b, node, interfaces) {
			p := c.First()
			if evaluate.Packet(a, ha, p).Verdict != evaluate.Packet(b, hb, p).Verdict {
				e[node]++
			}
		}
	}
	return e
}

// Classes are those that either of two readings of a host can distinguish.
func Classes(a, b *firewall.Site, node string, interfaces []firewall.Interface) iter.Seq[class.Way] {
	names := []string{elsewhere}
	for _, i := range interfaces {
		names = append(names, i.Name)
	}
	ways := class.Ways(class.WayOptions{Interfaces: names}, class.Resolved{Site: a, Host: a.Host(node, interfaces)}, class.Resolved{Site: b, Host: b.Host(node, interfaces)})
	return func(yield func(class.Way) bool) {
		for _, way := range ways {
			for c := range way.Classes() {
				if !yield(c) {
					return
				}
			}
		}
	}
}
