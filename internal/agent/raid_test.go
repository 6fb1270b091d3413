package agent_test

import (
	"bytes"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ingotmetal/ingot/internal/agent"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/internal/lab/tiny"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

const raidDiskBytes = 3 << 30

// raidLife is a machine with software RAID that does steps one after the other, each in a boot of its own.
type raidLife struct {
	t *testing.T
	m *fakeMachine
}

func (l raidLife) do(s protocol.Step) step.Outcome {
	l.t.Helper()
	site := agentapitest.New(l.t, "127.0.0.1")
	site.Start()
	l.m.off = make(chan struct{})
	ended := live(l.t, site, l.m, site.Open("b", "t"), func(o *agent.Options) {
		arrays := filebacked.NewArrays(l.m.opener, partition.Places)
		o.Hardware.Disks, o.Hardware.Arrays = arrays, arrays
	})
	s.ID, s.Deadline = "s", deadline()
	site.Want("b", &s)
	o := site.AwaitOutcome("b", s.ID, patience)
	site.Supersede("b")
	if err := awaitOff(l.t, l.m, ended); err != nil {
		l.t.Error(err)
	}
	return o
}

func (l raidLife) must(s protocol.Step) step.Outcome {
	l.t.Helper()
	o := l.do(s)
	if o.Failure != nil {
		l.t.Fatalf("%s: %s", s.Kind, o.Failure.Message)
	}
	return o
}

// TestSoftwareRAIDThroughAllSteps: arrays are made, made again, chosen, written to with the boot loader on each disk, and taken away by cleaning; each step in an agent that knows nothing of the last.
func TestSoftwareRAIDThroughAllSteps(t *testing.T) {
	l := raidLife{t, newMachine(t, raidDiskBytes)}
	configure := protocol.Step{Kind: step.ConfigureRAID, ConfigureRAID: &protocol.ConfigureRAID{Host: "uid", Volumes: []raid.Volume{{Level: "1", SizeBytes: 1 << 30}, {Level: "0"}}}}
	made := l.must(configure).Arrays
	again := l.must(configure).Arrays
	if len(made) != 2 || made[0].Level != "1" || len(made[0].Disks) != 2 || made[0].SizeBytes != 1<<30 || len(again) != 2 || again[0].UUID != made[0].UUID {
		t.Fatalf("made %+v, then %+v", made, again)
	}
	uuids := []string{made[0].UUID, made[1].UUID}
	chosen := l.must(protocol.Step{Kind: step.ChooseDisk, ChooseDisk: &protocol.ChooseDisk{Arrays: uuids}}).Disk
	if !chosen.Array || chosen.SerialNumber != uuids[0] {
		t.Fatalf("chose %+v", chosen)
	}
	for says, hints := range map[string]rootdevice.Hints{"part of the software RAID array": {SerialNumber: "SERIAL-0"}, "": {SerialNumber: uuids[1]}} {
		o := l.do(protocol.Step{Kind: step.ChooseDisk, ChooseDisk: &protocol.ChooseDisk{Arrays: uuids, Hints: &hints}})
		if says == "" && (o.Failure != nil || o.Disk.SerialNumber != uuids[1]) || says != "" && (o.Failure == nil || !strings.Contains(o.Failure.Message, says)) {
			t.Errorf("hints %+v: %+v", hints, o)
		}
	}
	raw, err := tiny.Raw(tiny.Options{SizeBytes: 16 << 20, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	copy(raw[1<<20:], "the boot loader of the image")
	var asked atomic.Int64
	l.must(protocol.Step{Kind: step.WriteImage, WriteImage: &protocol.WriteImage{Claim: *chosen, Arrays: uuids, Image: serveImage(t, raw, &asked)}})
	for name, spec := range l.m.opener.Disks {
		f, err := os.Open(spec.Path)
		if err != nil {
			t.Fatal(err)
		}
		esp := make([]byte, 1<<20)
		if _, err := f.ReadAt(esp, 1<<20); err != nil {
			t.Fatal(err)
		}
		root := make([]byte, 1<<20)
		if _, err := f.ReadAt(root, 1<<20+raid.BootBytes+raid.HeadBytes+2<<20); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(esp, raw[1<<20:2<<20]) || !bytes.Equal(root, raw[2<<20:3<<20]) {
			t.Errorf("%s has not the image's boot loader and its data", name)
		}
		_ = f.Close()
	}
	cleaned := l.must(protocol.Step{Kind: step.Clean, Clean: &protocol.Clean{Method: protocol.MethodMetadata}})
	if len(cleaned.Wipes) != 2 {
		t.Errorf("wipes %+v", cleaned.Wipes)
	}
	o := l.do(protocol.Step{Kind: step.ChooseDisk, ChooseDisk: &protocol.ChooseDisk{Arrays: uuids}})
	if o.Failure == nil || !strings.Contains(o.Failure.Message, "cannot be started") {
		t.Errorf("an array is there after the cleaning: %+v", o)
	}
}

// TestAnImageWithoutALoaderForUEFIStaysUnbootable: the partitions for the firmware are empty again.
func TestAnImageWithoutALoaderForUEFI(t *testing.T) {
	l := raidLife{t, newMachine(t, raidDiskBytes)}
	made := l.must(protocol.Step{Kind: step.ConfigureRAID, ConfigureRAID: &protocol.ConfigureRAID{Host: "uid", Volumes: []raid.Volume{{Level: "1"}}}}).Arrays
	uuids := []string{made[0].UUID}
	chosen := l.must(protocol.Step{Kind: step.ChooseDisk, ChooseDisk: &protocol.ChooseDisk{Arrays: uuids}}).Disk
	var asked atomic.Int64
	o := l.do(protocol.Step{Kind: step.WriteImage, WriteImage: &protocol.WriteImage{Claim: *chosen, Arrays: uuids, Image: serveImage(t, testImage(), &asked)}})
	if o.Failure == nil || o.Failure.Kind != step.Invalid || !strings.Contains(o.Failure.Fix, "UEFI") {
		t.Errorf("outcome %+v", o)
	}
}

// TestAFormerArrayIsNoObstacle: an image goes to a disk that was a member of somebody's array.
func TestAFormerArrayIsNoObstacle(t *testing.T) {
	l := raidLife{t, newMachine(t, raidDiskBytes)}
	l.must(protocol.Step{Kind: step.ConfigureRAID, ConfigureRAID: &protocol.ConfigureRAID{Host: "uid", Volumes: []raid.Volume{{Level: "1"}}}})
	chosen := l.must(protocol.Step{Kind: step.ChooseDisk, ChooseDisk: &protocol.ChooseDisk{}}).Disk
	var asked atomic.Int64
	if l.must(protocol.Step{Kind: step.WriteImage, WriteImage: &protocol.WriteImage{Claim: *chosen, Image: serveImage(t, testImage(), &asked)}}); chosen.Array {
		t.Errorf("chose %+v", chosen)
	}
}

func TestRAIDThatCannotBe(t *testing.T) {
	l := raidLife{t, newMachine(t, raidDiskBytes)}
	o := l.do(protocol.Step{Kind: step.ConfigureRAID, ConfigureRAID: &protocol.ConfigureRAID{Host: "uid", Volumes: []raid.Volume{{Level: "1", SizeBytes: 9 << 30}}}})
	if o.Failure == nil || o.Failure.Kind != step.Invalid {
		t.Errorf("outcome %+v", o)
	}
	for _, spec := range l.m.opener.Disks {
		b := make([]byte, 4<<20)
		f, err := os.Open(spec.Path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.ReadAt(b, 0); err != nil || len(bytes.Trim(b, "\x00")) != 0 {
			t.Errorf("%s was written to, %v", spec.Path, err)
		}
		_ = f.Close()
	}
}
