package agent_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// spoil puts data into the middle of both disks, and gives each a firmware. The data stand in three blocks beside each other: before an erasure, blocks at places that the disk
// cannot know are marked, at most two of three such.
func spoil(t *testing.T, m *fakeMachine, firmware ...*filebacked.Firmware) {
	t.Helper()
	for i, d := range m.disks {
		spec := m.opener.Disks[d.Name]
		content := make([]byte, diskBytes)
		for at := range 3 {
			copy(content[diskBytes/2+at*4096+100:], "data")
		}
		if err := os.WriteFile(spec.Path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if i < len(firmware) {
			spec.Firmware = firmware[i]
		}
		m.opener.Disks[d.Name] = spec
	}
}

func holdsData(t *testing.T, m *fakeMachine, name string) bool {
	t.Helper()
	b, err := os.ReadFile(m.opener.Disks[name].Path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, []byte("data"))
}

func TestErasesAsTheHostAsks(t *testing.T) {
	nvme := func() *filebacked.Firmware { return &filebacked.Firmware{Protocol: filebacked.SpeaksNVMe} }
	frozen := func() *filebacked.Firmware { return &filebacked.Firmware{Protocol: filebacked.SpeaksATA, Frozen: true} }
	secure, overwrite := step.EraseSecurely, step.EraseOverwrite
	for name, c := range map[string]struct {
		firmware []*filebacked.Firmware
		policy   step.Erasure
		// did are the methods in the evidence of both disks; failure is a part of the step's.
		did     [2]string
		failure string
		// kept says which disk holds its data.
		kept [2]bool
	}{
		"by firmware, else overwritten": {[]*filebacked.Firmware{nvme(), frozen()}, step.Erasure{Methods: []step.Method{secure, overwrite}}, [2]string{step.DidNVMeSanitize, step.DidOverwrite}, "", [2]bool{}},
		"by firmware only":              {[]*filebacked.Firmware{nvme(), frozen()}, step.Erasure{Methods: []step.Method{secure}}, [2]string{step.DidNVMeSanitize, ""}, "frozen", [2]bool{false, true}},
		"one is kept": {nil, step.Erasure{Methods: []step.Method{overwrite}, Disks: []step.DiskRule{{SerialNumber: "SERIAL-1", Keep: true}}},
			[2]string{step.DidOverwrite, step.DidKeep}, "", [2]bool{false, true}},
		"one in another way": {nil, step.Erasure{Disks: []step.DiskRule{{WWN: "0x5000", Methods: []step.Method{step.EraseDiscard}}}},
			[2]string{step.DidDiscard, step.DidDiscardAndMetadata}, "", [2]bool{}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, diskBytes)
			spoil(t, m, c.firmware...)
			o := oneStep(t, m, protocol.Step{ID: "c", Kind: step.Clean, Clean: &protocol.Clean{Method: protocol.MethodPolicy, Erasure: &c.policy}})
			if (o.Failure != nil) != (c.failure != "") || o.Failure != nil && !strings.Contains(o.Failure.Message, c.failure) || len(o.Wipes) != 2 || o.Erasure == nil || o.Erasure.String() != c.policy.String() {
				t.Fatalf("outcome %+v, failure %+v", o, o.Failure)
			}
			for i, w := range o.Wipes {
				if why := c.policy.Proves(w); (why == "") != (c.did[i] != "") || c.did[i] != "" && w.Method != c.did[i] || w.Kept != (w.Method == step.DidKeep) {
					t.Errorf("disk %d: %+v, not proved since %q", i, w, why)
				}
				if got := holdsData(t, m, m.disks[i].Name); got != c.kept[i] {
					t.Errorf("disk %d holds its data: %v", i, got)
				}
				if opened := m.opened[m.disks[i].Name]; (opened == 0) != w.Kept {
					t.Errorf("disk %d was opened %d times", i, opened)
				}
			}
		})
	}
	for name, p := range map[string]protocol.Clean{
		"a method nobody knows":          {Method: protocol.MethodPolicy, Erasure: &step.Erasure{Methods: []step.Method{"shred"}}},
		"a rule nobody knows":            {Method: protocol.MethodPolicy, Erasure: &step.Erasure{Disks: []step.DiskRule{{SerialNumber: "x", Methods: []step.Method{"shred"}}}}},
		"a policy that is not there":     {Method: protocol.MethodPolicy},
		"a policy that the method hides": {Method: protocol.MethodMetadata, Erasure: &step.Erasure{Methods: []step.Method{overwrite}}},
	} {
		m := newMachine(t, diskBytes)
		spoil(t, m)
		o := oneStep(t, m, protocol.Step{ID: "c", Kind: step.Clean, Clean: &p})
		if o.Failure == nil || o.Failure.Kind != step.Unsupported || len(m.opened) != 0 {
			t.Errorf("%s: %+v, opened %v", name, o, m.opened)
		}
	}
}

// A disk that is kept is chosen and written only where the hints name its number.
func TestAKeptDiskIsNotChosen(t *testing.T) {
	keep := &step.Erasure{Disks: []step.DiskRule{{SerialNumber: "SERIAL-0", Keep: true}}}
	for name, c := range map[string]struct {
		hints *rootdevice.Hints
		// want is the disk that is chosen, empty for none.
		want string
	}{
		"by its device name":   {&rootdevice.Hints{DeviceName: "/dev/sda"}, ""},
		"by its serial number": {&rootdevice.Hints{SerialNumber: "SERIAL-0"}, "/dev/sda"},
		"by its WWN":           {&rootdevice.Hints{WWN: "0x5000"}, "/dev/sda"},
		"another one":          {&rootdevice.Hints{DeviceName: "/dev/sdb"}, "/dev/sdb"},
	} {
		m := newMachine(t, diskBytes)
		o := oneStep(t, m, protocol.Step{ID: "d", Kind: step.ChooseDisk, ChooseDisk: &protocol.ChooseDisk{Hints: c.hints, Erasure: keep}})
		if c.want != "" && (o.Failure != nil || o.Disk.Name != c.want) || c.want == "" && (o.Failure == nil || !strings.Contains(o.Failure.Message, "keeps what is on it")) {
			t.Errorf("%s: %+v, %+v", name, o.Disk, o.Failure)
		}
	}
	for _, hints := range []*rootdevice.Hints{nil, {DeviceName: "/dev/sda"}} {
		m := newMachine(t, diskBytes)
		spoil(t, m)
		o := oneStep(t, m, protocol.Step{ID: "w", Kind: step.WriteImage, WriteImage: &protocol.WriteImage{Claim: m.disks[0], Hints: hints, Erasure: keep}})
		if o.Failure == nil || o.Failure.Kind != step.Invalid || !holdsData(t, m, "/dev/sda") || len(m.opened) != 0 {
			t.Errorf("a write to a kept disk with the hints %+v: %+v", hints, o)
		}
	}
}
