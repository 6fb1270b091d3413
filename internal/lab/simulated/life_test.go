package simulated

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/configdrive"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/tiny"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// serveImage serves a small disk image and says how it is to be written.
func serveImage(t *testing.T) protocol.Image {
	t.Helper()
	raw, err := tiny.Raw(tiny.Options{SizeBytes: 32 << 20, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	packed, err := tiny.Zstd(raw)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(packed))
	}))
	t.Cleanup(server.Close)
	digest := sha256.Sum256(packed)
	return protocol.Image{URL: server.URL + "/tiny.raw.zst", Format: "raw", Checksum: hex.EncodeToString(digest[:]), ChecksumType: "sha256"}
}

// TestLifeOfAMachine: the agent wipes both disks, chooses the one that the hints mean and writes it; the machine boots the disk, and the system on it reports.
func TestLifeOfAMachine(t *testing.T) {
	w := newWorld(t, nil)
	ctx := within(t)
	url, reported := w.endpoint.OweFirstBoot("default", "node-0")
	at := strings.LastIndex(url, "/") + 1
	vendor, err := configdrive.FirstBootReport(configdrive.Report{URL: url[:at], Token: secret.New(url[at:]), CAPEM: w.endpoint.CAPEM})
	if err != nil {
		t.Fatal(err)
	}
	drive, err := configdrive.Build(configdrive.Drive{
		Metadata: configdrive.DefaultMetadata(configdrive.Host{UID: "uid-1", Name: "node-0", Namespace: "default"}, nil), VendorData: vendor,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.PowerOn(ctx, bmcsim.BootPlan{Device: bmc.BootCD, Medium: cdWith(t, w.endpoint.Open("boot-1"))}); err != nil {
		t.Fatal(err)
	}
	run := func(s protocol.Step) step.Outcome {
		t.Helper()
		outcome, err := w.endpoint.Run(ctx, "boot-1", s)
		if err != nil || outcome.Failure != nil {
			t.Fatalf("step %s: %v, %+v; console:\n%s", s.Kind, err, outcome.Failure, w.Console(4096))
		}
		return outcome
	}
	hints := &rootdevice.Hints{SerialNumber: "B"}
	run(protocol.Step{ID: "1", Kind: step.Clean, Clean: &protocol.Clean{Method: "metadata"}})
	chosen := run(protocol.Step{ID: "2", Kind: step.ChooseDisk, ChooseDisk: &protocol.ChooseDisk{Hints: hints}}).Disk
	if chosen == nil || chosen.Name != "/dev/sdb" {
		t.Fatalf("chose %+v, want /dev/sdb", chosen)
	}
	run(protocol.Step{ID: "3", Kind: step.WriteImage, WriteImage: &protocol.WriteImage{
		Claim: *chosen, Hints: hints, Image: serveImage(t), ConfigDrive: drive,
	}})
	other, err := os.ReadFile(w.paths["/dev/sda"])
	if err != nil || !bytes.Equal(other, make([]byte, len(other))) {
		t.Fatalf("the disk that the hints exclude is not empty: %v", err)
	}
	w.endpoint.Supersede("boot-1")
	w.until(ctx, t, AtOff)
	if err := w.PowerOn(ctx, bmcsim.BootPlan{}); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-reported:
		if r.Hostname != "node-0" || r.InstanceID != "uid-1" {
			t.Fatalf("report %+v", r)
		}
	case <-ctx.Done():
		t.Fatalf("no report; machine is at %q, console:\n%s", w.At(), w.Console(4096))
	}
	wrote := map[string]int{}
	for _, e := range w.journal.Writings() {
		wrote[e.Disk]++
	}
	if wrote["/dev/sda"] == 0 || wrote["/dev/sdb"] < 2 {
		t.Fatalf("journal counts %v: want the wipe of both disks and the write of one", wrote)
	}
}
