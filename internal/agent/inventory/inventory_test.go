package inventory

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/step"
)

// tree writes a file system: "path": content, and "path ->": where a symbolic link leads.
func tree(t *testing.T, files map[string]string) Reader {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		link := strings.HasSuffix(name, " ->")
		path := filepath.Join(root, strings.TrimSuffix(name, " ->"))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if link {
			err = os.Symlink(content, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return Reader{Root: os.DirFS(root), BootMAC: "52:54:00:00:00:01"}
}

const (
	pci    = "sys/devices/pci0000:00/"
	sata   = pci + "0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/"
	sas    = pci + "0000:00:01.0/0000:01:00.0/host0/port-0:1/end_device-0:1/target0:0:1/0:0:1:5/"
	usb    = pci + "0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/6:0:0:0/"
	nvme   = pci + "0000:02:00.0/nvme/nvme0/nvme0n1/"
	virtio = pci + "0000:00:04.0/virtio1/block/vda/"
)

func vpd80(serial string) string {
	return string([]byte{0, 0x80, 0, byte(len(serial))}) + serial
}

// vpd89 lays out ATA Information with IDENTIFY data.
func vpd89(model, serial string) string {
	page := make([]byte, 60+512)
	page[1] = 0x89
	put := func(word, length int, text string) {
		padded := []byte(text + strings.Repeat(" ", length-len(text)))
		for i := 0; i < length; i += 2 {
			page[60+word*2+i], page[60+word*2+i+1] = padded[i+1], padded[i]
		}
	}
	put(27, 40, model)
	put(10, 20, serial)
	return string(page)
}

func rack(t *testing.T) Reader {
	return tree(t, map[string]string{
		// A SATA disk behind AHCI.
		"sys/block/sda ->":      "../devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/block/sda",
		sata + "block/sda/size": "1953525168\n", sata + "block/sda/queue/rotational": "1\n", sata + "block/sda/queue/logical_block_size": "512\n",
		sata + "block/sda/ro": "0\n", sata + "block/sda/removable": "0\n", sata + "block/sda/device ->": "../../../2:0:0:0",
		sata + "model": "WDC WD10EZEX-08W\n", sata + "vendor": "ATA     \n", sata + "wwid": "naa.50014ee2b1234567\n",
		sata + "vpd_pg80": vpd80("     WD-1"), sata + "vpd_pg89": vpd89("WDC WD10EZEX-08WN4A0", "WD-WCC6Y1"), "sys/class/ata_port/ata3/port_no": "1\n",
		// A SAS disk with a long WWN on a controller's phy.
		"sys/block/sdb ->":     "../devices/pci0000:00/0000:00:01.0/0000:01:00.0/host0/port-0:1/end_device-0:1/target0:0:1/0:0:1:5/block/sdb",
		sas + "block/sdb/size": "7814037168\n", sas + "block/sdb/queue/rotational": "0\n", sas + "block/sdb/queue/logical_block_size": "4096\n",
		sas + "block/sdb/ro": "1\n", sas + "block/sdb/device ->": "../../../0:0:1:5", sas + "model": "MZILT1T6\n", sas + "vendor": "SAMSUNG\n",
		sas + "wwid": "naa.60022480b1c2d3e4f5061728394a5b6c\n", sas + "vpd_pg80": vpd80("S4L0"),
		pci + "0000:00:01.0/0000:01:00.0/host0/port-0:1/end_device-0:1/sas_device/end_device-0:1/phy_identifier": "1\n",
		// An NVMe namespace, its multipath twin, a virtio disk, a USB stick, and what is no disk.
		"sys/block/nvme0n1 ->": "../devices/pci0000:00/0000:02:00.0/nvme/nvme0/nvme0n1",
		nvme + "size":          "1000215216\n", nvme + "queue/rotational": "0\n", nvme + "queue/logical_block_size": "512\n", nvme + "nsid": "1\n",
		nvme + "wwid": "eui.0025385b71b00001\n", nvme + "device ->": "../../nvme0", pci + "0000:02:00.0/nvme/nvme0/model": "Samsung SSD 970 EVO Plus 500GB          \n",
		pci + "0000:02:00.0/nvme/nvme0/serial": "S4EVNX0\n",
		"sys/block/nvme0c0n1/size":             "1000215216\n", "sys/block/nvme0c0n1/hidden": "1\n", "sys/block/nvme0c0n1/device/x": "",
		"sys/block/vda ->": "../devices/pci0000:00/0000:00:04.0/virtio1/block/vda",
		virtio + "size":    "2097152\n", virtio + "queue/rotational": "1\n", virtio + "serial": "V1\n", virtio + "device ->": "../../../virtio1",
		pci + "0000:00:04.0/virtio1/vendor": "0x1af4\n", virtio + "queue/logical_block_size": "512\n",
		"sys/block/sdc ->":     "../devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/6:0:0:0/block/sdc",
		usb + "block/sdc/size": "30310400\n", usb + "block/sdc/removable": "1\n", usb + "block/sdc/device ->": "../../../6:0:0:0", usb + "model": "Ultra\n", usb + "vendor": "SanDisk\n",
		"sys/block/loop0/size": "100\n", "sys/block/loop0/device/x": "", "sys/block/md127/size": "100\n", "sys/block/md127/device/x": "",
		"sys/block/sr0/size": "100\n", "sys/block/sr0/device/x": "", "sys/block/sdd/size": "0\n", "sys/block/sdd/device/x": "",
		// The rest of the machine.
		"proc/cpuinfo":                  "processor\t: 0\nmodel name\t: Intel(R) Xeon(R)\ncpu MHz\t\t: 1200.5\nflags\t\t: fpu vme\n\nprocessor\t: 1\nmodel name\t: Intel(R) Xeon(R)\ncpu MHz\t\t: 2400.5\nflags\t\t: fpu vme\n",
		"proc/sys/kernel/hostname":      "(none)\n",
		"proc/sys/kernel/arch":          "x86_64\n",
		"proc/meminfo":                  "MemTotal:        1000 kB\n",
		"sys/class/dmi/id/sys_vendor":   "Dell Inc.\n",
		"sys/class/dmi/id/product_name": "To Be Filled By O.E.M.\n",
		"sys/class/dmi/id/product_uuid": "4C4C4544-0000-0000-0000-000000000000\n",
		"sys/class/dmi/id/bios_version": "2.1\n",
		"sys/firmware/efi/systab":       "",
		"sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": "\x06\x00\x00\x00\x01",
		"sys/class/net/lo/type":            "772\n",
		"sys/class/net/eth0/type":          "1\n",
		"sys/class/net/eth0/address":       "52:54:00:00:00:01\n",
		"sys/class/net/eth0/carrier":       "1\n",
		"sys/class/net/eth0/speed":         "25000\n",
		"sys/class/net/eth0/device/vendor": "0x15b3\n",
		"sys/class/net/eth0/device/device": "0x1015\n",
		"sys/class/net/eth1/type":          "1\n",
		"sys/class/net/eth1/address":       "52:54:00:00:00:02\n",
		"sys/class/net/eth1/speed":         "-1\n",
		"sys/class/net/eth1/device/vendor": "0x15b3\n",
		"sys/class/net/bond0/type":         "1\n",
		"sys/class/net/bond0/address":      "52:54:00:00:00:01\n",
	})
}

func TestRead(t *testing.T) {
	got, err := rack(t).Read()
	if err != nil {
		t.Fatal(err)
	}
	want := step.Inventory{
		System:   step.System{Manufacturer: "Dell Inc.", UUID: "4c4c4544-0000-0000-0000-000000000000"},
		Firmware: step.Firmware{Version: "2.1", UEFI: true, SecureBoot: true},
		CPU:      step.CPU{Architecture: "x86_64", Model: "Intel(R) Xeon(R)", ClockMHz: 2400.5, Flags: []string{"fpu", "vme"}, Count: 2}, MemoryBytes: 1000 << 10,
		Components: []step.Component{{Kind: step.ComponentBIOS, Version: "2.1"}},
		NICs: []step.NIC{
			{Name: "eth0", Model: "0x15b3 0x1015", MAC: "52:54:00:00:00:01", SpeedMbps: 25000, Booted: true, LinkUp: true},
			{Name: "eth1", Model: "0x15b3", MAC: "52:54:00:00:00:02"},
		},
		Disks: []step.Disk{
			{
				Name: "/dev/nvme0n1", Model: "Samsung SSD 970 EVO Plus 500GB", SerialNumber: "S4EVNX0", WWN: "eui.0025385b71b00001", WWNWithExtension: "eui.0025385b71b00001",
				SizeBytes: 1000215216 * 512, SectorBytes: 512, Type: "nvme", Transport: step.NVMe,
				AlternateNames: []string{"/dev/disk/by-path/pci-0000:02:00.0-nvme-1", "/dev/disk/by-id/nvme-eui.0025385b71b00001", "/dev/disk/by-id/nvme-Samsung_SSD_970_EVO_Plus_500GB_S4EVNX0"},
			},
			{
				Name: "/dev/sda", Model: "WDC WD10EZEX-08WN4A0", Vendor: "ATA", SerialNumber: "WD-WCC6Y1", HCTL: "2:0:0:0", WWN: "0x50014ee2b1234567",
				WWNWithExtension: "0x50014ee2b1234567", SizeBytes: 1953525168 * 512, SectorBytes: 512, Rotational: true, Type: "hdd", Transport: step.SATA,
				AlternateNames: []string{
					"/dev/disk/by-path/pci-0000:00:1f.2-ata-1.0", "/dev/disk/by-path/pci-0000:00:1f.2-ata-1", "/dev/disk/by-id/wwn-0x50014ee2b1234567",
					"/dev/disk/by-id/ata-WDC_WD10EZEX-08WN4A0_WD-WCC6Y1",
				},
			},
			{
				Name: "/dev/sdb", Model: "MZILT1T6", Vendor: "SAMSUNG", SerialNumber: "S4L0", HCTL: "0:0:1:5", WWN: "0x60022480b1c2d3e4", WWNVendorExtension: "0xf5061728394a5b6c",
				WWNWithExtension: "0x60022480b1c2d3e4f5061728394a5b6c", SizeBytes: 7814037168 * 512, SectorBytes: 4096, Type: "ssd", ReadOnly: true, Transport: step.SAS,
				AlternateNames: []string{
					"/dev/disk/by-path/pci-0000:01:00.0-sas-phy1-lun-5", "/dev/disk/by-id/wwn-0x60022480b1c2d3e4f5061728394a5b6c", "/dev/disk/by-id/scsi-SSAMSUNG_MZILT1T6_S4L0",
				},
			},
			{
				Name: "/dev/sdc", Model: "Ultra", Vendor: "SanDisk", HCTL: "6:0:0:0", SizeBytes: 30310400 * 512, Type: "ssd", Removable: true, Transport: step.USB,
				AlternateNames: []string{"/dev/disk/by-path/pci-0000:00:14.0-usb-0:2:1.0-scsi-0:0:0:0"},
			},
			{
				Name: "/dev/vda", Vendor: "0x1af4", SerialNumber: "V1", SizeBytes: 1 << 30, SectorBytes: 512, Rotational: true, Type: "hdd", Transport: step.VirtIO,
				AlternateNames: []string{"/dev/disk/by-path/pci-0000:00:04.0", "/dev/disk/by-path/virtio-pci-0000:00:04.0", "/dev/disk/by-id/virtio-V1"},
			},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// An unmounted /sys is not a machine without disks.
func TestNoSysIsAnError(t *testing.T) {
	if _, err := tree(t, map[string]string{"proc/cpuinfo": ""}).Disks(); err == nil {
		t.Error("no error")
	}
}

// memoryDevice is an SMBIOS structure of type 17 with a size and an extended size.
func memoryDevice(size uint16, extended uint32) []byte {
	s := make([]byte, 0x28)
	s[0], s[1] = 17, byte(len(s))
	binary.LittleEndian.PutUint16(s[0x0C:], size)
	binary.LittleEndian.PutUint32(s[0x1C:], extended)
	return append(s, 'D', 'I', 'M', 'M', 0, 'A', 0, 0)
}

func smbios(structures ...[]byte) []byte {
	var all []byte
	for _, s := range structures {
		all = append(all, s...)
	}
	return append(all, 127, 4, 0, 0, 0, 0)
}

func TestInstalledMemory(t *testing.T) {
	for name, c := range map[string]struct {
		tables []byte
		want   int64
	}{
		"two of 16 GiB, an empty slot and one not known": {smbios(memoryDevice(16<<10, 0), memoryDevice(0, 0), memoryDevice(0xFFFF, 0), memoryDevice(16<<10, 0)), 32 << 30},
		"one of 64 GiB":    {smbios(memoryDevice(0x7FFF, 64<<10)), 64 << 30},
		"512 KiB":          {smbios(memoryDevice(0x8000|512, 0)), 512 << 10},
		"nothing":          {nil, 0},
		"cut off":          {memoryDevice(16<<10, 0)[:20], 0},
		"without the end":  {memoryDevice(16<<10, 0), 16 << 30},
		"behind the end":   {append(smbios(), memoryDevice(1, 0)...), 0},
		"length of zero":   {[]byte{17, 0, 0, 0, 0, 0}, 0},
		"no strings' ends": {append(memoryDevice(1, 0)[:0x28], 1, 1, 1), 1 << 20},
	} {
		if got := InstalledMemory(c.tables); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func FuzzInstalledMemory(f *testing.F) {
	f.Add(smbios(memoryDevice(16<<10, 0), memoryDevice(0x7FFF, 64<<10)))
	f.Add([]byte{17, 0})
	f.Fuzz(func(t *testing.T, tables []byte) {
		if got := InstalledMemory(tables); got < 0 {
			t.Errorf("%d bytes", got)
		}
	})
}

// What a disk says of itself is foreign, too.
func FuzzDiskPages(f *testing.F) {
	f.Add([]byte(vpd80("     WD-1")), "naa.60022480b1c2d3e4f5061728394a5b6c", "2:0:0:0")
	f.Add([]byte(vpd89("WDC WD10EZEX-08WN4A0", "WD-WCC6Y1")), "t10.ATA", "a:b:c:d")
	f.Fuzz(func(t *testing.T, page []byte, wwid, name string) {
		model, serial := parseATA(page)
		for _, text := range []string{model, serial, parseUnitSerial(page)} {
			if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Errorf("text %q", text)
			}
		}
		wwn, extension, both := splitWWN(wwid)
		if (wwn == "") != (both == "") || len(extension) > len(both) {
			t.Errorf("WWN %q %q %q", wwn, extension, both)
		}
		hctl(name)
		linkName(model + name)
		parseCPUInfo(string(page))
	})
}
