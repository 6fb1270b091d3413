package simulated

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/configdrive"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/labtest"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/netboot/medium"
	"github.com/ingotmetal/ingot/step"
)

const patience = time.Minute

func inventory() step.Inventory {
	return step.Inventory{
		System:      step.System{Manufacturer: "Ingot", ProductName: "Simulated", SerialNumber: "node-0", UUID: "4c4c4544-0000-4000-8000-000000000001"},
		Firmware:    step.Firmware{Vendor: "Ingot", Version: "1", UEFI: true},
		CPU:         step.CPU{Architecture: "x86_64", Model: "simulated", Count: 4},
		MemoryBytes: 8 << 30,
		NICs: []step.NIC{{
			Name: "eth0", MAC: "02:00:00:00:00:01", SpeedMbps: 1000, LinkUp: true,
			LLDP: &step.LLDP{ChassisID: "02:69:6e:67:00:01", PortID: "node-0/nic0", SystemName: "lab-switch"},
		}},
		Disks: []step.Disk{
			{Name: "/dev/sda", SerialNumber: "A", SizeBytes: 64 << 20, SectorBytes: 512, Type: "ssd"},
			{Name: "/dev/sdb", SerialNumber: "B", SizeBytes: 64 << 20, SectorBytes: 512, Type: "hdd", Rotational: true},
		},
	}
}

type world struct {
	*Machine
	endpoint *labtest.Endpoint
	journal  *Journal
	paths    map[string]string
}

func newWorld(t *testing.T, change func(*Config)) world {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := world{
		endpoint: labtest.Start(t, l, netip.MustParseAddr("127.0.0.1")),
		journal:  &Journal{},
		paths:    map[string]string{"/dev/sda": filepath.Join(dir, "a.raw"), "/dev/sdb": filepath.Join(dir, "b.raw")},
	}
	c := Config{Name: "node-0", Inventory: inventory(), DiskPaths: w.paths, Journal: w.journal}
	if change != nil {
		change(&c)
	}
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if found := w.journal.Overlaps(); len(found) > 0 {
			t.Errorf("two writers of one disk: %s", found)
		}
		for _, e := range w.journal.Writings() {
			if e.Open() {
				t.Errorf("disk %s was left open by boot %d", e.Disk, e.Boot)
			}
		}
	})
	w.Machine = m
	return w
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (w world) until(ctx context.Context, t *testing.T, at At) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for w.At() != at {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("machine is at %q, want %q; console:\n%s", w.At(), at, w.Console(4096))
		}
	}
}

// isoWith makes an ISO of the given files.
func isoWith(t *testing.T, label string, files map[string][]byte) []byte {
	t.Helper()
	tree, path := t.TempDir(), filepath.Join(t.TempDir(), "iso")
	for name, content := range files {
		at := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	fs, err := iso9660.Create(file.New(f, false), 0, 0, 2048, tree)
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.Finalize(iso9660.FinalizeOptions{RockRidge: true, VolumeIdentifier: label}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func cdWith(t *testing.T, c medium.Config) *bmcsim.Medium {
	t.Helper()
	archive, err := medium.Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	iso := isoWith(t, "INGOT", map[string][]byte{medium.ISOPath: archive, "boot/vmlinuz": make([]byte, 100_000)})
	return &bmcsim.Medium{Size: int64(len(iso)), Image: bytes.NewReader(iso)}
}

func TestAgentBootsFromVirtualMedia(t *testing.T) {
	w := newWorld(t, nil)
	ctx := within(t)
	cd := cdWith(t, w.endpoint.Open("boot-1", "02:00:00:00:00:01"))
	if err := w.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeUEFI, Device: bmc.BootCD, Once: true, Medium: cd}); err != nil {
		t.Fatal(err)
	}
	got, err := w.endpoint.Run(ctx, "boot-1", protocol.Step{ID: "s1", Kind: step.Inspect})
	if err != nil {
		t.Fatalf("%v; console:\n%s", err, w.Console(4096))
	}
	want := inventory()
	if diff := cmp.Diff(&want, got.Inventory); diff != "" {
		t.Fatalf("inventory (-want +got):\n%s", diff)
	}
	if w.At() != AtAgent || !w.Powered() {
		t.Fatalf("machine is at %q, powered %v", w.At(), w.Powered())
	}
	w.endpoint.Supersede("boot-1")
	w.until(ctx, t, AtOff)
	if !strings.Contains(string(w.Console(1<<16)), "power down") {
		t.Fatalf("console does not tell of the end:\n%s", w.Console(4096))
	}
}

func TestPowerOffEndsTheAgentAndTheNextBootIsAnother(t *testing.T) {
	w := newWorld(t, nil)
	ctx := within(t)
	for i := range 3 {
		id := fmt.Sprintf("boot-%d", i)
		plan := bmcsim.BootPlan{Device: bmc.BootCD, Medium: cdWith(t, w.endpoint.Open(id))}
		start := w.PowerOn
		if i == 1 {
			start = w.Reset
		}
		if err := start(ctx, plan); err != nil {
			t.Fatal(err)
		}
		if err := w.endpoint.Enrolled(ctx, id); err != nil {
			t.Fatalf("%v; console:\n%s", err, w.Console(4096))
		}
		if i == 1 {
			if err := w.ForceOff(ctx); err != nil {
				t.Fatal(err)
			}
			if w.Powered() || w.At() != AtOff {
				t.Fatalf("after ForceOff the machine is at %q", w.At())
			}
		}
	}
	if err := w.GracefulOff(ctx); err != nil {
		t.Fatal(err)
	}
	w.until(ctx, t, AtOff)
	if w.Boots() != 3 {
		t.Fatalf("%d boots, want 3", w.Boots())
	}
}

func TestAMachineWithNothingToBootStaysOn(t *testing.T) {
	w := newWorld(t, nil)
	ctx := within(t)
	notOurs := isoWith(t, "OTHER", map[string][]byte{"readme.txt": []byte("hello")})
	blank := isoWith(t, "INGOT", map[string][]byte{medium.ISOPath: medium.Blank()})
	for name, plan := range map[string]bmcsim.BootPlan{
		"no override":    {},
		"empty drive":    {Device: bmc.BootCD},
		"foreign medium": {Device: bmc.BootCD, Medium: &bmcsim.Medium{Image: bytes.NewReader(notOurs)}},
		"garbage":        {Device: bmc.BootCD, Medium: &bmcsim.Medium{Image: bytes.NewReader(bytes.Repeat([]byte("x"), 100_000))}},
		"unpatched":      {Device: bmc.BootCD, Medium: &bmcsim.Medium{Image: bytes.NewReader(blank)}},
		"no network":     {Device: bmc.BootPXE},
	} {
		if err := w.Reset(ctx, plan); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		w.until(ctx, t, AtNoBoot)
		if !w.Powered() {
			t.Fatalf("%s: machine is off", name)
		}
	}
}

func TestAHungMachineIsFreedByAReset(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.HangChance = 0.5; c.Seed = 7 })
	ctx := within(t)
	seen := map[At]int{}
	for range 20 {
		if err := w.Reset(ctx, bmcsim.BootPlan{}); err != nil {
			t.Fatal(err)
		}
		for w.At() == AtFirmware && ctx.Err() == nil {
			if err := pause(ctx, time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		seen[w.At()]++
	}
	if seen[AtHung] == 0 || seen[AtNoBoot] == 0 || seen[AtHung]+seen[AtNoBoot] != 20 {
		t.Fatalf("20 boots ended at %v, want some hung and some not", seen)
	}
}

// installed makes a bootable disk with a config drive, as an image writer leaves it.
func installed(t *testing.T, path string, vendor any) {
	t.Helper()
	drive, err := configdrive.Build(configdrive.Drive{
		Metadata: configdrive.DefaultMetadata(configdrive.Host{UID: "instance-7", Name: "web-1", Namespace: "default"}, nil),
		UserData: []byte("#cloud-config\n{}\n"), VendorData: vendor,
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := diskfs.Open(path, diskfs.WithOpenMode(diskfs.ReadWrite))
	if err != nil {
		t.Fatal(err)
	}
	start := uint64(2048)
	table := &gpt.Table{ProtectiveMBR: true, LogicalSectorSize: 512, PhysicalSectorSize: 512, Partitions: []*gpt.Partition{
		{Index: 1, Start: start, End: start + 4095, Type: gpt.LinuxFilesystem, Name: "root"},
		{Index: 2, Start: start + 4096, End: start + 4096 + uint64(len(drive))/512, Type: gpt.LinuxFilesystem, Name: "config"},
	}}
	if err := d.Partition(table); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt(drive, int64(start+4096)*512); err != nil {
		t.Fatal(err)
	}
}

func TestTheSystemOnDiskReportsItsFirstBoot(t *testing.T) {
	w := newWorld(t, nil)
	ctx := within(t)
	url, reported := w.endpoint.OweFirstBoot("default", "node-0")
	at := strings.LastIndex(url, "/") + 1
	vendor, err := configdrive.FirstBootReport(configdrive.Report{URL: url[:at], Token: secret.New(url[at:]), CAPEM: w.endpoint.CAPEM})
	if err != nil {
		t.Fatal(err)
	}
	installed(t, w.paths["/dev/sdb"], vendor)
	if err := w.PowerOn(ctx, bmcsim.BootPlan{}); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-reported:
		if r.InstanceID != "instance-7" || r.Hostname != "web-1" || r.HostKeys["ed25519"] == "" {
			t.Fatalf("report is %+v", r)
		}
	case <-ctx.Done():
		t.Fatalf("no report; machine is at %q, console:\n%s", w.At(), w.Console(4096))
	}
	w.until(ctx, t, AtSystem)
	if err := w.GracefulOff(ctx); err != nil {
		t.Fatal(err)
	}
	w.until(ctx, t, AtOff)
}

func TestASystemThatCannotReportStillRuns(t *testing.T) {
	for name, vendor := range map[string]any{
		"no vendor data": nil,
		"no phone_home":  map[string]string{"cloud-init": "#cloud-config\n{}"},
		"script":         "#!/bin/sh\ntrue",
		"other form":     []int{1},
		"foreign server": "#cloud-config\nphone_home: {url: \"https://127.0.0.1:1/x\", tries: 1}",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			installed(t, w.paths["/dev/sda"], vendor)
			ctx := within(t)
			if err := w.PowerOn(ctx, bmcsim.BootPlan{Device: bmc.BootDisk}); err != nil {
				t.Fatal(err)
			}
			w.until(ctx, t, AtSystem)
			if w.FirstBootReports() != 0 {
				t.Fatal("something was reported")
			}
		})
	}
}

func TestJournalFindsTwoWriters(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	j := &Journal{entries: []Writing{
		{Machine: "a", Disk: "x", Boot: 1, OpenedAt: at(1), Closed: at(3)},
		{Machine: "a", Disk: "y", Boot: 1, OpenedAt: at(2), Closed: at(9)},
		{Machine: "b", Disk: "x", Boot: 1, OpenedAt: at(2), Closed: at(9)},
		{Machine: "a", Disk: "x", Boot: 2, OpenedAt: at(3), Closed: at(5)},
	}}
	if found := j.Overlaps(); len(found) != 0 {
		t.Fatalf("found %v", found)
	}
	j.entries = append(j.entries, Writing{Machine: "a", Disk: "y", Boot: 2, OpenedAt: at(8)}, Writing{Machine: "a", Disk: "y", Boot: 3, OpenedAt: at(9)})
	if found := j.Overlaps(); len(found) != 2 {
		t.Fatalf("found %v, want two overlaps of disk y", found)
	}
}

// FuzzConfigDrive: any disk gives a config drive or an error.
func FuzzConfigDrive(f *testing.F) {
	f.Add([]byte{}, []byte(`{"cloud-init": "#cloud-config\nphone_home: {url: x, post: all}"}`))
	f.Add(slices.Concat(make([]byte, 512), []byte("EFI PART"), make([]byte, 1000)), []byte(`"#cloud-config"`))
	f.Add([]byte("x"), []byte(`{`))
	f.Fuzz(func(t *testing.T, disk, vendor []byte) {
		_, _ = findConfigDrive(bytes.NewReader(disk))
		_, _ = readConfigDrive(io.NewSectionReader(bytes.NewReader(disk), 0, int64(len(disk))))
		_, _ = configDrive{vendor: vendor}.phoneHome()
	})
}
