package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall"
	pure "github.com/ingotmetal/ingot/firewall/gateway"
	"github.com/ingotmetal/ingot/firewall/gateway/object"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/node/resolver"
)

// Forwarding is the kernel's switch.
type Forwarding func(on bool) error

// Options are what the daemon is told.
type Options struct {
	// Source gives the Firewall, and takes reports.
	Source Source
	Host   hostnet.Host
	// Forwarding switches it.
	Forwarding Forwarding
	// Machine is the name of this machine; the Firewall's where empty.
	Machine string
	// Neighbours are told where the Firewall's addresses are; nil: this machine takes none over.
	Neighbours Neighbours
	// Sockets are for DNS, where rules have names; nil: such rules are not taken.
	Sockets resolver.Sockets
	// File is where the last rules are kept.
	File File
	// Table is the name of the table; ruleset.GatewayTable where empty.
	Table string
	// Look is how often the kernel is compared, Report how often it is said that nothing changed.
	Look, Report time.Duration
	Log          *slog.Logger
}

// Source is where the Firewall comes from.
type Source interface {
	// Run delivers the Firewall when it changed, until ctx ends.
	Run(ctx context.Context, deliver func(*ingot.Firewall)) error
	// Report writes what the machine says of itself into the Firewall's status.
	Report(ctx context.Context, r Report) error
}

// Report is what the machine says.
type Report struct {
	Applied ingot.FirewallApplied
	Seen    time.Time
	Drops   []ingot.FirewallDrop
	Names   []ingot.FirewallName
	// Machine is who says it, and Current that it is the Firewall's machine now: then what it enforces is what the Firewall does.
	Machine string
	Current bool
	Member  *ingot.FirewallMember
}

// Daemon enforces one Firewall. Run may be called once.
type Daemon struct {
	o Options
	// kept is what the disk has; ruling what it compiles to.
	kept   Kept
	ruling *ruleset.Ruleset
	// wanted is the latest Firewall, nil until one came.
	wanted   *ingot.Firewall
	problem  string
	reported Report
	// expected is the kernel's view of the text that rules.
	expected    hostnet.Table
	expectedSum string
	// closed is the kernel's view of the table that closes the machine; nil until it was asked.
	closed   *hostnet.Table
	closedBy string
	names    *learning
	proxy    *resolver.Proxy
	// unanswered is why DNS is not answered.
	unanswered string
	// settled is the right as the kernel has it, and unsettled why it is another than the disk's; addressed says that the addresses were put on the cards and told to the neighbours.
	settled   right
	unsettled string
	addressed bool
	// hush ends the announcing; hushed is closed when it has.
	hush   context.CancelFunc
	hushed chan struct{}
}

// New prepares a daemon, and reads what ruled last.
func New(o Options) (*Daemon, error) {
	if o.Table == "" {
		o.Table = ruleset.GatewayTable
	}
	d := &Daemon{o: o, settled: right{term: -1}}
	kept, err := o.File.Read()
	if err != nil {
		return nil, err
	}
	d.kept = kept
	if kept.Gateway != nil {
		d.ruling = d.compile(kept.Gateway, kept.Generation)
	}
	d.names = newLearning(&d.o, kept, d.ruling)
	if o.Sockets != nil {
		d.proxy = resolver.New(o.Sockets, d.names, o.Log)
	}
	return d, nil
}

func (d *Daemon) compile(g *pure.Gateway, generation uint32) *ruleset.Ruleset {
	return ruleset.CompileGateway(g, ruleset.Options{Table: d.o.Table, Generation: generation, Refused: true})
}

// digest is that of a ruleset with its generation left out.
func (d *Daemon) digest(g *pure.Gateway) string {
	text := d.compile(g, 0).Install(nil)
	if len(g.Servers) > 0 {
		text += fmt.Sprint(g.Servers)
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Run works until ctx ends. The kernel keeps what it has then.
func (d *Daemon) Run(ctx context.Context) error {
	if err := d.mend(ctx); err != nil {
		d.o.Log.Error("the last rules could not be loaded", "err", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates := make(chan *ingot.Firewall)
	ended := make(chan error, 1)
	go func() {
		ended <- d.o.Source.Run(ctx, func(f *ingot.Firewall) {
			select {
			case updates <- f:
			case <-ctx.Done():
			}
		})
	}()
	defer d.endNames()
	defer d.quiet()
	d.serve(ctx)
	tick := time.NewTicker(d.o.Look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("the firewall's source ended: %w", err)
		case f := <-updates:
			d.wanted, d.o.Machine = f, cmp.Or(d.o.Machine, f.Name)
		case <-tick.C:
		}
		if ctx.Err() != nil {
			return nil
		}
		d.step(ctx)
	}
}

// step brings the kernel to what is wanted, and says how it stands.
func (d *Daemon) step(ctx context.Context) {
	d.follow(ctx)
	if err := d.mend(ctx); err != nil {
		d.o.Log.Error("the rules could not be restored", "err", err)
	}
	if d.wanted == nil {
		if err := d.relocate(ctx); err != nil {
			d.o.Log.Error("the last rules' network cards are not all there", "err", err)
		}
	}
	if d.wanted != nil {
		d.problem = ""
		if err := d.enforce(ctx, d.wanted); err != nil && !errors.Is(err, object.ErrUnresolved) {
			d.problem = err.Error()
			d.o.Log.Error("the firewall's rules are not enforced; the last good ones stay", "generation", d.wanted.Generation, "err", err)
		}
	}
	d.serve(ctx)
	d.tell(ctx)
}

// follow does as the Firewall says of the right to its addresses, and says so at once: somebody waits for it.
func (d *Daemon) follow(ctx context.Context) {
	before := d.settled
	if d.wanted != nil {
		if err := d.heed(d.wanted); err != nil {
			d.o.Log.Error("whose the firewall's addresses are could not be kept", "err", err)
			return
		}
	}
	d.unsettled = ""
	if err := d.settle(ctx); err != nil {
		d.unsettled = err.Error()
		d.o.Log.Error("the firewall's addresses are not handed over", "err", err)
	}
	if d.settled != before {
		d.tell(ctx)
	}
}

func (d *Daemon) tell(ctx context.Context) {
	if err := d.report(ctx); err != nil && ctx.Err() == nil {
		d.o.Log.Warn("the firewall's status could not be written", "err", err)
	}
}

// enforce puts a Firewall's rules in place where they are other than those that rule.
func (d *Daemon) enforce(ctx context.Context, f *ingot.Firewall) error {
	cards, err := d.o.Host.Interfaces(ctx)
	if err != nil {
		return fmt.Errorf("read the network cards: %w", err)
	}
	places := object.Places(f, d.o.Machine)
	if places == nil {
		return object.ErrUnresolved // it is none of the Firewall's machines any more, or not yet
	}
	interfaces, err := object.Interfaces(places, cards)
	if err != nil {
		return err
	}
	g, err := object.Gateway(f, interfaces)
	if err != nil {
		return err
	}
	if g.HasNames() && d.proxy == nil {
		return errors.New("rules have names, and this ingot-node has nothing to answer DNS with")
	}
	next := d.kept
	next.Gateway, next.FirewallGeneration, next.Interfaces, next.Places = g, f.Generation, interfaces, places
	return d.replace(ctx, next, cards)
}

// relocate brings the last rules to where their cards are now, while there is no Firewall to be had: a kernel may give cards other names at each boot.
func (d *Daemon) relocate(ctx context.Context) error {
	if d.kept.Gateway == nil || d.kept.Places == nil {
		return nil
	}
	cards, err := d.o.Host.Interfaces(ctx)
	if err != nil {
		return fmt.Errorf("read the network cards: %w", err)
	}
	interfaces, err := object.Interfaces(d.kept.Places, cards)
	if err != nil || maps.Equal(interfaces, d.kept.Interfaces) {
		return err
	}
	g := *d.kept.Gateway
	g.Networks = slices.Clone(g.Networks)
	for i := range g.Networks {
		g.Networks[i].Interface = interfaces[g.Networks[i].Name]
	}
	d.o.Log.Info("the network cards have other names", "nic", fmt.Sprint(interfaces))
	next := d.kept
	next.Gateway, next.Interfaces = &g, interfaces
	return d.replace(ctx, next, cards)
}

// replace puts rules in place of those that rule, where they are others.
func (d *Daemon) replace(ctx context.Context, next Kept, cards []firewall.Interface) error {
	next.Generation, next.Digest = d.kept.Generation, d.digest(next.Gateway)
	if next.Digest == d.kept.Digest {
		if next.FirewallGeneration != d.kept.FirewallGeneration || !reflect.DeepEqual(next.Places, d.kept.Places) {
			return d.keep(next) // the same rules by another name
		}
		return nil
	}
	next.Generation++
	rules := d.compile(next.Gateway, next.Generation)
	text := rules.Install(d.ruling)
	if err := d.o.Host.Check(ctx, ruleset.Steps(text)[0]); err != nil {
		return fmt.Errorf("the kernel would not take the rules: %w", err)
	}
	if err := d.keep(next); err != nil {
		return err
	}
	d.ruling = rules
	if err := d.names.replace(ctx, next.Gateway, rules, func() error { return d.o.Host.Apply(ctx, text) }); err != nil {
		// What the kernel has now is found out by the next look, which writes what the disk has.
		return fmt.Errorf("replace the rules: %w", err)
	}
	d.o.Log.Info("the firewall's rules are enforced", "generation", next.FirewallGeneration, "digest", next.Digest[:12])
	if err := d.o.Forwarding(!d.kept.Yields); err != nil {
		return fmt.Errorf("switch forwarding on: %w", err)
	}
	// DNS is opened before flows to other servers are ended.
	if err := d.holdClosed(ctx); err != nil {
		return err
	}
	return d.revoke(ctx, d.names.moment(next.Gateway), cards)
}

// serve has DNS answered where rules have names, and keeps what was learned.
func (d *Daemon) serve(ctx context.Context) {
	var at []netip.AddrPort
	if d.kept.Gateway != nil && !d.kept.Yields {
		for _, n := range d.kept.Gateway.DNS() {
			for _, a := range n.At {
				at = append(at, netip.AddrPortFrom(a, pure.PortOfDNS))
			}
		}
	}
	if d.proxy != nil {
		err := d.proxy.Hold(ctx, at)
		if d.unanswered = ""; err != nil {
			d.unanswered = err.Error()
			d.o.Log.Error("DNS is not answered for clients inside", "err", err)
		}
	}
	if err := d.names.keep(); err != nil {
		d.o.Log.Warn("the addresses of names are not kept, and are learned anew after a boot", "err", err)
	}
}

// endNames ends DNS. What was learned stays in the kernel for its time.
func (d *Daemon) endNames() {
	var err error
	if d.proxy != nil {
		err = d.proxy.Close()
	}
	if err := errors.Join(err, d.names.keep()); err != nil {
		d.o.Log.Warn("DNS for clients inside did not end in order", "err", err)
	}
}

func (d *Daemon) keep(next Kept) error {
	if err := d.o.File.Write(next); err != nil {
		return err
	}
	d.kept = next
	return nil
}

// mend holds the kernel to what the disk says, where there is anything.
func (d *Daemon) mend(ctx context.Context) error {
	return errors.Join(d.holdClosed(ctx), d.mendRules(ctx))
}

func (d *Daemon) mendRules(ctx context.Context) error {
	if d.ruling == nil {
		return d.o.Forwarding(false)
	}
	text := d.ruling.Install(nil)
	if d.expectedSum != d.kept.Digest+fmt.Sprint(d.kept.Generation) {
		table, err := d.o.Host.Expect(ctx, d.o.Table, text)
		if err != nil {
			return fmt.Errorf("ask the kernel what the rules look like: %w", err)
		}
		d.expected, d.expectedSum = table, d.kept.Digest+fmt.Sprint(d.kept.Generation)
	}
	got, err := d.o.Host.State(ctx, d.o.Table)
	missing := errors.Is(err, hostnet.ErrNoTable)
	if err != nil && !missing {
		return fmt.Errorf("read the table %s: %w", d.o.Table, err)
	}
	if !missing {
		differences := hostnet.Compare(d.expected, got)
		if len(differences) == 0 {
			return d.o.Forwarding(!d.kept.Yields)
		}
		d.o.Log.Warn("the table is other than it was written, and is written again", "table", d.o.Table, "err", differences[0].String())
	}
	if err := d.o.Forwarding(false); err != nil {
		return fmt.Errorf("switch forwarding off while the table is written anew: %w", err)
	}
	if err := d.names.restore(ctx, d.ruling); err != nil {
		return err
	}
	return d.o.Forwarding(!d.kept.Yields)
}

// revoke ends the flows that the rules do not allow any more. Those of the machine itself are not ours.
func (d *Daemon) revoke(ctx context.Context, g *pure.Gateway, cards []firewall.Interface) error {
	cut, err := d.o.Host.Cut(ctx, func(f hostnet.Flow) bool {
		inside := f.ReplySource // the destination, translated
		for _, card := range cards {
			if slices.Contains(card.Addresses, f.Source) || slices.Contains(card.Addresses, inside) {
				return false
			}
		}
		now := g.Explain(firewall.Packet{Hook: firewall.Forward, Source: f.Source, Destination: inside, Protocol: f.Protocol, SourcePort: f.SourcePort, DestinationPort: f.DestinationPort,
			ICMPType: f.ICMPType, ICMPCode: f.ICMPCode})
		return now.Verdict == firewall.Drop || now.By == pure.ByDNS // which the firewall answers now
	})
	if err != nil {
		return fmt.Errorf("end the flows that are not allowed any more: %w", err)
	}
	if len(cut) > 0 {
		d.o.Log.Info("flows that are not allowed any more are ended", "count", len(cut))
	}
	return nil
}
