package fake_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/fake"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/hostnettest"
)

func TestTheFakeKeepsTheContract(t *testing.T) {
	hostnettest.Run(t, func(*testing.T) hostnettest.Fixture {
		h := fake.New(time.Now)
		h.Set(func(f *fake.Facts) {
			f.Interfaces = []firewall.Interface{{Name: hostnettest.Interface, Addresses: []netip.Addr{hostnettest.Address}}, {Name: "lo"}}
			f.Routes = map[netip.Prefix]string{hostnettest.Network: hostnettest.Interface}
		})
		return &fixture{h}
	})
}

type fixture struct{ h *fake.Host }

func (f *fixture) Host() hostnet.Host { return f.h }

func (f *fixture) Send(_ *testing.T, p firewall.Packet, verdict firewall.Verdict, comment string) {
	f.h.Meet("ingot", comment, 32)
	kind := hostnet.Refused
	if verdict == firewall.Accept {
		kind = hostnet.Seen
		f.h.Set(func(facts *fake.Facts) {
			facts.Flows = append(facts.Flows, hostnet.Flow{
				Protocol: p.Protocol, Source: p.Source, Destination: p.Destination, SourcePort: p.SourcePort, DestinationPort: p.DestinationPort,
				ReplySource: p.Destination, ReplyDestination: p.Source, Expires: time.Minute,
			})
		})
	}
	f.h.Note("ingot", kind, hostnet.Tuple{Source: p.Source, Destination: p.Destination, Protocol: p.Protocol, Port: p.DestinationPort, Bytes: 32})
}

func (f *fixture) Listen(_ *testing.T, port uint16) string {
	f.h.Set(func(facts *fake.Facts) {
		facts.Sockets = append(facts.Sockets, hostnet.Socket{Protocol: 6, Address: hostnettest.Address, Port: port, Process: "listener", PID: 42})
	})
	return "listener"
}

func (f *fixture) Firewalld(*testing.T) {
	f.h.Set(func(facts *fake.Facts) {
		facts.Others = []hostnet.Other{{Name: "firewalld", Hooks: []string{"input"}, Drops: true, Evidence: "table inet firewalld", Advice: "stop it"}}
	})
}
