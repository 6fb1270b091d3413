package inventory

import (
	"testing"

	"github.com/ingotmetal/ingot/step"
)

// The places are as the kernel's drivers make them.
func TestTransport(t *testing.T) {
	for name, c := range map[string]struct {
		disk  string
		files map[string]string
		want  step.Transport
	}{
		"SATA behind AHCI": {"sda", map[string]string{"sys/block/sda ->": "../devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/block/sda"}, step.SATA},
		"SAS": {"sda", map[string]string{
			"sys/block/sda ->": "../devices/pci0000:00/0000:00:01.0/0000:01:00.0/host0/port-0:1/end_device-0:1/target0:0:1/0:0:1:5/block/sda",
		}, step.SAS},
		"SATA behind a SAS expander": {"sda", map[string]string{
			"sys/block/sda ->": "../devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/host0/port-0:0/expander-0:0/port-0:0:3/end_device-0:0:3/target0:0:3/0:0:3:0/block/sda",
		}, step.SAS},
		"RAID volume": {"sda", map[string]string{"sys/block/sda ->": "../devices/pci0000:17/0000:17:00.0/0000:18:00.0/host0/target0:2:0/0:2:0:0/block/sda"}, ""},
		"USB":         {"sdc", map[string]string{"sys/block/sdc ->": "../devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/6:0:0:0/block/sdc"}, step.USB},
		"virtio-blk":  {"vda", map[string]string{"sys/block/vda ->": "../devices/pci0000:00/0000:00:04.0/virtio1/block/vda"}, step.VirtIO},
		"virtio-scsi": {"sda", map[string]string{"sys/block/sda ->": "../devices/pci0000:00/0000:00:05.0/virtio2/host0/target0:0:0/0:0:0:0/block/sda"}, step.VirtIO},
		"eMMC":        {"mmcblk0", map[string]string{"sys/block/mmcblk0 ->": "../devices/pci0000:00/0000:00:1a.0/mmc_host/mmc0/mmc0:0001/block/mmcblk0"}, step.MMC},
		"iSCSI over TCP": {"sdb", map[string]string{
			"sys/block/sdb ->": "../devices/platform/host7/session1/target7:0:0/7:0:0:1/block/sdb",
		}, step.ISCSI},
		"iSCSI by an adapter": {"sdb", map[string]string{
			"sys/block/sdb ->": "../devices/pci0000:80/0000:80:02.0/0000:81:00.2/host9/session3/target9:0:0/9:0:0:0/block/sdb",
		}, step.ISCSI},
		"Fibre Channel": {"sdd", map[string]string{
			"sys/block/sdd ->": "../devices/pci0000:80/0000:80:03.0/0000:84:00.0/host11/rport-11:0-4/target11:0:2/11:0:2:17/block/sdd",
		}, step.FC},
		"Fibre Channel over Ethernet": {"sdd", map[string]string{
			"sys/block/sdd ->": "../devices/virtual/net/eth4.100/ctlr_0/host12/rport-12:0-2/target12:0:0/12:0:0:0/block/sdd",
		}, step.FC},
		"SRP": {"sde", map[string]string{
			"sys/block/sde ->":            "../devices/pci0000:40/0000:40:01.0/0000:41:00.0/host13/target13:0:0/13:0:0:0/block/sde",
			"sys/class/srp_host/host13/x": "",
		}, step.SRP},
		"Fibre Channel without a remote port": {"sdf", map[string]string{
			"sys/block/sdf ->":           "../devices/pci0000:40/0000:40:01.0/0000:41:00.0/host14/target14:0:0/14:0:0:0/block/sdf",
			"sys/class/fc_host/host14/x": "",
		}, step.FC},
		"beside a Fibre Channel host": {"sda", map[string]string{
			"sys/block/sda ->":           "../devices/pci0000:00/0000:00:1f.2/ata3/host1/target1:0:0/1:0:0:0/block/sda",
			"sys/class/fc_host/host14/x": "",
		}, step.SATA},
		"NVMe": {"nvme0n1", map[string]string{
			"sys/block/nvme0n1 ->": "../devices/pci0000:00/0000:02:00.0/nvme/nvme0/nvme0n1", "sys/devices/pci0000:00/0000:02:00.0/nvme/nvme0/nvme0n1/device ->": "../../nvme0",
			"sys/devices/pci0000:00/0000:02:00.0/nvme/nvme0/transport": "pcie\n",
		}, step.NVMe},
		"NVMe with multipath": {"nvme0n1", map[string]string{
			"sys/block/nvme0n1 ->": "../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/device ->": "../../nvme-subsys0",
			"sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0/transport": "pcie\n",
		}, step.NVMe},
		"NVMe over TCP, with multipath": {"nvme1n1", map[string]string{
			"sys/block/nvme1n1 ->": "../devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1", "sys/devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1/device ->": "../../nvme-subsys1",
			"sys/devices/virtual/nvme-subsystem/nvme-subsys1/nvme1 ->": "../../nvme-fabrics/ctl/nvme1", "sys/class/nvme/nvme1/transport": "tcp\n",
		}, step.NVMeOF},
		"NVMe over RDMA": {"nvme2n1", map[string]string{
			"sys/block/nvme2n1 ->": "../devices/virtual/nvme-fabrics/ctl/nvme2/nvme2n1", "sys/devices/virtual/nvme-fabrics/ctl/nvme2/nvme2n1/device ->": "../../nvme2",
			"sys/devices/virtual/nvme-fabrics/ctl/nvme2/transport": "rdma\n",
		}, step.NVMeOF},
		"NVMe without a word": {"nvme0n1", map[string]string{"sys/block/nvme0n1 ->": "../devices/pci0000:00/0000:02:00.0/nvme/nvme0/nvme0n1"}, step.NVMe},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tree(t, c.files).transport(c.disk); got != c.want {
				t.Errorf("transport %q, want %q", got, c.want)
			}
		})
	}
}
