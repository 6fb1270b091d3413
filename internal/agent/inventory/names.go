package inventory

import (
	"path"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

// alternateNames gives the stable links that udev makes for a disk, which people put into root device hints. There is no udev here, so they are worked out of the
// same files, by its rules (systemd: rules.d/60-persistent-storage.rules, src/udev/udev-builtin-path_id.c).
func (r Reader) alternateNames(name string, d step.Disk) []string {
	var names []string
	for _, p := range r.pathIDs(name) {
		names = append(names, "/dev/disk/by-path/"+p)
	}
	for _, id := range byID(name, d) {
		names = append(names, "/dev/disk/by-id/"+id)
	}
	return names
}

// byID gives the names that come from what the disk says of itself.
func byID(name string, d step.Disk) []string {
	var ids []string
	if d.WWNWithExtension != "" {
		prefix := "wwn-"
		if strings.HasPrefix(name, "nvme") {
			prefix = "nvme-"
		}
		ids = append(ids, prefix+d.WWNWithExtension)
	}
	if d.SerialNumber == "" {
		return ids
	}
	serial := linkName(d.SerialNumber)
	switch {
	case strings.HasPrefix(name, "vd"):
		ids = append(ids, "virtio-"+serial)
	case strings.HasPrefix(name, "nvme"):
		ids = append(ids, "nvme-"+linkName(d.Model)+"_"+serial)
	case d.Vendor == "ATA":
		ids = append(ids, "ata-"+linkName(d.Model)+"_"+serial)
	case d.HCTL != "":
		ids = append(ids, "scsi-S"+linkName(d.Vendor)+"_"+linkName(d.Model)+"_"+serial)
	}
	return ids
}

// linkName replaces what udev replaces: runs of white space by one "_", and what is neither alphanumeric nor one of "#+-.:=@_".
func linkName(text string) string {
	text = strings.Join(strings.Fields(text), "_")
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("#+-.:=@_", c) {
			return c
		}
		return '_'
	}, text)
}

// pathIDs gives the by-path names: how the disk hangs below its PCI device.
func (r Reader) pathIDs(name string) []string {
	full := strings.Split(r.resolve(path.Join(block, name)), "/")
	pci := -1
	for i, element := range full {
		if isPCI(element) {
			pci = i
		}
	}
	if pci < 0 {
		// NVMe with multipath in the kernel hangs below a virtual subsystem; its controller knows the device.
		if controller := r.controllerOf(name); controller != "" {
			return []string{controller}
		}
		return nil
	}
	base := "pci-" + full[pci]
	below := full[pci+1:]
	joined := "/" + strings.Join(below, "/")
	switch {
	case strings.HasPrefix(name, "vd"):
		return []string{base, "virtio-" + base}
	case strings.HasPrefix(name, "nvme"):
		return []string{base + "-nvme-" + r.text(path.Join(block, name, "nsid"))}
	case strings.Contains(joined, "/usb"):
		return usbPath(base, below)
	case strings.Contains(joined, "/ata"):
		return ataPath(r, base, below)
	case strings.Contains(joined, "/end_device-"):
		return r.sasPath(base, full)
	}
	return scsiPath(base, below)
}

// isPCI recognises "0000:00:1f.2".
func isPCI(element string) bool {
	return len(element) == len("0000:00:00.0") && element[4] == ':' && element[7] == ':' && element[10] == '.'
}

func (r Reader) controllerOf(name string) string {
	if !strings.HasPrefix(name, "nvme") {
		return ""
	}
	// nvme0n1 is namespace 1 of nvme0 or of its subsystem.
	controller, _, _ := strings.Cut(strings.TrimPrefix(name, "nvme"), "n")
	for element := range strings.SplitSeq(r.resolve("sys/class/nvme/nvme"+controller), "/") {
		if isPCI(element) {
			controller = "pci-" + element
		}
	}
	if !strings.HasPrefix(controller, "pci-") {
		return ""
	}
	return controller + "-nvme-" + r.text(path.Join(block, name, "nsid"))
}

// ataPath: "ata-<port>.<device>", and "ata-<port>" as before systemd 247; the port is the controller's own number.
func ataPath(r Reader, base string, below []string) []string {
	for _, element := range below {
		number, ok := strings.CutPrefix(element, "ata")
		if !ok {
			continue
		}
		port := r.text("sys/class/ata_port/ata" + number + "/port_no")
		if port == "" {
			return nil
		}
		return []string{base + "-ata-" + port + ".0", base + "-ata-" + port}
	}
	return nil
}

// scsiPath: "scsi-<host>:<channel>:<target>:<lun>", with host 0 for a controller's only host.
func scsiPath(base string, below []string) []string {
	for _, element := range below {
		if address := hctl(element); address != "" {
			_, rest, _ := strings.Cut(address, ":")
			return []string{base + "-scsi-0:" + rest}
		}
	}
	return nil
}

// usbPath: "usb-0:<port>:<configuration>.<interface>-scsi-0:0:0:<lun>".
func usbPath(base string, below []string) []string {
	for i, element := range below {
		bus, rest, ok := strings.Cut(element, "-")
		if _, err := strconv.Atoi(bus); !ok || err != nil || !strings.Contains(rest, ":") {
			continue
		}
		return scsiPath(base+"-usb-0:"+rest, below[i:])
	}
	return nil
}

// sasPath: "sas-phy<n>-lun-<lun>" for a disk on the controller itself, "sas-exp0x<address>-phy<n>-lun-<lun>" behind an expander.
func (r Reader) sasPath(base string, full []string) []string {
	expander := ""
	for i, element := range full {
		dir := strings.Join(full[:i+1], "/")
		if strings.HasPrefix(element, "expander-") {
			expander = r.text(path.Join(dir, "sas_device", element, "sas_address"))
		}
		if !strings.HasPrefix(element, "end_device-") {
			continue
		}
		phy := r.text(path.Join(dir, "sas_device", element, "phy_identifier"))
		lun := ""
		for _, e := range full[i:] {
			if address := hctl(e); address != "" {
				lun = address[strings.LastIndex(address, ":")+1:]
			}
		}
		if phy == "" || lun == "" {
			return nil
		}
		if expander != "" {
			base += "-sas-exp" + expander
		} else {
			base += "-sas"
		}
		return []string{base + "-phy" + phy + "-lun-" + lun}
	}
	return nil
}
