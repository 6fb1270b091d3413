package agent_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// oneStep runs one step on a machine and gives its outcome; the machine is off afterwards.
func oneStep(t *testing.T, m *fakeMachine, s protocol.Step) step.Outcome {
	t.Helper()
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	ended := live(t, site, m, site.Open("b", "t"))
	s.Deadline = deadline()
	site.Want("b", &s)
	o := site.AwaitOutcome("b", s.ID, patience)
	site.Supersede("b")
	if err := awaitOff(t, m, ended); err != nil {
		t.Error(err)
	}
	return o
}

// What the claim or the hints do not mean is never opened for writing.
func TestWritesToTheClaimedDiskOnly(t *testing.T) {
	claim := step.Disk{Name: "/dev/sdb", SerialNumber: "SERIAL-1", WWN: "0x5001", SizeBytes: diskBytes}
	for name, c := range map[string]struct {
		change func(m *fakeMachine, p *protocol.WriteImage)
		// opened is the disk that is written to, "" for a refusal with the text.
		opened, text string
	}{
		"as claimed":     {func(*fakeMachine, *protocol.WriteImage) {}, "/dev/sdb", ""},
		"names swapped":  {func(m *fakeMachine, _ *protocol.WriteImage) { swapNames(m) }, "/dev/sda", ""},
		"another serial": {func(m *fakeMachine, _ *protocol.WriteImage) { m.disks[1].SerialNumber = "OTHER" }, "", "0 of the machine's 2 disks"},
		"another WWN":    {func(m *fakeMachine, _ *protocol.WriteImage) { m.disks[1].WWN = "0x6" }, "", "0 of the machine's 2 disks"},
		"another size":   {func(m *fakeMachine, _ *protocol.WriteImage) { m.disks[1].SizeBytes++ }, "", "0 of the machine's 2 disks"},
		"twins": {func(m *fakeMachine, _ *protocol.WriteImage) {
			m.disks[0].SerialNumber, m.disks[0].WWN = "SERIAL-1", "0x5001"
		}, "", "2 of the machine's 2 disks"},
		"read-only":         {func(m *fakeMachine, _ *protocol.WriteImage) { m.disks[1].ReadOnly = true }, "", "read-only"},
		"hints exclude it":  {func(_ *fakeMachine, p *protocol.WriteImage) { p.Hints = &rootdevice.Hints{SerialNumber: "SERIAL-0"} }, "", "not one that the hints mean"},
		"no numbers, name":  {func(m *fakeMachine, p *protocol.WriteImage) { anonymous(m, p); p.Claim.Name = "/dev/sda" }, "/dev/sda", ""},
		"no numbers, moved": {func(m *fakeMachine, p *protocol.WriteImage) { anonymous(m, p); p.Claim.Name = "/dev/sdc" }, "", "0 of the machine's 2 disks"},
		"opened as another size": {func(m *fakeMachine, p *protocol.WriteImage) {
			m.disks[1].SizeBytes, p.Claim.SizeBytes = diskBytes/2, diskBytes/2
		}, "", "changed while it was opened"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, diskBytes)
			var asked atomic.Int64
			p := protocol.WriteImage{Claim: claim, Image: serveImage(t, testImage(), &asked)}
			c.change(m, &p)
			o := oneStep(t, m, protocol.Step{ID: "w", Kind: step.WriteImage, WriteImage: &p})
			if c.text != "" {
				if o.Failure == nil || !strings.Contains(o.Failure.Message, c.text) || asked.Load() != 0 {
					t.Errorf("failure %+v, asked for the image %d times", o.Failure, asked.Load())
				}
				for _, spec := range m.opener.Disks {
					mustBeZero(t, spec.Path)
				}
				return
			}
			if o.Failure != nil || o.Disk.Name != c.opened || len(m.opened) != 1 || m.opened[c.opened] != 1 {
				t.Errorf("outcome %+v, opened %v", o, m.opened)
			}
		})
	}
}

func swapNames(m *fakeMachine) {
	m.disks[0].Name, m.disks[1].Name = m.disks[1].Name, m.disks[0].Name
}

func anonymous(m *fakeMachine, p *protocol.WriteImage) {
	for i := range m.disks {
		m.disks[i].SerialNumber, m.disks[i].WWN = "", ""
	}
	p.Claim.SerialNumber, p.Claim.WWN = "", ""
}

func mustBeZero(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(bytes.Trim(b, "\x00")) != 0 {
		t.Errorf("%s was written to", path)
	}
}

func TestAWrongDigestIsInvalid(t *testing.T) {
	m := newMachine(t, diskBytes)
	var asked atomic.Int64
	image := serveImage(t, testImage(), &asked)
	image.Checksum = strings.Repeat("0", 64)
	o := oneStep(t, m, protocol.Step{ID: "w", Kind: step.WriteImage, WriteImage: &protocol.WriteImage{Claim: m.disks[1], Image: image}})
	if o.Failure == nil || o.Failure.Kind != step.Invalid || o.Disk == nil {
		t.Errorf("outcome %+v", o)
	}
	got, err := os.ReadFile(m.opener.Disks["/dev/sdb"].Path)
	if err != nil {
		t.Fatal(err)
	}
	if len(bytes.Trim(got[:1<<20], "\x00")) != 0 {
		t.Error("the disk has a boot sector")
	}
}

// A disk that cannot be wiped fails the step, and the others are wiped and in the evidence all the same.
func TestCleanFailsClosed(t *testing.T) {
	m := newMachine(t, diskBytes)
	spec := m.opener.Disks["/dev/sda"]
	spec.Removed = true
	m.opener.Disks["/dev/sda"] = spec
	if err := os.WriteFile(m.opener.Disks["/dev/sdb"].Path, append(bytes.Repeat([]byte("x"), 1<<20), make([]byte, diskBytes-1<<20)...), 0o600); err != nil {
		t.Fatal(err)
	}
	stick := step.Disk{Name: "/dev/sdc", SizeBytes: 1 << 30, Removable: true}
	m.disks = append(m.disks, stick)
	o := oneStep(t, m, protocol.Step{ID: "c", Kind: step.Clean, Clean: &protocol.Clean{Method: "metadata"}})
	if o.Failure == nil || !strings.Contains(o.Failure.Message, "1 of 2 disks") || !strings.Contains(o.Failure.Message, "/dev/sda") {
		t.Errorf("failure %+v", o.Failure)
	}
	if len(o.Wipes) != 2 || o.Wipes[0].Clean || !o.Wipes[1].Clean || o.Wipes[1].Disk.SerialNumber != "SERIAL-1" || o.Wipes[1].FinishedAt.IsZero() {
		t.Errorf("wipes %+v", o.Wipes)
	}
	mustBeZero(t, m.opener.Disks["/dev/sdb"].Path)
	o = oneStep(t, newMachine(t, diskBytes), protocol.Step{ID: "c", Kind: step.Clean, Clean: &protocol.Clean{Method: "shred"}})
	if o.Failure == nil || o.Failure.Kind != step.Unsupported {
		t.Errorf("an unknown method: %+v", o)
	}
}

// A LUN that the machine is connected to keeps its data, through a wipe and where a claim means it, unless the host says that it is its own.
func TestDisksOutsideKeepTheirData(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 1<<20)
	for _, transport := range []step.Transport{step.FC, step.ISCSI, step.NVMeOF, step.SRP} {
		for _, owned := range []bool{false, true} {
			m := newMachine(t, diskBytes)
			m.disks[0].Transport, m.disks[1].Transport = transport, step.SATA
			path := m.opener.Disks["/dev/sda"].Path
			if err := os.WriteFile(path, append(bytes.Clone(content), make([]byte, diskBytes-len(content))...), 0o600); err != nil {
				t.Fatal(err)
			}
			var owns []step.Outside
			if owned {
				owns = []step.Outside{step.Outside(transport)}
			}
			o := oneStep(t, m, protocol.Step{ID: "c", Kind: step.Clean, Clean: &protocol.Clean{Method: "metadata", Owns: owns}})
			if o.Failure != nil {
				t.Fatalf("%s: %v", transport, o.Failure)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if kept := bytes.Equal(got[:len(content)], content); kept == owned || (len(o.Wipes) == 2) != owned || len(o.Owns) != len(owns) {
				t.Errorf("%s, owned %v: kept %v, %d wipes, said to own %v", transport, owned, kept, len(o.Wipes), o.Owns)
			}
		}
	}
	m := newMachine(t, diskBytes)
	m.disks[1].Transport = step.FC
	o := oneStep(t, m, protocol.Step{ID: "w", Kind: step.WriteImage, WriteImage: &protocol.WriteImage{Claim: m.disks[1]}})
	if o.Failure == nil || o.Failure.Kind != step.Invalid || !strings.Contains(o.Failure.Message, "not the machine's own (fc)") {
		t.Errorf("a write to a LUN: %+v", o)
	}
	mustBeZero(t, m.opener.Disks["/dev/sdb"].Path)
}

func TestChooseDiskSaysWhyNot(t *testing.T) {
	m := newMachine(t, diskBytes)
	o := oneStep(t, m, protocol.Step{ID: "c", Kind: step.ChooseDisk, ChooseDisk: &protocol.ChooseDisk{Hints: &rootdevice.Hints{Model: "nothing"}}})
	if o.Failure == nil || o.Failure.Kind != step.Invalid || !strings.Contains(o.Failure.Message, "/dev/sdb") {
		t.Errorf("outcome %+v", o)
	}
	o = oneStep(t, newMachine(t, diskBytes), protocol.Step{ID: "c", Kind: "dance"})
	if o.Failure == nil || o.Failure.Kind != step.Unsupported {
		t.Errorf("an unknown step: %+v", o)
	}
}

// An image several times as large as the memory that the agent may take.
func TestMemoryDoesNotGrowWithTheImage(t *testing.T) {
	const size, limit = 1 << 30, 160 << 20
	m := newMachine(t, 1<<20)
	d := step.Disk{Name: "/dev/sda", SerialNumber: "BIG", SizeBytes: 2 << 30, SectorBytes: 512}
	path := t.TempDir() + "/big"
	if err := filebacked.Create(path, d.SizeBytes); err != nil {
		t.Fatal(err)
	}
	m.disks, m.opener.Disks["/dev/sda"] = []step.Disk{d}, filebacked.Spec{Path: path}
	image := serveLarge(t, size)

	before := heap()
	most := make(chan uint64)
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { most <- watchHeap(done) })
	o := oneStep(t, m, protocol.Step{ID: "w", Kind: step.WriteImage, WriteImage: &protocol.WriteImage{Claim: d, Image: image}})
	close(done)
	peak := <-most
	watching.Wait()
	if o.Failure != nil || o.Written.ImageBytes != size {
		t.Fatalf("outcome %+v", o)
	}
	t.Logf("heap before %d MiB, at most %d MiB, for an image of %d MiB", before>>20, peak>>20, size>>20)
	if peak > before+limit {
		t.Errorf("the heap grew to %d MiB", peak>>20)
	}
}

// serveLarge streams zeros with 64 KiB of data in every 4 MiB.
func serveLarge(t *testing.T, size int) protocol.Image {
	t.Helper()
	block := make([]byte, 4<<20)
	copy(block, bytes.Repeat([]byte("data"), 16<<10))
	sum := sha256.New()
	for range size / len(block) {
		sum.Write(block)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range size / len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(server.Close)
	return protocol.Image{URL: server.URL + "/large.raw", Format: "raw", Checksum: hex.EncodeToString(sum.Sum(nil)), ChecksumType: "sha256"}
}

func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// watchHeap gives the most that was seen until done.
func watchHeap(done <-chan struct{}) uint64 {
	var most uint64
	for every := time.NewTicker(20 * time.Millisecond); ; {
		most = max(most, heap())
		select {
		case <-every.C:
		case <-done:
			return most
		}
	}
}
