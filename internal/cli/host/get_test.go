package host

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func TestEvidenceOfCleanings(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))
	h := Host{Lifecycle: &ingot.HostLifecycle{Status: ingot.HostLifecycleStatus{
		Wipes: []ingot.WipeRecord{
			{DeviceName: "/dev/sda", SerialNumber: "S1", Method: "overwrite", Asked: "secure-erase,overwrite", StartedAt: at, FinishedAt: at, Result: "clean",
				Verification: "256 blocks read back", Message: "after secure-erase: frozen"},
			{DeviceName: "/dev/sdb", SerialNumber: "S2", Method: "keep", StartedAt: at, FinishedAt: at, Result: "kept", Message: "the policy keeps it"},
		},
		BurnIn: &ingot.BurnInStatus{Request: "cpu=10m0s", Result: "failed", FinishedAt: &at, Message: "processor 3 calculated 1", Tests: []ingot.BurnInTest{
			{Test: "cpu", Subject: "4 processors", Result: "failed", StartedAt: at, FinishedAt: at, MaxCelsius: 71, Errors: 2, Message: "processor 3"},
			{Test: "disk", Subject: "/dev/sda", SerialNumber: "S1", Result: "passed", StartedAt: at, FinishedAt: at, Bytes: 1 << 30, BytesPerSecond: 1 << 20, SlowestMicroseconds: 1500},
		}},
		Hardware: &ingot.HardwareStatus{
			Neighbours: []ingot.Neighbour{{Interface: "eth0", SwitchName: "leaf1", PortID: "swp7", VLAN: 42, MaxFrameBytes: 9216}},
			Firmware:   []ingot.FirmwareComponent{{Kind: "disk", Device: "/dev/sda", Model: "M", Version: "GXA7"}},
			Disks:      []ingot.DiskBenchmark{{DeviceName: "/dev/sda", SequentialBytesPerSecond: 1 << 30, RandomReadsPerSecond: 777}},
		},
		EarlierWipes: []ingot.WipeRecord{{DeviceName: "/dev/sda", Method: "metadata", StartedAt: at, FinishedAt: at, Result: "failed", Message: "ext4 is there"}},
	}}}
	for wide, words := range map[bool][]string{
		false: {"eth0 at leaf1 port swp7 VLAN 42 frames of 9216", "777 reads/s", "failed at", "Last burn-in (cpu=10m0s)", "4 processors", "71 °C", "2 errors", "slowest read 1.5ms", "Last cleaning", "overwrite", "kept", "S2"},
		true:  {"disk /dev/sda M: GXA7", "Last cleaning", "secure-erase,overwrite", "256 blocks read back", "after secure-erase: frozen", "the policy keeps it", "Earlier cleanings", "ext4 is there"},
	} {
		var b strings.Builder
		if err := describe(&b, h, at.Time, wide); err != nil {
			t.Fatal(err)
		}
		for _, w := range words {
			if !strings.Contains(b.String(), w) {
				t.Errorf("wide %v: %q is not in\n%s", wide, w, b.String())
			}
		}
		if strings.Contains(b.String(), "Earlier") != wide {
			t.Errorf("wide %v:\n%s", wide, b.String())
		}
	}
}
