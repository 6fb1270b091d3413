package step

import "slices"

// Transport is how a disk is attached; empty where it is not known, as behind a RAID controller.
type Transport string

// The transports.
const (
	SATA   Transport = "sata"
	SAS    Transport = "sas"
	NVMe   Transport = "nvme"
	USB    Transport = "usb"
	VirtIO Transport = "virtio"
	MMC    Transport = "mmc"
	// ISCSI, FC (with FCoE), SRP and NVMeOF (TCP, RDMA or Fibre Channel) cross a network: what is at the other end may be another machine's.
	ISCSI  Transport = "iscsi"
	FC     Transport = "fc"
	SRP    Transport = "srp"
	NVMeOF Transport = "nvme-of"
)

// Outside is why a disk is not taken for the machine's own: nothing is wiped on it and nothing written to it, unless its host says that it is.
type Outside string

// The reasons, in the words in which a host says that it owns such disks too.
const (
	OverISCSI   = Outside(ISCSI)
	OverFC      = Outside(FC)
	OverSRP     = Outside(SRP)
	OverNVMeOF  = Outside(NVMeOF)
	IsRemovable = Outside("removable")
)

// Outsides is the closed list.
func Outsides() []Outside { return []Outside{OverFC, OverISCSI, OverNVMeOF, OverSRP, IsRemovable} }

// Outside says why a disk is not taken for the machine's own; empty where it is.
func (d Disk) Outside() Outside {
	switch d.Transport {
	case ISCSI, FC, SRP, NVMeOF:
		return Outside(d.Transport)
	case SATA, SAS, NVMe, USB, VirtIO, MMC, "":
	}
	if d.Removable {
		return IsRemovable
	}
	return ""
}

// Owned says whether a disk is the machine's own, or one of those that its host says are its own too.
func (d Disk) Owned(also []Outside) bool {
	o := d.Outside()
	return o == "" || slices.Contains(also, o)
}
