// Package bmcsim is a Redfish server that stands in for the BMCs of the lab's machines: real HTTPS, real sessions and tasks, DMTF's schemas, and on
// demand the misbehaviour of real ones.
//
// It owns the BMC's side: what is shown, the boot override and when it is used up, the virtual CD and its fetching, authentication, faults from a
// seed. It refuses to be a machine: that is behind the interface Machine, which the lab implements for QEMU and for simulated machines. It is the lab's
// simulated hardware, so it opens its own sockets, on loopback only, and is not a role.
//
// One Server carries all BMCs of a process: one HTTP server, one certificate, one listener per BMC, so that each has an address as Metal3 writes it
// (redfish-virtualmedia+https://127.0.0.1:PORT/redfish/v1/Systems/1) for a few kilobytes each.
//
// Use: New(Options) gives a *Server with its CA (Server.CAPEM); Server.Add(Config) starts a *BMC and gives its Address; BMC.SetFaults changes its
// manners; BMC.Close and Server.Close end them.
//
// Invariants: the machine's calls never overlap; a one-time override is given out by exactly one boot; a medium's file exists as long as the
// medium is inserted; the same seed and the same order of requests give the same faults.
package bmcsim

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/serialsim"
)

// BMC is one simulated BMC.
type BMC struct {
	server   *Server
	config   Config
	who      Personality
	addr     netip.AddrPort
	number   uint64
	listener net.Listener
	// serial is nil where the BMC has no SSH server.
	serial  *serialsim.Server
	machine Machine

	// table is built at the first request.
	table struct {
		sync.Once
		routes []route
	}

	// orders is held over calls of the machine and changes of the medium, which are one at a time.
	orders sync.Mutex

	// mu guards all below; never held over a call of the machine.
	mu       sync.Mutex
	faults   *faultSource
	sessions map[string]*login
	nextID   int
	override override
	// authorities are what HTTPS boot trusts.
	authorities authorities
	// secureBoot is what the next boot gets, booted what this one got.
	secureBoot, booted bool
	power              powerView
	drive              drive
	tasks              []*task
	firmware           biosState
	updates            updateState
	raid               raidState
	accounts           accountTable
	closed             bool

	hub hub
}

// override is the boot override as ComputerSystem.Boot shows it.
type override struct{ enabled, target, mode, httpURI string }

// powerView is what the BMC shows in the time around a change.
type powerView struct {
	// changing is shown until the time until.
	changing string
	until    time.Time
	// stale is shown for staleReads more reads.
	stale      string
	staleReads int
}

func newBMC(s *Server, c Config, addr netip.AddrPort, number uint64) *BMC {
	b := &BMC{server: s, config: c, who: c.Personality.withDefaults(), addr: addr, number: number, machine: c.Machine, sessions: map[string]*login{}}
	b.faults = newFaultSource(c.Faults, number)
	b.raid.now = raidStorage(c)
	b.override = override{enabled: "Disabled", target: "None", mode: "UEFI"}
	if hw := c.Machine.Hardware(); !hw.UEFI && hw.Legacy {
		b.override.mode = "Legacy"
	}
	b.accounts = newAccountTable(b.who, c)
	b.drive.verify = s.opts.MediaRoots != nil
	return b
}

// Name is the machine's name in the lab.
func (b *BMC) Name() string { return b.config.Name }

// Address is the BMC's address as a BareMetalHost has it, for boot by virtual media.
func (b *BMC) Address() string { return b.AddressFor("redfish-virtualmedia") }

// AddressFor is the same with another of Metal3's Redfish schemes: "redfish" for boot over the network.
func (b *BMC) AddressFor(scheme string) string {
	return (&url.URL{Scheme: scheme + "+https", Host: b.addr.String(), Path: b.systemPath()}).String()
}

// HostPort is where the BMC listens.
func (b *BMC) HostPort() string { return b.addr.String() }

// SetFaults changes how the BMC misbehaves, from the next request on.
func (b *BMC) SetFaults(f Faults) {
	b.mu.Lock()
	was := b.faults.set.CriticalSensor
	b.faults = newFaultSource(f, b.number)
	b.mu.Unlock()
	b.healthChanged(was, f.CriticalSensor)
}

// Faults are the misbehaviours in force.
func (b *BMC) Faults() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.faults.set
}

// DropSessions forgets all logins, as a BMC does that restarts.
func (b *BMC) DropSessions() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.sessions)
	b.endStreams()
}

// Close stops the BMC and removes its medium's file. The machine stays as it is.
func (b *BMC) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	b.server.forget(b)
	b.ForgetSubscriptions()
	b.endStreams()
	if b.serial != nil {
		_ = b.serial.Close() // what it served is over
	}
	err := b.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	b.orders.Lock()
	defer b.orders.Unlock()
	return errors.Join(err, b.removeMedium())
}

// DropConsoles cuts the connections of those who watch the serial console over SSH.
func (b *BMC) DropConsoles() {
	if b.serial != nil {
		b.serial.Drop()
	}
}

// NextBoot implements Firmware.
func (b *BMC) NextBoot() BootPlan {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.nextBoot()
}

// PeekBoot is the plan of the next boot, without using it up.
func (b *BMC) PeekBoot() BootPlan {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.plan()
}

func (b *BMC) nextBoot() BootPlan {
	p := b.plan()
	if p.Once {
		b.override.enabled, b.override.target = "Disabled", "None"
	}
	b.booted = p.Mode == bmc.ModeSecureBoot
	b.bootBIOS()
	b.bootUpdates()
	b.bootVolumes()
	return p
}

// plan is called with mu held.
func (b *BMC) plan() BootPlan {
	p := BootPlan{Mode: bmc.ModeUEFI, Device: bmc.BootNone, Medium: b.drive.medium}
	switch {
	case b.override.mode == "Legacy":
		p.Mode = bmc.ModeLegacy
	case b.secureBoot:
		p.Mode = bmc.ModeSecureBoot
	}
	if b.override.enabled == "Disabled" {
		return p
	}
	p.Once = b.override.enabled == "Once"
	switch b.override.target {
	case "Pxe":
		p.Device = bmc.BootPXE
	case "Hdd":
		p.Device = bmc.BootDisk
	case "UefiHttp":
		p.Device, p.URI, p.Authorities = bmc.BootHTTP, b.override.httpURI, b.authorities.bundle()
	case b.virtualCD():
		p.Device = bmc.BootCD
	}
	return p
}

// virtualCD is the boot source that means the virtual drive.
func (b *BMC) virtualCD() string {
	switch {
	case b.who.USBCD:
		return "UsbCd"
	case b.who.CDByAttributes:
		return virtualCDAttribute
	}
	return "Cd"
}

func (b *BMC) systemPath() string  { return "/redfish/v1/Systems/" + b.who.SystemID }
func (b *BMC) managerPath() string { return "/redfish/v1/Managers/" + b.who.ManagerID }

func (b *BMC) mediaPath() string {
	if b.who.MediaUnderSystem {
		return b.systemPath() + "/VirtualMedia"
	}
	return b.managerPath() + "/VirtualMedia"
}

func (b *BMC) String() string { return fmt.Sprintf("simulated BMC %s at %s", b.config.Name, b.addr) }
