// Package lab is a data centre without hardware: virtual or simulated machines, each behind a simulated BMC that speaks Redfish over TLS, and a network in user space.
//
// It owns the machines of one lab and what they are plugged into, the images that they download, and the manifests and the state file by which tests and
// people find all this. It refuses to know Ingot's roles: they see a lab as they see a site, through BMC addresses and a network.
//
// Nothing here needs a privilege, and nothing can leak: BMCs listen on loopback, virtual machines hang on a switch in this process, processes die with it. A lab
// that is started again in the same directory has the same machines at the same addresses; machines are off then, as after a power cut.
//
// Invariants: what Start made, Close ends; the state file is complete when Start returns.
package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/ethernet"
	"github.com/ingotmetal/ingot/internal/lab/ipmisim"
	"github.com/ingotmetal/ingot/internal/lab/qemu"
	"github.com/ingotmetal/ingot/internal/lab/simulated"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/secret"
)

const (
	switchName = "lab-switch"
	// joinLimit bounds the wait for a switch in this very process.
	joinLimit = 10 * time.Second
)

// Lab is a running lab. Start makes it, Close ends it.
type Lab struct {
	options Options
	log     *slog.Logger
	state   State
	// Switch is nil where the machines are on loopback.
	Switch *ethernet.Switch
	// segments are the switches of the machines' further network cards.
	segments []*ethernet.Switch
	// Journal is nil with QEMU machines.
	Journal *simulated.Journal

	bmcs *bmcsim.Server
	// sshKey is what the BMCs' SSH servers show; nil where they have none.
	sshKey   ssh.Signer
	machines []*member
	closers  []func() error
}

// member is one machine with its BMC.
type member struct {
	blueprint
	hardware hardware
	bmc      *bmcsim.BMC
	// ipmi is nil unless the hosts use it.
	ipmi *ipmisim.BMC
}

// hardware is what the lab needs of both kinds of machine.
type hardware interface {
	bmcsim.Machine
	Attach(bmcsim.Firmware)
	Boots() int
	Close() error
}

// Start makes a lab. The context bounds the start only.
func Start(ctx context.Context, o Options) (*Lab, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("start lab: %w", err)
	}
	l := &Lab{options: o, log: o.Log}
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start lab in %s: %w", o.DataDir, err), l.Close())
	}
	return l, nil
}

func (l *Lab) start(ctx context.Context) error {
	o := l.options
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return err
	}
	release, err := lock(o.DataDir)
	if err != nil {
		return err
	}
	l.onClose(release)
	before, err := earlier(o)
	if err != nil {
		return err
	}
	l.state = State{
		Kind: o.Kind, PID: os.Getpid(), Username: before.Username, Password: before.Password,
		BMCCA: filepath.Join(o.DataDir, bmcCAFile), HostsManifest: filepath.Join(o.DataDir, manifestFile),
	}
	if o.OnNetwork {
		if err := l.startSwitch(ctx); err != nil {
			return err
		}
	}
	if o.Kind == Simulated {
		l.Journal = &simulated.Journal{}
	}
	if err := l.startImages(ctx, before); err != nil {
		return err
	}
	if err := l.startBMCs(); err != nil {
		return err
	}
	for i := range o.Machines {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.add(o.blueprint(i), before); err != nil {
			return err
		}
	}
	return l.writeFiles()
}

func (l *Lab) startBMCs() error {
	ca, err := pki.OpenCA(filepath.Join(l.options.DataDir, "bmc-ca"), "ingot lab BMCs", time.Now())
	if err != nil {
		return fmt.Errorf("open the BMCs' certificate authority: %w", err)
	}
	key, err := consoleKey(filepath.Join(l.options.DataDir, "bmc-ssh-key"))
	if err != nil {
		return err
	}
	if l.options.Machines > mostConsoles {
		key = nil
	}
	l.sshKey = key
	server, err := bmcsim.New(bmcsim.Options{
		SSHKey: key, Logger: l.log, CA: ca, Dir: filepath.Join(l.options.DataDir, "media"), ControlPath: "/lab/faults",
	})
	if err != nil {
		return fmt.Errorf("start the BMC simulator: %w", err)
	}
	l.bmcs = server
	l.onClose(server.Close)
	return nil
}

// add makes one machine and its BMC.
func (l *Lab) add(b blueprint, before State) error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	h, err := l.build(b)
	if err != nil {
		return err
	}
	l.onClose(h.Close)
	faults := l.options.Faults.BMC
	faults.Seed = l.options.Seed + uint64(b.number)
	c := bmcsim.Config{
		Name: b.name, Machine: h, Attach: h.Attach, Listen: net.JoinHostPort("127.0.0.1", strconv.Itoa(before.port(b.name))),
		Username: l.state.Username, Password: secret.New(l.state.Password), Fetch: bmcsim.ByRange, Faults: faults,
	}
	if l.options.Kind == QEMU {
		c.Fetch = bmcsim.Download
	}
	if l.options.BMC != nil {
		l.options.BMC(b.number, &c)
	}
	m := &member{blueprint: b, hardware: h}
	if l.options.Protocol == bmc.IPMI {
		// Both protocols order the machine about; the plan of its next boot is that of the one that hosts use.
		c.Attach = nil
	}
	if m.bmc, err = l.bmcs.Add(c); err != nil {
		return fmt.Errorf("start the BMC of machine %s: %w", b.name, err)
	}
	if l.options.Protocol == bmc.IPMI {
		if m.ipmi, err = l.startIPMI(m, c); err != nil {
			return fmt.Errorf("start the BMC of machine %s: %w", b.name, err)
		}
	}
	l.machines = append(l.machines, m)
	return nil
}

// startIPMI lets a machine's BMC speak IPMI too, at the UDP port with the number of its Redfish port.
func (l *Lab) startIPMI(m *member, c bmcsim.Config) (*ipmisim.BMC, error) {
	b, err := ipmisim.Start(context.Background(), ipmisim.Config{
		Machine: m.hardware, Attach: m.hardware.Attach, Listen: m.bmc.HostPort(), Username: c.Username, Password: c.Password, Log: l.log,
	})
	if err == nil {
		l.onClose(b.Close)
	}
	return b, err
}

func (l *Lab) build(b blueprint) (hardware, error) {
	o := l.options
	if o.Kind == QEMU {
		c := qemu.Config{
			Name: b.name, Dir: b.dir, UUID: b.uuid, MemoryMebibytes: o.MemoryMebibytes, CPUs: o.CPUs, Mode: o.Firmware, TPM: o.TPM,
			NICs: []qemu.NIC{{MAC: b.mac, Port: l.Switch.Port(b.port(0))}}, Log: l.log,
		}
		for i, s := range l.segments {
			c.NICs = append(c.NICs, qemu.NIC{MAC: b.furtherMAC(i + 1), Port: s.Port(b.port(i + 1))})
		}
		for _, d := range b.disks {
			c.Disks = append(c.Disks, qemu.Disk{Path: d.path, SizeBytes: d.bytes, Bus: d.bus, Serial: d.serial, WWN: d.wwn, Rotational: d.rotational})
		}
		return qemu.New(c)
	}
	c := simulated.Config{
		Name: b.name, Inventory: b.inventory(), DiskPaths: map[string]string{}, FirmwareTime: o.FirmwareTime, SystemTime: o.SystemTime,
		HangChance: o.Faults.HangChance, Seed: o.Seed + uint64(b.number), Journal: l.Journal, Timing: o.AgentTiming, Log: l.log,
	}
	if l.Switch != nil {
		c.Port = l.Switch.Port(b.port(0))
	}
	for n, d := range b.disks {
		c.DiskPaths[c.Inventory.Disks[n].Name] = d.path
	}
	if o.Parts != nil {
		c.Parts = o.Parts(b.number)
	}
	return simulated.New(c)
}

// writeFiles writes the BMCs' authority, the manifests and, last, the state.
func (l *Lab) writeFiles() error {
	if err := writeFile(l.state.BMCCA, l.bmcs.CAPEM()); err != nil {
		return err
	}
	for _, m := range l.machines {
		s, err := l.describe(m)
		if err != nil {
			return err
		}
		l.state.Machines = append(l.state.Machines, s)
	}
	text, err := manifest(l.options, l.state, l.sshKey)
	if err != nil {
		return err
	}
	if err := writeFile(l.state.HostsManifest, text); err != nil {
		return err
	}
	l.state.StartedAt = time.Now().UTC()
	return l.state.write(l.options.DataDir)
}

func (l *Lab) describe(m *member) (Machine, error) {
	at, err := netip.ParseAddrPort(m.bmc.HostPort())
	if err != nil {
		return Machine{}, fmt.Errorf("the BMC of machine %s: %w", m.name, err)
	}
	scheme := map[bmc.Device]string{bmc.BootCD: "redfish-virtualmedia", bmc.BootPXE: "redfish", bmc.BootHTTP: "redfish-uefihttp"}[l.options.Method]
	s := Machine{
		Name: m.name, Namespace: l.options.Namespace, MACAddress: m.mac.String(), UUID: m.uuid,
		BMCAddress: m.bmc.AddressFor(scheme), BMCPort: int(at.Port()),
	}
	if m.ipmi != nil {
		s.BMCAddress = m.ipmi.Address()
	}
	for n, d := range m.disks {
		s.Disks = append(s.Disks, Disk{
			Path: d.path, SerialNumber: d.serial, WWN: d.inventory(n).WWN, SizeBytes: d.bytes, Rotational: d.rotational,
		})
	}
	if v, ok := m.hardware.(*qemu.Machine); ok {
		s.ConsoleLog = v.ConsolePath()
	}
	return s, nil
}

// State is what the lab says of itself.
func (l *Lab) State() State { return l.state }

// Machine gives a machine by its name, nil for none.
func (l *Lab) Machine(name string) bmcsim.Machine {
	for _, m := range l.machines {
		if m.name == name {
			return m.hardware
		}
	}
	return nil
}

// BMC gives a machine's BMC by the machine's name, nil for none.
func (l *Lab) BMC(name string) *bmcsim.BMC {
	for _, m := range l.machines {
		if m.name == name {
			return m.bmc
		}
	}
	return nil
}

func (l *Lab) onClose(f func() error) { l.closers = append(l.closers, f) }

// Close ends the lab: the machines first, which refuse orders from then on, then their BMCs, then what both were plugged into.
func (l *Lab) Close() error {
	var errs []error
	for i := len(l.closers) - 1; i >= 0; i-- {
		errs = append(errs, l.closers[i]())
	}
	l.closers = nil
	return errors.Join(errs...)
}

func prefixed(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, Network.Bits()) }

func addrPort(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// roleMAC is the MAC address of a host of the lab's network that is no machine.
func roleMAC(a netip.Addr) net.HardwareAddr {
	ip := a.As4()
	return net.HardwareAddr{0x02, 0x6e, ip[0], ip[1], ip[2], ip[3]}
}

// join plugs a host into the switch and waits until it is in.
func (l *Lab) join(ctx context.Context, s netstack.Spec) (*netstack.Network, error) {
	host, err := netstack.Open(s, l.log) // a host that is plugged in stays until Close
	if err != nil {
		return nil, err
	}
	l.onClose(host.Close)
	ctx, cancel := context.WithTimeout(ctx, joinLimit)
	defer cancel()
	return host, host.WaitLinked(ctx)
}
