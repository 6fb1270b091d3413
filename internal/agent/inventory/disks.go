package inventory

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

const block = "sys/block"

// virtual are block devices that no disk is behind, or that stand on others.
var virtual = []string{"loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "drbd", "mtdblock", "rbd"}

// Disks lists the machine's disks.
func (r Reader) Disks() ([]step.Disk, error) {
	entries, err := fs.ReadDir(r.Root, block)
	if err != nil {
		return nil, fmt.Errorf("list the disks: %w: %w", errNoBlock, err)
	}
	var disks []step.Disk
	for _, e := range entries {
		name := e.Name()
		if isCardArea(name) || slices.ContainsFunc(virtual, func(v string) bool { return isOf(name, v) }) || r.text(path.Join(block, name, "hidden")) == "1" {
			continue
		}
		if d, ok := r.disk(name); ok {
			disks = append(disks, d)
		}
	}
	return disks, nil
}

// isOf: "md0" and "md_d0" are md, "mdX" is not known; a driver's name is followed by a number or nothing more specific.
func isOf(name, driver string) bool {
	rest, ok := strings.CutPrefix(name, driver)
	return ok && (rest == "" || strings.HasSuffix(driver, "-") || strings.IndexFunc(rest, func(c rune) bool { return c != '_' && c != 'd' && (c < '0' || c > '9') }) < 0)
}

// isCardArea: an eMMC's boot and replay-protected areas stand beside its user area and hold firmware.
func isCardArea(name string) bool {
	return strings.HasPrefix(name, "mmcblk") && (strings.Contains(name, "boot") || strings.HasSuffix(name, "rpmb"))
}

func (r Reader) disk(name string) (step.Disk, bool) {
	dir := path.Join(block, name)
	const sysfsSector = 512 // Documentation/ABI/stable/sysfs-block: size is always in units of 512 bytes.
	sectors, err := strconv.ParseInt(r.text(dir+"/size"), 10, 64)
	if err != nil || sectors <= 0 {
		return step.Disk{}, false
	}
	if _, err := fs.Stat(r.Root, dir+"/device"); err != nil {
		return step.Disk{}, false
	}
	d := step.Disk{
		// A "!" in sysfs stands for a "/" in the device's name ("cciss!c0d0").
		Name:         "/dev/" + strings.ReplaceAll(name, "!", "/"),
		Model:        r.text(dir + "/device/model"),
		Vendor:       r.text(dir + "/device/vendor"),
		SerialNumber: r.serial(dir),
		SizeBytes:    sectors * sysfsSector,
		Rotational:   r.text(dir+"/queue/rotational") == "1",
		ReadOnly:     r.text(dir+"/ro") == "1",
		Removable:    r.text(dir+"/removable") == "1",
		Transport:    r.transport(name),
	}
	d.SectorBytes, _ = strconv.Atoi(r.text(dir + "/queue/logical_block_size"))
	d.HCTL = hctl(path.Base(r.resolve(dir + "/device")))
	d.WWN, d.WWNVendorExtension, d.WWNWithExtension = splitWWN(r.wwid(dir))
	d.Type = "ssd"
	switch {
	case strings.HasPrefix(name, "nvme"):
		d.Type = "nvme"
	case d.Rotational:
		d.Type = "hdd"
	}
	if ata, err := fs.ReadFile(r.Root, dir+"/device/vpd_pg89"); err == nil {
		// INQUIRY cuts an ATA disk's model to 16 characters; its own IDENTIFY data has 40.
		if model, serial := parseATA(ata); model != "" {
			d.Model, d.SerialNumber = model, serial
		}
	}
	d.AlternateNames = r.alternateNames(name, d)
	return d, true
}

func (r Reader) serial(dir string) string {
	// virtio-blk has it on the disk, NVMe on the controller; SCSI in VPD page 80h.
	for _, name := range []string{dir + "/serial", dir + "/device/serial"} {
		if s := r.text(name); s != "" {
			return s
		}
	}
	page, err := fs.ReadFile(r.Root, dir+"/device/vpd_pg80")
	if err != nil {
		return ""
	}
	return parseUnitSerial(page)
}

// parseUnitSerial reads VPD page 80h, Unit Serial Number (SPC-5 §7.7.20): page code at 1, length at 2, ASCII from 4 on.
func parseUnitSerial(page []byte) string {
	const header = 4
	if len(page) < header || page[1] != 0x80 {
		return ""
	}
	length := int(binary.BigEndian.Uint16(page[2:]))
	return printable(page[header:min(len(page), header+length)])
}

// parseATA reads VPD page 89h, ATA Information (SAT-4 §12.4.2): IDENTIFY DEVICE data from byte 60 on; words 10-19 are the serial number, 27-46 the model (ACS-4 §7.13.6),
// each with its two bytes swapped.
func parseATA(page []byte) (model, serial string) {
	const identify, size = 60, 512
	if len(page) < identify+size || page[1] != 0x89 {
		return "", ""
	}
	words := func(first, last int) string {
		b := bytes.Clone(page[identify+first*2 : identify+(last+1)*2])
		for i := 0; i < len(b); i += 2 {
			b[i], b[i+1] = b[i+1], b[i]
		}
		return printable(b)
	}
	return words(27, 46), words(10, 19)
}

// printable gives the ASCII text in b without the blanks around it.
func printable(b []byte) string {
	text := bytes.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, b)
	return strings.TrimSpace(string(text))
}

func (r Reader) wwid(dir string) string {
	if id := r.text(dir + "/wwid"); id != "" {
		return id
	}
	return r.text(dir + "/device/wwid")
}

// splitWWN makes udev's three properties of the kernel's wwid: "naa." and 16 or 32 hex digits for SCSI, "eui.", "nvme." and "uuid." for NVMe, which udev leaves as they are.
// A "t10." identifier is no WWN.
func splitWWN(wwid string) (wwn, extension, both string) {
	if hex, ok := strings.CutPrefix(wwid, "naa."); ok {
		const plain = 16
		if len(hex) <= plain {
			return "0x" + hex, "", "0x" + hex
		}
		return "0x" + hex[:plain], "0x" + hex[plain:], "0x" + hex
	}
	for _, prefix := range []string{"eui.", "nvme.", "uuid."} {
		if strings.HasPrefix(wwid, prefix) {
			return wwid, "", wwid
		}
	}
	return "", "", ""
}

// hctl says whether a device's name is a SCSI address, "host:channel:target:lun".
func hctl(name string) string {
	parts := strings.Split(name, ":")
	if len(parts) != 4 {
		return ""
	}
	for _, p := range parts {
		if _, err := strconv.ParseUint(p, 10, 64); err != nil {
			return ""
		}
	}
	return name
}
