package inventory

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/step"
)

// TestGPUs: what calculates is listed, what only shows a screen is not.
func TestGPUs(t *testing.T) {
	files := map[string]string{}
	for address, ids := range map[string][3]string{
		"0000:00:02.0": {"0x030000", "0x8086", "0x4680"}, // the processor's own graphics
		"0000:03:00.0": {"0x030000", "0x1a03", "0x2000"}, // the BMC's
		"0000:00:03.0": {"0x030000", "0x1234", "0x1111"}, // QEMU's
		"0000:41:00.0": {"0x030200", "0x10de", "0x20b0"},
		"0000:81:00.0": {"0x038000", "0x1002", "0x740f"},
		"0000:82:00.0": {"0x030000", "0x10de", "0x2230"},
		"0000:90:00.0": {"0x120000", "0x1da3", "0x1020"},
		"0000:91:00.0": {"0x120000", "0x9999", "0x0001"},
		"0000:41:00.4": {"0x030200", "0x10de", "0x20b0"}, // a virtual function
		"0000:01:00.0": {"0x020000", "0x8086", "0x1521"}, // a network card
		"0000:02:00.0": {"", "0x10de", "0x20b0"},
	} {
		dir := "sys/bus/pci/devices/" + address + "/"
		files[dir+"class"], files[dir+"vendor"], files[dir+"device"] = ids[0]+"\n", ids[1]+"\n", ids[2]+"\n"
	}
	files["sys/bus/pci/devices/0000:41:00.4/physfn"] = ""
	got := tree(t, files).GPUs()
	want := []step.GPU{{Device: "0000:41:00.0", Model: "NVIDIA 10de:20b0"}, {Device: "0000:81:00.0", Model: "AMD 1002:740f"}, {Device: "0000:82:00.0", Model: "NVIDIA 10de:2230"}, {Device: "0000:90:00.0", Model: "Habana 1da3:1020"}, {Device: "0000:91:00.0", Model: "9999:0001"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := tree(t, map[string]string{"proc/empty": ""}).GPUs(); len(got) != 0 {
		t.Errorf("a machine without PCI has %+v", got)
	}
}
