// Package cabling decides which of a machine's network cards carries which of its networks.
//
// It owns the decision: from the networks with what their owner chose, and from the cards with what inspection found at their other ends (LLDP, IEEE 802.1AB). It refuses to find out anything, and to guess: a
// firewall whose inside hangs on the outside's wire protects nobody, so where nothing says which card is meant the answer is a reason and not a card.
//
// The rules, first to last:
//   - What is chosen holds: a card by its MAC address, or by the switch and the port that it is plugged into; a VLAN is carried with its tag.
//   - A VLAN that is chosen without a card is on the one card whose switch announces it, or else on the boot card.
//   - A network is on the one card whose switch announces a VLAN of the network's name: without a tag where that is the port's own VLAN, else with it.
//   - One network that is left over is on the boot card, or where that has one already, on the only other card with a link.
//   - Networks that are kept apart never share a card without a tag, nor a VLAN of a card. All others that nobody chose a card for are on the boot card together, whatever a switch announces.
//
// Invariants: the same facts give the same answer; each network has one place, or there is a reason and no place at all.
package cabling

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Card is a network card of the host.
type Card struct {
	// MAC is in lower case with colons; Name what the inspection's kernel called it, for people.
	MAC, Name string
	// Boot: the host boots by it. Link: there is somebody at its other end.
	Boot, Link bool
	// Switch is the neighbour's system name, SwitchID its chassis and Port the port's own name there; empty where nobody announced any.
	Switch, SwitchID, Port string
	// Native is the VLAN of frames without a tag, 0 where it is not known; VLANs are all that the port announces.
	Native int
	VLANs  []VLAN
}

// VLAN is one that a switch announces.
type VLAN struct {
	ID   int
	Name string
}

// Choice is what the network's owner says; empty fields say nothing.
type Choice struct {
	MAC          string
	Switch, Port string
	// VLAN is a tag, 1 to 4094; 0: none is chosen.
	VLAN int
}

// Network is one to be carried.
type Network struct {
	// Name is "namespace/name".
	Name   string
	Choice Choice
}

// Facts are everything that the decision rests on.
type Facts struct {
	Networks []Network
	Cards    []Card
	// BootMAC is the card that the host's object names; it counts before what inspection says, and may be one that inspection did not find.
	BootMAC string
	// Apart: no two networks may be told from each other by their addresses alone, as a firewall's.
	Apart bool
}

// Place is where a network is.
type Place struct {
	Network string
	// Card is the whole of it.
	Card Card
	// VLAN is the tag; 0: without one.
	VLAN int
}

// Decide gives each network's place in the order of the networks, or says in words for the owner why there is none.
func Decide(f Facts) (places []Place, problem string) {
	d := decision{Facts: f, at: make([]*Place, len(f.Networks))}
	d.boot = boot(f)
	for _, step := range []func() string{d.chosen, d.announced, d.rest, d.apart} {
		if problem := step(); problem != "" {
			return nil, problem
		}
	}
	for _, p := range d.at {
		places = append(places, *p)
	}
	return places, ""
}

// boot is the card that the host boots by, or else one with a link; nil where there is none at all.
func boot(f Facts) *Card {
	if f.BootMAC != "" {
		mac := strings.ToLower(f.BootMAC)
		for i := range f.Cards {
			if f.Cards[i].MAC == mac {
				return &f.Cards[i]
			}
		}
		return &Card{MAC: mac, Boot: true}
	}
	if len(f.Cards) == 0 {
		return nil
	}
	rank := func(c Card) int {
		switch {
		case c.Boot:
			return 0
		case c.Link:
			return 1
		}
		return 2
	}
	best := slices.MinFunc(f.Cards, func(a, b Card) int { return cmp.Compare(rank(a), rank(b)) })
	return &best
}

type decision struct {
	Facts
	boot *Card
	at   []*Place
}

func (d *decision) put(i int, c Card, vlan int) { d.at[i] = &Place{d.Networks[i].Name, c, vlan} }

// chosen places what the owner chose.
func (d *decision) chosen() string {
	for i, n := range d.Networks {
		c := n.Choice
		var found []Card
		switch {
		case c == (Choice{}):
			continue
		case c.MAC != "":
			found = d.where(func(x Card) bool { return x.MAC == strings.ToLower(c.MAC) })
			if d.boot != nil && len(found) == 0 && d.boot.MAC == strings.ToLower(c.MAC) {
				found = []Card{*d.boot}
			}
		case c.Switch != "":
			found = d.where(func(x Card) bool {
				return (x.Switch == c.Switch || x.SwitchID == c.Switch) && (c.Port == "" || x.Port == c.Port)
			})
		default:
			found = d.where(func(x Card) bool { return x.announces(func(v VLAN) bool { return v.ID == c.VLAN }) })
			if len(found) == 0 && d.boot != nil {
				found = []Card{*d.boot}
			}
		}
		switch len(found) {
		case 1:
			d.put(i, found[0], c.VLAN)
		case 0:
			return fmt.Sprintf("network %s: no network card of the host is %s: %s", n.Name, c, d.cards())
		default:
			return fmt.Sprintf("network %s: %d network cards of the host are %s: name one by nic.macAddress, or by nic.switch and nic.port: %s", n.Name, len(found), c, d.cards())
		}
	}
	return ""
}

// announced places what a switch announces by the network's name.
func (d *decision) announced() string {
	if !d.Apart {
		return ""
	}
	for i, n := range d.Networks {
		_, short, _ := strings.Cut(n.Name, "/")
		called := func(v VLAN) bool { return v.Name == short || v.Name == n.Name }
		found := d.where(func(x Card) bool { return x.announces(called) })
		if d.at[i] != nil || len(found) != 1 {
			continue
		}
		v := found[0].VLANs[slices.IndexFunc(found[0].VLANs, called)]
		if v.ID == found[0].Native {
			v.ID = 0
		}
		d.put(i, found[0], v.ID)
	}
	return ""
}

// rest places what is left over.
func (d *decision) rest() string {
	var left []int
	for i := range d.at {
		if d.at[i] == nil {
			left = append(left, i)
		}
	}
	switch {
	case len(left) == 0:
		return ""
	case d.boot == nil:
		return "no network card of the host is known: its operator can set spec.bootMACAddress, or have it inspected again"
	case !d.Apart:
		for _, i := range left {
			d.put(i, *d.boot, 0)
		}
		return ""
	case len(left) > 1:
		names := make([]string, len(left))
		for k, i := range left {
			names[k] = d.Networks[i].Name
		}
		return fmt.Sprintf("networks %s: nothing says by which network cards they come, and what is between them must not share one: choose by each network's nic (macAddress, or switch and port, or vlan): %s", strings.Join(names, " and "), d.cards())
	}
	i := left[0]
	if d.free(*d.boot) {
		d.put(i, *d.boot, 0)
		return ""
	}
	others := d.where(func(x Card) bool { return x.Link && d.free(x) })
	if len(others) != 1 {
		return fmt.Sprintf("network %s: nothing says by which network card it comes, and the boot card has another network: choose one by the network's nic (macAddress, or switch and port, or vlan): %s", d.Networks[i].Name, d.cards())
	}
	d.put(i, others[0], 0)
	return ""
}

// apart holds networks apart that must be.
func (d *decision) apart() string {
	for i, p := range d.at {
		for _, q := range d.at[:i] {
			if !d.Apart || p.Card.MAC != q.Card.MAC || p.VLAN != q.VLAN {
				continue
			}
			how := fmt.Sprintf("VLAN %d of", p.VLAN)
			if p.VLAN == 0 {
				how = "without a VLAN on"
			}
			return fmt.Sprintf("networks %s and %s are both %s %s: their hosts could take each other's addresses; give them cards of their own, or a VLAN each (nic.vlan)", q.Network, p.Network, how, p.Card)
		}
	}
	return ""
}

func (d *decision) free(c Card) bool {
	return !slices.ContainsFunc(d.at, func(p *Place) bool { return p != nil && p.VLAN == 0 && p.Card.MAC == c.MAC })
}

func (d *decision) where(is func(Card) bool) []Card {
	var found []Card
	for _, c := range d.Cards {
		if is(c) {
			found = append(found, c)
		}
	}
	return found
}

func (c Card) announces(is func(VLAN) bool) bool { return slices.ContainsFunc(c.VLANs, is) }

// cards tells of all that there are.
func (d *decision) cards() string {
	if len(d.Cards) == 0 {
		return "inspection found none"
	}
	all := make([]string, len(d.Cards))
	for i, c := range d.Cards {
		all[i] = c.String()
	}
	return "there are " + strings.Join(all, ", ")
}

// String is a card for people.
func (c Card) String() string {
	text := strings.TrimSpace(c.Name + " " + c.MAC)
	switch {
	case c.Switch != "" || c.SwitchID != "":
		text += fmt.Sprintf(" (switch %s, port %s)", cmp.Or(c.Switch, c.SwitchID), c.Port)
	case !c.Link:
		text += " (no link)"
	}
	return text
}

// String is a choice for people.
func (c Choice) String() string {
	var parts []string
	switch {
	case c.MAC != "":
		parts = append(parts, c.MAC)
	case c.Switch != "" && c.Port != "":
		parts = append(parts, fmt.Sprintf("at port %s of switch %s", c.Port, c.Switch))
	case c.Switch != "":
		parts = append(parts, "at switch "+c.Switch)
	default:
		parts = append(parts, fmt.Sprintf("one of VLAN %d", c.VLAN))
	}
	return strings.Join(parts, " ")
}
