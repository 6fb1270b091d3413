package agentimage

import (
	"fmt"
	"slices"
	"strings"
)

// folders are the folders below lib/modules/<release>/kernel whose modules are carried, with everything below them: the ways to disks and networks, and no others.
var folders = []string{
	"drivers/ata",
	"drivers/block/virtio_blk.ko",
	"drivers/char/hw_random/virtio-rng.ko",
	"drivers/char/ipmi",
	"drivers/char/tpm",
	// Software RAID; raid4 to 6 are not made, and bring much with them.
	"drivers/md/md-mod.ko", "drivers/md/raid0.ko", "drivers/md/raid1.ko", "drivers/md/raid10.ko",
	"drivers/message/fusion",
	"drivers/net/bonding",
	"drivers/net/ethernet",
	"drivers/net/hyperv",
	"drivers/net/phy",
	"drivers/net/virtio_net.ko",
	"drivers/net/vmxnet3",
	"drivers/nvme/host",
	"drivers/pci/controller",
	"drivers/scsi",
	"drivers/usb/host",
	"drivers/usb/storage",
	"drivers/virtio",
	"drivers/hv",
	"drivers/acpi/button.ko",
	"drivers/input/evdev.ko",
	"fs/efivarfs",
	// What systems are unpacked to. The checksums of ext4 and xfs are a module that nothing names.
	"fs/ext4", "fs/xfs", "fs/fat", "fs/nls/nls_cp437.ko", "fs/nls/nls_ascii.ko", "fs/nls/nls_iso8859-1.ko", "crypto/crc32c_generic.ko",
	"net/8021q",
	"net/packet",
}

// left are below folders and of no use to the agent.
var left = []string{
	// CD drives: the agent came from there, and wants nothing more of them.
	"drivers/scsi/sr_mod.ko",
	// Targets, tape, iSCSI and Fibre Channel over Ethernet: not a machine's own disk.
	"drivers/scsi/libfc", "drivers/scsi/fcoe", "drivers/scsi/bnx2fc", "drivers/scsi/bnx2i", "drivers/scsi/cxgbi", "drivers/scsi/qedf", "drivers/scsi/qedi",
	"drivers/scsi/be2iscsi", "drivers/scsi/st.ko", "drivers/scsi/ch.ko", "drivers/scsi/osst.ko", "drivers/scsi/pcmcia",
	// Host bus adapters of the 1990s and their network peers.
	"drivers/net/ethernet/8390", "drivers/net/ethernet/dec", "drivers/net/ethernet/fujitsu", "drivers/net/ethernet/xircom", "drivers/ata/pata_pcmcia.ko",
}

// always are loaded on every machine: they announce no alias of a device.
var always = []string{"af_packet", "sd_mod", "button", "evdev"}

// required must be in the package, as modules or built in, or the image would boot and see nothing.
var required = map[Flavour][]string{
	Cloud:   {"virtio_pci", "virtio_net", "virtio_blk", "virtio_rng", "nvme", "sd_mod", "af_packet", "efivarfs", "ext4", "xfs", "vfat", "nls_cp437", "nls_ascii", "crc32c_generic", "8021q", "bonding", "tpm_crb", "tpm_tis", "md_mod", "raid0", "raid1", "raid10"},
	Generic: {"virtio_pci", "virtio_net", "virtio_blk", "nvme", "ahci", "sd_mod", "e1000e", "igb", "ixgbe", "i40e", "mlx5_core", "bnxt_en", "tg3", "megaraid_sas", "mpt3sas", "xhci_pci", "usb_storage", "af_packet", "efivarfs", "ext4", "xfs", "vfat", "nls_cp437", "nls_ascii", "crc32c_generic", "8021q", "bonding", "tpm_crb", "tpm_tis", "md_mod", "raid0", "raid1", "raid10"},
}

// patterns is the choice as one list, for the cache's key.
func patterns() []string { return slices.Concat(folders, []string{"-"}, left, []string{"-"}, always) }

// carried says whether the module file at a path below lib/modules/<release>/kernel is asked for by itself.
func carried(path string) bool {
	return slices.ContainsFunc(folders, below(path)) && !slices.ContainsFunc(left, below(path))
}

func below(path string) func(string) bool {
	// Debian compresses modules in later releases.
	plain, _, _ := strings.Cut(path, ".ko.")
	if plain != path {
		path = plain + ".ko"
	}
	return func(folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
}

func requireModules(f Flavour, m moduleSet) error {
	var missing []string
	for _, name := range required[f] {
		if !m.has(name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("kernel %s has no module %s: Debian moved or dropped it; change internal/agentimage/patterns.go", m.index.Kernel, strings.Join(missing, ", "))
	}
	return nil
}
