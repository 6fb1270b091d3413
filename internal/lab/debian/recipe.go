package debian

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// recipeVersion counts changes of this package that the key would not see otherwise.
const recipeVersion = 3

// epoch is the time of every file that has no better one: 1 January 2024.
const epoch = "1704067200"

const (
	// rootUUID and the others are fixed, so that two builds of the same packages differ as little as possible; each machine has its own disk.
	rootUUID = "6a1f5b1e-4a0e-4c8b-9a51-5a6f1c2d3e4f"
	hashSeed = "0b2c4d6e-8f10-4a2b-8c4d-6e8f10121416"
	espID    = "1A2B3C4D"

	rootBytes = 1280 << 20
	espBytes  = 8 << 20

	kernelArguments = "ro console=tty0 console=ttyS0,115200n8 loglevel=4 fsck.mode=skip"
)

// packages of the system beyond mmdebstrap's minbase.
func packages() []string {
	return []string{
		"systemd-sysv", "systemd-resolved", "dbus", "udev", "linux-image-cloud-amd64", "initramfs-tools", "zstd",
		// mdadm brings arrays up in the initial ramdisk, for hosts with software RAID.
		"mdadm", "cloud-init", "cloud-guest-utils", "fdisk", "openssh-server", "ca-certificates", "sudo", "iproute2", "iputils-ping", "netbase", "less", "curl",
		// What ingot-node writes its rules by: images of firewalls are derived from this one.
		"nftables",
	}
}

// file is a file that the recipe adds to the packages' own.
type file struct {
	Mode    int64
	Content string
}

// earlyFiles must be there before the kernel is installed, since its installation makes the initial ramdisk.
func earlyFiles() map[string]file {
	return map[string]file{
		// Only what finds a disk in a virtual machine: the ramdisk of MODULES=most takes seconds longer to load and unpack under emulation.
		"etc/initramfs-tools/conf.d/lab.conf": {0o644, "MODULES=list\nCOMPRESS=zstd\nFSTYPE=ext4\nRESUME=none\n"},
		"etc/initramfs-tools/hooks/lab-disks": {0o755, "#!/bin/sh\n[ \"$1\" = prereqs ] && exit 0\n. /usr/share/initramfs-tools/hook-functions\n" +
			"manual_add_modules virtio_pci virtio_blk virtio_scsi sd_mod nvme ext4 raid1\n"},
	}
}

// files are written over the installed system.
func files() map[string]file {
	out := earlyFiles()
	maps.Copy(out, map[string]file{
		"etc/fstab":                               {0o644, "UUID=" + rootUUID + " / ext4 defaults,noatime 0 1\n"},
		"etc/hostname":                            {0o644, "debian\n"},
		"etc/kernel/cmdline":                      {0o644, kernelArguments + "\n"},
		"etc/machine-id":                          {0o444, ""}, // made at first boot
		"etc/modprobe.d/lab.conf":                 {0o644, "# Under emulation with every processor feature udev would load these for nothing.\nblacklist kvm\nblacklist kvm_amd\nblacklist kvm_intel\n"},
		"boot/grub/grub.cfg":                      {0o644, grubConfig()},
		"etc/cloud/ds-identify.cfg":               {0o644, "policy: enabled\n"},
		"etc/cloud/cloud.cfg.d/90-lab.cfg":        {0o644, cloudConfig()},
		"etc/systemd/network/90-ethernet.network": {0o644, "[Match]\nType=ether\n\n[Network]\nDHCP=yes\n\n[DHCPv4]\nClientIdentifier=mac\n"},
		"etc/systemd/system/systemd-networkd-wait-online.service.d/any.conf": {0o644, "[Service]\nExecStart=\nExecStart=/lib/systemd/systemd-networkd-wait-online --any --ipv4\n"},
		"etc/ssh/sshd_config.d/lab.conf":                                     {0o644, "HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\n"},
	})
	return out
}

// cloudConfig keeps the modules that user data of machines commonly asks for; each further one is an import that takes a tenth of a second and more under emulation.
func cloudConfig() string {
	c := map[string]any{
		"datasource_list":           []string{"ConfigDrive", "None"},
		"ssh_genkeytypes":           []string{"ed25519"},
		"ssh_deletekeys":            true,
		"manage_etc_hosts":          true,
		"cloud_init_modules":        []string{"bootcmd", "write_files", "growpart", "resizefs", "set_hostname", "update_etc_hosts", "ca_certs", "users_groups", "ssh"},
		"cloud_config_modules":      []string{"set_passwords", "runcmd"},
		"cloud_final_modules":       []string{"package_update_upgrade_install", "scripts_vendor", "scripts_user", "phone_home", "final_message"},
		"apt":                       map[string]any{"preserve_sources_list": true},
		"disable_ec2_metadata":      true,
		"no_ssh_fingerprints":       true,
		"syslog_fix_perms":          []string{"root:root"},
		"prefer_fqdn_over_hostname": false,
	}
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		panic(err) // strings, lists and booleans
	}
	return string(b) + "\n"
}

// links are made over the installed system: units that are on, and units that are masked.
func links() map[string]string {
	out := map[string]string{
		"etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf",
		"etc/systemd/system/multi-user.target.wants/systemd-networkd.service":                 "/lib/systemd/system/systemd-networkd.service",
		"etc/systemd/system/sockets.target.wants/systemd-networkd.socket":                     "/lib/systemd/system/systemd-networkd.socket",
		"etc/systemd/system/network-online.target.wants/systemd-networkd-wait-online.service": "/lib/systemd/system/systemd-networkd-wait-online.service",
		"etc/systemd/system/dbus-org.freedesktop.network1.service":                            "/lib/systemd/system/systemd-networkd.service",
	}
	for _, unit := range masked() {
		out["etc/systemd/system/"+unit] = "/dev/null"
	}
	return out
}

// masked units do work that a machine in a lab has no use for.
func masked() []string {
	return []string{
		"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "man-db.timer",
		"systemd-pstore.service", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-binfmt.service",
		"systemd-hwdb-update.service", "systemd-journal-catalog-update.service", "ldconfig.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
		"dev-hugepages.mount", "dev-mqueue.mount", "kmod-static-nodes.service", "modprobe@drm.service", "modprobe@fuse.service", "modprobe@configfs.service",
		"sys-kernel-config.mount", "sys-fs-fuse-connections.mount", "getty@tty1.service", "cloud-init-hotplugd.socket", "systemd-ask-password-wall.path",
		"systemd-ask-password-console.path",
	}
}

// removed are files of the packages that must not be the same on every machine, or that only waste room.
func removed() []string {
	return []string{
		"etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key.pub", "etc/ssh/ssh_host_ecdsa_key", "etc/ssh/ssh_host_ecdsa_key.pub",
		"etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub", "var/lib/dbus/machine-id", "var/lib/systemd/random-seed",
	}
}

func grubConfig() string {
	return strings.Join([]string{
		"set timeout=0",
		"serial --unit=0 --speed=115200",
		"terminal_input console serial",
		"terminal_output console serial",
		"search --no-floppy --fs-uuid --set=root " + rootUUID,
		"menuentry 'Debian GNU/Linux' {",
		"  linux /vmlinuz root=UUID=" + rootUUID + " " + kernelArguments,
		"  initrd /initrd.img",
		"}",
		"",
	}, "\n")
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
