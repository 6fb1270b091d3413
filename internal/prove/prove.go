package prove

import (
	"context"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/ruleset"
)

// Site is what is proved: policies and the hosts that they are for.
type Site struct {
	// Name is for people.
	Name     string
	Policies *firewall.Site
	Hosts    []Host
}

// Host is one host of a site.
type Host struct {
	Node string
	// Interfaces are given to the host in the lab, with these addresses; virtual addresses belong here too. The loopback is always there.
	Interfaces []firewall.Interface
}

// Options say how the proof is done. The zero value is the whole proof.
type Options struct {
	// Seed chooses which member of each class is sent.
	Seed uint64
	// Narrow divides each way through a host by the rules that can be met there only, instead of by all rules of the host.
	Narrow bool
	// Established is how many rounds of established packets are sent through each host; 2 where 0, none where negative.
	Established int
	// MaxPackets bounds the packets of one host: of more, an evenly spread part that the seed chooses is sent, and the Report says so. 0 is no bound.
	MaxPackets int
	// Compile makes the ruleset that the kernel gets; ruleset.Compile where nil. Tests break rulesets by it.
	Compile func(*firewall.Site, *firewall.Host) *ruleset.Ruleset
	// Besides is another reading of the same hosts: the classes that only it can distinguish are sent, too.
	Besides *firewall.Site
	// Observe is called from the goroutine of Run with each packet and the kernel's verdict.
	Observe func(firewall.Packet, firewall.Verdict)
	// Progress is called from the goroutine of Run, after each round.
	Progress func(Progress)
}

// Progress is how far a proof has come.
type Progress struct {
	Node string
	// Host counts from 1 to Hosts.
	Host, Hosts int
	// Sent is how many packets of this host have been sent, of Packets.
	Sent, Packets int
}

// Run proves a site, host by host. An error means that there is no proof: something is missing, or the lab is broken. Differences are no error.
func Run(ctx context.Context, s Site, o Options) (Report, error) {
	r := newReport(s.Name, o)
	if err := Possible(); err != nil {
		return r, err
	}
	for i, h := range s.Hosts {
		if err := proveHost(ctx, s, i, h, o, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}
