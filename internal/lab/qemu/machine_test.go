package qemu

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/socket/framing"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/ethernet"
)

// patience is many times what a boot takes on a quiet host (about 8 s); a busy one takes three times as long.
const patience = 3 * time.Minute

var mac = ethernet.MAC{0x02, 0x69, 0x6e, 0, 0, 1}

func newMachine(t *testing.T) (*Machine, *ethernet.Switch) {
	t.Helper()
	sw, err := ethernet.New(ethernet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	dir := t.TempDir()
	m, err := New(Config{
		Name: "node-0", Dir: dir, UUID: "4c4c4544-0000-4000-8000-000000000001",
		NICs: []NIC{{MAC: mac, Port: sw.Port("node-0/nic0")}},
		Disks: []Disk{
			{Path: filepath.Join(dir, "disk0.raw"), SizeBytes: 64 << 20, Bus: NVMe, Serial: "NVME0", WWN: 0x5002538000000001},
			{Path: filepath.Join(dir, "disk1.raw"), SizeBytes: 64 << 20, Bus: SCSI, Serial: "SCSI0", WWN: 0x5002538000000002, Rotational: true},
			{Path: filepath.Join(dir, "disk2.raw"), SizeBytes: 64 << 20, Bus: AHCI, Serial: "SATA0", WWN: 0x5002538000000003},
			{Path: filepath.Join(dir, "disk3.raw"), SizeBytes: 64 << 20, Bus: Virtio, Serial: "VIRTIO0"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, sw
}

// discovers gives what DHCP clients behind the switch broadcast.
func discovers(t *testing.T, sw *ethernet.Switch) <-chan *dhcpv4.DHCPv4 {
	t.Helper()
	near, far := net.Pipe()
	if err := sw.Port("observer").Attach(near); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	found := make(chan *dhcpv4.DHCPv4, 100)
	go func() {
		r := framing.NewReader(far)
		for {
			frame, err := r.Read()
			if err != nil {
				return
			}
			if p := dhcpOf(frame); p != nil {
				found <- p
			}
		}
	}()
	return found
}

// dhcpOf takes the DHCP message for port 67 out of a frame, nil for other frames.
func dhcpOf(frame []byte) *dhcpv4.DHCPv4 {
	if len(frame) < 14+20+8 || binary.BigEndian.Uint16(frame[12:]) != 0x0800 || frame[14+9] != 17 {
		return nil
	}
	udp := frame[14+int(frame[14]&0xf)*4:]
	if len(udp) < 8 || binary.BigEndian.Uint16(udp[2:]) != 67 {
		return nil
	}
	p, err := dhcpv4.FromBytes(udp[8:])
	if err != nil {
		return nil
	}
	return p
}

func TestFirmwareAsksForNetworkBoot(t *testing.T) {
	for _, tc := range []struct {
		mode bmc.Mode
		// arch is the client's architecture (RFC 4578 §2.1).
		arch string
	}{
		{bmc.ModeUEFI, "PXEClient:Arch:00007"},
		{bmc.ModeSecureBoot, "PXEClient:Arch:00007"},
		{bmc.ModeLegacy, "PXEClient:Arch:00000"},
	} {
		t.Run(string(tc.mode), func(t *testing.T) {
			m, sw := newMachine(t)
			found := discovers(t, sw)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := m.PowerOn(ctx, bmcsim.BootPlan{Mode: tc.mode, Device: bmc.BootPXE, Once: true}); err != nil {
				t.Fatal(err)
			}
			if !m.Powered() {
				t.Fatal("machine is off after PowerOn")
			}
			select {
			case p := <-found:
				if got := p.ClassIdentifier(); !strings.HasPrefix(got, tc.arch) || p.ClientHWAddr.String() != mac.String() {
					t.Fatalf("%s sent vendor class %q, want %q from %s", p.ClientHWAddr, got, tc.arch, mac)
				}
			case <-ctx.Done():
				t.Fatalf("no DHCP discover; console:\n%s", m.Console(4096))
			}
			if err := m.ForceOff(ctx); err != nil {
				t.Fatal(err)
			}
			if m.Powered() || sw.Port("node-0/nic0").Attached() {
				t.Fatal("machine is on, or its cable alive, after ForceOff")
			}
		})
	}
}

// bootSector writes 512 bytes of real-mode code as the first sector of disk 0.
func bootSector(t *testing.T, m *Machine, code []byte) {
	t.Helper()
	sector := make([]byte, 512)
	copy(sector, code)
	sector[510], sector[511] = 0x55, 0xaa
	f, err := os.OpenFile(m.config.Disks[0].Path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(sector, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// sayX writes an X to the first serial port: mov dx,0x3f8; mov al,'X'; out dx,al.
var sayX = []byte{0xba, 0xf8, 0x03, 0xb0, 'X', 0xee}

// plans hands out one plan per boot that the guest started by itself.
type plans chan bmcsim.BootPlan

func (p plans) NextBoot() bmcsim.BootPlan { return <-p }

func TestAGuestThatRestartsFollowsTheNextPlan(t *testing.T) {
	m, sw := newMachine(t)
	found := discovers(t, sw)
	next := make(plans, 1)
	next <- bmcsim.BootPlan{Mode: bmc.ModeLegacy, Device: bmc.BootPXE}
	m.Attach(next)
	// Port 0xcf9 is the chipset's reset control: mov dx,0xcf9; mov al,6; out dx,al; hlt.
	bootSector(t, m, append(bytes.Clone(sayX), 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := m.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeLegacy}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-found:
	case <-ctx.Done():
		t.Fatalf("the second boot did not use the network; %d boots, console:\n%s", m.Boots(), m.Console(4096))
	}
	if got := m.Boots(); got != 2 || !m.Powered() {
		t.Fatalf("%d boots, powered %v; want 2 and on", got, m.Powered())
	}
	if !strings.Contains(string(m.Console(4096)), "X") {
		t.Fatal("the console log does not hold what the first boot wrote")
	}
}

func TestABootThatSpinsIsResetOnce(t *testing.T) {
	m, _ := newMachine(t)
	m.config.StallLimit = 3 * time.Second
	// It says X and jumps to itself.
	bootSector(t, m, append(bytes.Clone(sayX), 0xeb, 0xfe))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := m.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeLegacy}); err != nil {
		t.Fatal(err)
	}
	said := func(times int) func() bool {
		return func() bool { return strings.Count(string(m.Console(1<<16)), "X") == times }
	}
	waitFor(ctx, t, said(2))
	if got := m.Boots(); got != 2 || !m.Powered() {
		t.Fatalf("%d boots, powered %v; want 2 and on", got, m.Powered())
	}
	// The second try is left to hang: the watchdog of the first has ended, and there is no other.
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if got := m.Boots(); got != 2 {
		t.Fatalf("%d boots, want 2", got)
	}
}

func TestAnIdleMachineIsNotReset(t *testing.T) {
	m, _ := newMachine(t)
	m.config.StallLimit = time.Second
	// sti; hlt; jmp to the hlt: interrupts come 18 times a second, and nothing else.
	bootSector(t, m, append(bytes.Clone(sayX), 0xfb, 0xf4, 0xeb, 0xfd))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := m.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeLegacy}); err != nil {
		t.Fatal(err)
	}
	waitFor(ctx, t, func() bool { return strings.Contains(string(m.Console(1<<16)), "X") })
	m.mu.Lock()
	p := m.current
	m.mu.Unlock()
	// It is judged over several limits: what must not happen has no event to wait for.
	idle := time.Now()
	waitFor(ctx, t, func() bool { return time.Since(idle) > 4*m.config.StallLimit })
	m.mu.Lock()
	same := m.current == p
	m.mu.Unlock()
	if !same {
		t.Fatalf("an idle machine was reset; %d boots", m.Boots())
	}
}

func TestAGuestCanTurnItselfOff(t *testing.T) {
	m, _ := newMachine(t)
	// ACPI's PM1a control register of q35 is at 0x604: mov dx,0x604; mov ax,0x2000; out dx,ax; hlt; jmp to the hlt.
	bootSector(t, m, []byte{0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4, 0xeb, 0xfd})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := m.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeLegacy}); err != nil {
		t.Fatal(err)
	}
	waitFor(ctx, t, func() bool { return !m.Powered() })
	// It can be turned on again.
	if err := m.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeLegacy}); err != nil {
		t.Fatal(err)
	}
	waitFor(ctx, t, func() bool { return m.Boots() == 2 && !m.Powered() })
}

func TestMediumChangesWhileTheMachineRuns(t *testing.T) {
	m, _ := newMachine(t)
	path := filepath.Join(t.TempDir(), "medium, with a comma.iso")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	medium := &bmcsim.Medium{Path: path, Size: 1 << 20}
	if err := m.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeLegacy, Device: bmc.BootCD, Medium: medium}); err != nil {
		t.Fatal(err)
	}
	for _, change := range []*bmcsim.Medium{nil, medium, medium, nil, nil} {
		if err := m.ChangeMedium(ctx, change); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Reset(ctx, bmcsim.BootPlan{Mode: bmc.ModeLegacy}); err != nil {
		t.Fatal(err)
	}
	if err := m.GracefulOff(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestNoProcessIsLeft(t *testing.T) {
	m, _ := newMachine(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := m.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeLegacy}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(m.config.pidPath())
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil || syscall.Kill(pid, 0) != nil {
		t.Fatalf("process %q is not there: %v", text, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Fatalf("process %d is still there", pid)
	}
	if err := m.PowerOn(ctx, bmcsim.BootPlan{}); err == nil {
		t.Fatal("a closed machine was turned on")
	}
}

func waitFor(ctx context.Context, t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("condition never held")
		}
	}
}

// echo reads the first serial port and writes there what it read: mov dx,0x3fd; in al,dx; test al,1; jz to the in; mov dx,0x3f8; in al,dx; out dx,al; jmp to the beginning.
var echo = []byte{0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0xba, 0xf8, 0x03, 0xec, 0xee, 0xeb, 0xf1}

// TestAMachineHearsWhatIsTyped: bytes that are typed reach the machine's serial port, and what it writes is in the log, over a reset.
func TestAMachineHearsWhatIsTyped(t *testing.T) {
	m, _ := newMachine(t)
	bootSector(t, m, append(bytes.Clone(sayX), echo...))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	plan := bmcsim.BootPlan{Mode: bmc.ModeLegacy}
	if err := m.Type([]byte("nobody hears")); err != nil {
		t.Fatal(err)
	}
	if err := m.PowerOn(ctx, plan); err != nil {
		t.Fatal(err)
	}
	for turn, word := range []string{"hello", "again"} {
		waitFor(ctx, t, func() bool { return strings.Count(string(m.Console(1<<16)), "X") > turn })
		for i := range word {
			// One at a time: the port holds no more.
			if err := m.Type([]byte{word[i]}); err != nil {
				t.Fatal(err)
			}
			waitFor(ctx, t, func() bool { return strings.Contains(string(m.Console(1<<16)), word[:i+1]) })
		}
		if turn == 0 {
			if err := m.Reset(ctx, plan); err != nil {
				t.Fatal(err)
			}
		}
	}
}
