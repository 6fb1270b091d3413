package ruleset

import "github.com/ingotmetal/ingot/firewall"

// Delta is how one ruleset becomes another of the same generation, where they differ in nothing but members of sets and elements of maps.
type Delta struct {
	Table string
	// Changes are sorted as the rulesets have their sets and maps. None: there is nothing to do.
	Changes []Change
}

// Change is what one set loses and gains. What it loses goes first.
type Change struct {
	// Name is the set's or the map's.
	Name string
	IPv6 bool
	// Interval is set where the set holds ranges.
	Interval bool
	// Remove and Add are addresses of a set.
	Remove, Add Ranges
	// RemoveServices and AddServices are those of a set of services.
	RemoveServices, AddServices []firewall.Service
	// Field is what a map is asked with; RemoveElements and AddElements are its elements. An element with another target is removed and added.
	Field                       Field
	RemoveElements, AddElements []Element
}
