package inventory

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/step"
)

// TestComponents: versions from the files of the drivers that tell them; what tells none is left out, and two hosts of one adapter are one.
func TestComponents(t *testing.T) {
	const hba = "../../devices/pci0000:00/0000:00:01.0/0000:01:00.0/"
	r := tree(t, map[string]string{
		"sys/class/dmi/id/bios_vendor": "Maker\n", "sys/class/dmi/id/bios_version": "2.1\n", "sys/class/dmi/id/bios_date": "01/02/2026\n",
		"proc/cpuinfo":                          "processor\t: 0\nmodel name\t: Xeon\nmicrocode\t: 0xd0003a5\nprocessor\t: 1\nmicrocode\t: 0x1\n",
		"sys/block/nvme0n1/device/firmware_rev": "GXA7801Q  \n",
		"sys/block/sda/device/rev":              "0107\n",
		"sys/class/scsi_host/host0 ->":          hba + "host0/scsi_host/host0",
		"sys/class/scsi_host/host1 ->":          hba + "host1/scsi_host/host1",
		"sys/class/scsi_host/host2/proc_name":   "ahci\n",
		"sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/host0/scsi_host/host0/version_fw": "16.00.12.00\n",
		"sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/host0/scsi_host/host0/board_name": "SAS9300-8i\n",
		"sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/host1/scsi_host/host1/version_fw": "16.00.12.00\n",
		"sys/bus/platform/devices/ipmi_bmc.0/firmware_revision":                             "6.10\n",
		"sys/bus/platform/devices/ipmi_bmc.0/manufacturer_id":                               "0x0002a2\n",
		"sys/bus/platform/devices/ipmi_bmc.0/product_id":                                    "0x0100\n",
	})
	got := r.Components([]step.Disk{{Name: "/dev/nvme0n1", Model: "PM9A3"}, {Name: "/dev/sda", Model: "ST1"}, {Name: "/dev/vda"}})
	want := []step.Component{
		{Kind: step.ComponentBIOS, Model: "Maker", Version: "2.1", Date: "01/02/2026"},
		{Kind: step.ComponentCPU, Model: "Xeon", Version: "0xd0003a5"},
		{Kind: step.ComponentDisk, Device: "/dev/nvme0n1", Model: "PM9A3", Version: "GXA7801Q"},
		{Kind: step.ComponentDisk, Device: "/dev/sda", Model: "ST1", Version: "0107"},
		{Kind: step.ComponentHBA, Device: "0000:01:00.0", Model: "SAS9300-8i", Version: "16.00.12.00"},
		{Kind: step.ComponentBMC, Device: "ipmi", Model: "manufacturer 0x0002a2 product 0x0100", Version: "6.10"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := tree(t, map[string]string{"proc/empty": ""}).Components([]step.Disk{{Name: "/dev/vda"}}); len(got) != 0 {
		t.Errorf("a machine that tells nothing has %+v", got)
	}
}
