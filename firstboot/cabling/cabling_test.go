package cabling_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firstboot/cabling"
)

const (
	first  = "02:00:00:00:00:01"
	second = "02:00:00:00:00:02"
	third  = "02:00:00:00:00:03"
)

// host has a boot card at leaf1 that announces two VLANs, a second card at leaf2, and a third one that nothing is plugged into.
func host() []cabling.Card {
	return []cabling.Card{
		{MAC: first, Name: "eth0", Boot: true, Link: true, Switch: "leaf1", SwitchID: "c1", Port: "p1", Native: 10, VLANs: []cabling.VLAN{{ID: 10, Name: "internet"}, {ID: 20, Name: "storage"}}},
		{MAC: second, Name: "eth1", Link: true, Switch: "leaf2", SwitchID: "c2", Port: "p1"},
		{MAC: third, Name: "eth2"},
	}
}

func TestDecide(t *testing.T) {
	const mac, at, vlan = "mac ", "at ", "vlan "
	for name, c := range map[string]struct {
		networks []string
		shared   bool
		boot     string
		change   func([]cabling.Card) []cabling.Card
		want     string
	}{
		"one network is on the boot card":         {[]string{"web"}, false, "", nil, "web=eth0"},
		"the host's object counts":                {[]string{"web"}, false, second, nil, "web=eth1"},
		"in capitals, too":                        {[]string{"web"}, false, strings.ToUpper(second), nil, "web=eth1"},
		"a boot card that nobody inspected":       {[]string{"web"}, false, "02:00:00:00:00:09", nil, "web=02:00:00:00:00:09"},
		"chosen by MAC":                           {[]string{"web:" + mac + strings.ToUpper(second), "lan:" + mac + first}, false, "", nil, "web=eth1 lan=eth0"},
		"the boot card that nobody inspected":     {[]string{"web:" + mac + "02:00:00:00:00:09"}, false, "02:00:00:00:00:09", nil, "web=02:00:00:00:00:09"},
		"chosen by switch":                        {[]string{"web:" + at + "leaf2"}, false, "", nil, "web=eth1"},
		"chosen by chassis and port":              {[]string{"web:" + at + "c1/p1"}, false, "", nil, "web=eth0"},
		"no such MAC":                             {[]string{"web:" + mac + "02:00:00:00:00:09"}, false, "", nil, "network n/web: no network card of the host is 02:00:00:00:00:09"},
		"no such port":                            {[]string{"web:" + at + "leaf1/p2"}, false, "", nil, "at port p2 of switch leaf1"},
		"two at one switch":                       {[]string{"web:" + at + "leaf1"}, false, "", func(all []cabling.Card) []cabling.Card { all[1].Switch = "leaf1"; return all }, "2 network cards of the host are at switch leaf1"},
		"a VLAN of a card":                        {[]string{"web:" + mac + second, "lan:" + mac + second + "," + vlan + "7"}, false, "", nil, "web=eth1 lan=eth1.7"},
		"a VLAN where it is announced":            {[]string{"web:" + vlan + "20"}, false, second, nil, "web=eth0.20"},
		"a VLAN that nobody announces":            {[]string{"web:" + vlan + "30"}, false, second, nil, "web=eth1.30"},
		"by the name of the port's own VLAN":      {[]string{"internet", "lan"}, false, "", nil, "internet=eth0 lan=eth1"},
		"by the name of a VLAN":                   {[]string{"storage", "internet"}, false, "", nil, "storage=eth0.20 internet=eth0"},
		"the only other card with a link":         {[]string{"lan", "web:" + mac + first}, false, "", nil, "lan=eth1 web=eth0"},
		"the boot card is left":                   {[]string{"lan", "web:" + mac + second}, false, "", nil, "lan=eth0 web=eth1"},
		"two other cards":                         {[]string{"lan", "web:" + mac + first}, false, "", func(all []cabling.Card) []cabling.Card { all[2].Link = true; return all }, "the boot card has another network"},
		"nothing says which":                      {[]string{"lan", "web"}, false, "", nil, "networks n/lan and n/web: nothing says"},
		"nothing says which, and who shares may":  {[]string{"lan", "web"}, true, "", nil, "lan=eth0 web=eth0"},
		"shared with a choice":                    {[]string{"lan", "web:" + at + "leaf2"}, true, "", nil, "lan=eth0 web=eth1"},
		"one card for two":                        {[]string{"lan:" + mac + first, "web:" + mac + first}, false, "", nil, "both without a VLAN on eth0"},
		"one VLAN for two":                        {[]string{"lan:" + mac + first + "," + vlan + "5", "web:" + mac + first + "," + vlan + "5"}, false, "", nil, "both VLAN 5 of eth0"},
		"one VLAN on two cards are two":           {[]string{"lan:" + mac + first + "," + vlan + "5", "web:" + mac + second + "," + vlan + "5"}, false, "", nil, "lan=eth0.5 web=eth1.5"},
		"no cards":                                {[]string{"lan"}, false, "", func([]cabling.Card) []cabling.Card { return nil }, "no network card of the host is known"},
		"a link is better than none":              {[]string{"lan"}, false, "", func(all []cabling.Card) []cabling.Card { all[0].Boot, all[0].Link = false, false; return all }, "lan=eth1"},
		"a name that two cards announce is none":  {[]string{"storage"}, false, "", func(all []cabling.Card) []cabling.Card { all[1].VLANs = all[0].VLANs; return all }, "storage=eth0"},
		"what is told of a choice names the rest": {[]string{"lan:" + at + "spine"}, false, "", nil, "there are eth0 02:00:00:00:00:01 (switch leaf1, port p1), eth1 02:00:00:00:00:02 (switch leaf2, port p1), eth2 02:00:00:00:00:03 (no link)"},
	} {
		t.Run(name, func(t *testing.T) {
			f := cabling.Facts{Cards: host(), BootMAC: c.boot, Apart: !c.shared}
			if c.change != nil {
				f.Cards = c.change(f.Cards)
			}
			for _, text := range c.networks {
				f.Networks = append(f.Networks, network(text))
			}
			places, problem := cabling.Decide(f)
			var all []string
			for _, p := range places {
				where := p.Card.Name
				if where == "" {
					where = p.Card.MAC
				}
				if p.VLAN > 0 {
					where += fmt.Sprintf(".%d", p.VLAN)
				}
				all = append(all, strings.TrimPrefix(p.Network, "n/")+"="+where)
			}
			if got := strings.Join(all, " ") + problem; got != c.want && (problem == "" || !strings.Contains(problem, c.want)) {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// network reads "NAME:mac M,at SWITCH/PORT,vlan N".
func network(text string) cabling.Network {
	name, choice, _ := strings.Cut(text, ":")
	n := cabling.Network{Name: "n/" + name}
	for part := range strings.SplitSeq(choice, ",") {
		what, value, _ := strings.Cut(part, " ")
		switch what {
		case "mac":
			n.Choice.MAC = value
		case "at":
			n.Choice.Switch, n.Choice.Port, _ = strings.Cut(value, "/")
		case "vlan":
			_, _ = fmt.Sscan(value, &n.Choice.VLAN)
		}
	}
	return n
}

// Networks that are kept apart never meet, whatever is asked for, and what was chosen is where it was chosen.
func TestApartIsApart(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	one := func(all ...string) string { return all[r.IntN(len(all))] }
	placed := 0
	for range 20_000 {
		f := cabling.Facts{Cards: host()[:1+r.IntN(3)], BootMAC: one("", first, second), Apart: true}
		for i := range 1 + r.IntN(4) {
			text := one("", "mac "+first, "mac "+second, "at leaf1", "at leaf2") + one("", ",vlan 20", ",vlan 7")
			name := one("web", "internet", "storage")
			f.Networks = append(f.Networks, network(fmt.Sprintf("%s%d:%s", name, i, text)))
			if r.IntN(3) == 0 {
				f.Networks[i].Name = "n/" + name
			}
		}
		places, problem := cabling.Decide(f)
		if (problem == "") != (len(places) == len(f.Networks)) {
			t.Fatalf("seed %d: %d places of %d networks, problem %q", seed, len(places), len(f.Networks), problem)
		}
		where := map[string]bool{}
		for i, p := range places {
			placed++
			at := fmt.Sprintf("%s.%d", p.Card.MAC, p.VLAN)
			if where[at] {
				t.Fatalf("seed %d: two networks at %s: %+v", seed, at, f)
			}
			where[at] = true
			c := f.Networks[i].Choice
			if c.MAC != "" && c.MAC != p.Card.MAC || c.Switch != "" && c.Switch != p.Card.Switch || c != (cabling.Choice{}) && c.VLAN != p.VLAN {
				t.Fatalf("seed %d: %+v is at %+v", seed, c, p)
			}
		}
	}
	if placed < 1000 {
		t.Fatalf("seed %d: %d networks were placed in all: the test says nothing", seed, placed)
	}
}
