package step

import "testing"

func TestWhatIsTheMachinesOwn(t *testing.T) {
	for name, c := range map[string]struct {
		disk  Disk
		also  []Outside
		owned bool
	}{
		"sata":                         {Disk{Transport: SATA}, nil, true},
		"sas":                          {Disk{Transport: SAS}, nil, true},
		"nvme":                         {Disk{Transport: NVMe}, nil, true},
		"virtio":                       {Disk{Transport: VirtIO}, nil, true},
		"mmc":                          {Disk{Transport: MMC}, nil, true},
		"a fixed disk on USB":          {Disk{Transport: USB}, nil, true},
		"behind a RAID controller":     {Disk{}, nil, true},
		"a USB stick":                  {Disk{Transport: USB, Removable: true}, nil, false},
		"a USB stick that is said":     {Disk{Transport: USB, Removable: true}, []Outside{IsRemovable}, true},
		"removable, else not known":    {Disk{Removable: true}, []Outside{OverFC}, false},
		"iscsi":                        {Disk{Transport: ISCSI}, nil, false},
		"iscsi that is said":           {Disk{Transport: ISCSI}, []Outside{OverFC, OverISCSI}, true},
		"fc":                           {Disk{Transport: FC}, nil, false},
		"fc where iscsi is said":       {Disk{Transport: FC}, []Outside{OverISCSI, IsRemovable}, false},
		"srp":                          {Disk{Transport: SRP}, nil, false},
		"nvme over a network":          {Disk{Transport: NVMeOF}, nil, false},
		"nvme over a network, is said": {Disk{Transport: NVMeOF}, []Outside{OverNVMeOF}, true},
		"removable over fc, and fc":    {Disk{Transport: FC, Removable: true}, []Outside{OverFC}, true},
	} {
		if got := c.disk.Owned(c.also); got != c.owned {
			t.Errorf("%s: owned is %v", name, got)
		}
	}
	for _, o := range Outsides() {
		if d := (Disk{Transport: Transport(o), Removable: o == IsRemovable}); d.Outside() != o && o != IsRemovable {
			t.Errorf("%s is not found outside", o)
		}
	}
}
