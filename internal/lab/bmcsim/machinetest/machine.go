// Package machinetest is a machine in memory, for tests of simulated BMCs and of what drives them.
//
// It owns nothing but a power state, a console and a record of its boots. It refuses to boot anything.
package machinetest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// Machine implements bmcsim.Machine and bmcsim.MediumChanger.
type Machine struct {
	mu       sync.Mutex
	firmware bmcsim.Firmware
	hardware bmcsim.Hardware
	on       bool
	boots    []bmcsim.BootPlan
	changes  []*bmcsim.Medium
	typed    []byte
	console  []byte
	broken   error
	// busy proves that the BMC never overlaps its orders.
	busy bool
}

// New makes a machine that is off.
func New(h bmcsim.Hardware) *Machine { return &Machine{hardware: h} }

// Hardware is a machine with two interfaces and two disks.
func Hardware(uuid string) bmcsim.Hardware {
	return bmcsim.Hardware{
		UUID: uuid, Manufacturer: "Ingot Lab", Model: "Test Machine", SerialNumber: "SN-" + uuid[:8], BIOSVersion: "1.2.3",
		CPUs: []bmcsim.CPU{{Model: "Test CPU", Cores: 4, Threads: 8, MaxMHz: 3000, Architecture: "x86"}}, MemoryMebibytes: 1536,
		NICs: []bmcsim.NIC{{Name: "eth0", MAC: "52:54:00:00:00:01", SpeedMbps: 1000, LinkUp: true}, {Name: "eth1", MAC: "52:54:00:00:00:02", SpeedMbps: 10000}},
		Disks: []bmcsim.Disk{
			{Name: "disk0", Model: "Fast", SerialNumber: "D0", SizeBytes: 2 << 30, Protocol: "NVMe"},
			{Name: "disk1", Model: "Slow", SerialNumber: "D1", SizeBytes: 4 << 40, Protocol: "SATA", Rotational: true},
		},
		UEFI: true, Legacy: true, SecureBoot: true,
	}
}

// Attach is for bmcsim.Config.
func (m *Machine) Attach(f bmcsim.Firmware) { m.firmware = f }

// Break makes the machine refuse orders; nil mends it.
func (m *Machine) Break(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

// order runs a change of the machine.
func (m *Machine) order(do func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	if m.busy {
		return errors.New("the BMC gave two orders at a time")
	}
	m.busy = true
	do()
	m.busy = false
	return nil
}

// PowerOn implements bmcsim.Machine.
func (m *Machine) PowerOn(_ context.Context, p bmcsim.BootPlan) error {
	return m.order(func() { m.on = true; m.boots = append(m.boots, p) })
}

// ForceOff implements bmcsim.Machine.
func (m *Machine) ForceOff(context.Context) error { return m.order(func() { m.on = false }) }

// GracefulOff implements bmcsim.Machine.
func (m *Machine) GracefulOff(context.Context) error { return m.order(func() { m.on = false }) }

// Reset implements bmcsim.Machine.
func (m *Machine) Reset(_ context.Context, p bmcsim.BootPlan) error {
	return m.order(func() { m.boots = append(m.boots, p) })
}

// ChangeMedium implements bmcsim.MediumChanger.
func (m *Machine) ChangeMedium(_ context.Context, medium *bmcsim.Medium) error {
	return m.order(func() { m.changes = append(m.changes, medium) })
}

// RebootByItself is what an operating system does.
func (m *Machine) RebootByItself() {
	p := m.firmware.NextBoot()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boots = append(m.boots, p)
}

// Powered implements bmcsim.Machine.
func (m *Machine) Powered() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.on
}

// Console implements bmcsim.Machine.
func (m *Machine) Console(max int) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.console
	if len(c) > max {
		c = c[len(c)-max:]
	}
	return slices.Clone(c)
}

// Say writes a line to the console.
func (m *Machine) Say(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.console = append(append(m.console, line...), '\n')
}

// Type implements serialsim.Typist.
func (m *Machine) Type(p []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.typed = append(m.typed, p...)
	return nil
}

// Typed is all that was typed at the console.
func (m *Machine) Typed() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return string(m.typed)
}

// Hardware implements bmcsim.Machine.
func (m *Machine) Hardware() bmcsim.Hardware { return m.hardware }

// Boots are the boots until now.
func (m *Machine) Boots() []bmcsim.BootPlan {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.boots)
}

// Changes are the media that the machine was told of.
func (m *Machine) Changes() []*bmcsim.Medium {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.changes)
}
