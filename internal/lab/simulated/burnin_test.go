package simulated

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/step"
)

// boot starts the agent of boot-1.
func (w world) boot(ctx context.Context, t *testing.T) {
	t.Helper()
	cd := cdWith(t, w.endpoint.Open("boot-1", mac))
	if err := w.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeUEFI, Device: bmc.BootCD, Once: true, Medium: cd}); err != nil {
		t.Fatal(err)
	}
}

// TestBrokenPartsAreFound: the real agent, over TLS, on machines with one broken part each.
func TestBrokenPartsAreFound(t *testing.T) {
	sound := func(*Parts) {}
	for name, c := range map[string]struct {
		plan  string
		spoil func(p *Parts)
		// failed are the tests that fail, with a part of the message.
		failed map[string]string
		tests  int
	}{
		"nothing":       {"cpu=1s,memory=1pass,disk=read,network=1s,lldp=required", sound, nil, 6},
		"processor":     {"cpu=1s,memory=1pass", func(p *Parts) { p.WrongProcessor.Store(true) }, map[string]string{step.TestCPU: "processor 1 calculated"}, 2},
		"memory":        {"cpu=1s,memory=1pass", func(p *Parts) { p.BadMemory.Store(true) }, map[string]string{step.TestMemory: "physical address 0x108708: "}, 2},
		"disk":          {"disk=read", func(p *Parts) { p.BadDisk.Store(true) }, map[string]string{step.TestDisk: "byte 33554432 (sector 65536) cannot be read"}, 2},
		"disk, written": {"disk=write", func(p *Parts) { p.BadDisk.Store(true) }, map[string]string{step.TestDisk: "byte 33554432 (sector 65536) cannot be read"}, 2},
		"network":       {"network=1s@1000Mbps", func(p *Parts) { p.NetworkBytesPerSecond.Store(2 << 20) }, map[string]string{step.TestNetwork: "where 1000 are asked for"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			parts := &Parts{}
			c.spoil(parts)
			w := newWorld(t, func(c *Config) { c.Parts = parts })
			ctx := within(t)
			w.boot(ctx, t)
			plan, err := step.ParseBurnIn(c.plan)
			if err != nil {
				t.Fatal(err)
			}
			got, err := w.endpoint.Run(ctx, "boot-1", protocol.Step{ID: "s1", Kind: step.BurnIn, BurnIn: &protocol.BurnIn{Plan: plan}})
			if err != nil || got.Failure != nil {
				t.Fatalf("%v, %+v; console:\n%s", err, got.Failure, w.Console(4096))
			}
			if len(got.Tests) != c.tests {
				t.Errorf("%d tests: %+v", len(got.Tests), got.Tests)
			}
			found := map[string]bool{}
			for _, r := range got.Tests {
				why, expected := c.failed[r.Test]
				if r.Result == step.TestFailed && expected && strings.Contains(r.Message, why) && r.Fix != "" && r.Errors > 0 {
					found[r.Test] = true
				} else if r.Result != step.TestPassed {
					t.Errorf("%+v", r)
				}
				if r.StartedAt.IsZero() || r.FinishedAt.Before(r.StartedAt) || r.Message == "" || r.Test != step.TestLink && r.Test != step.TestCPU && r.BytesPerSecond == 0 {
					t.Errorf("without its figures: %+v", r)
				}
			}
			if len(found) != len(c.failed) {
				t.Errorf("found %v of %v", found, c.failed)
			}
		})
	}
}

// TestWhatABurnInWrites: nothing unless disk=write is asked for, and then neither on kept disks nor on those that are not the machine's own.
func TestWhatABurnInWrites(t *testing.T) {
	keep := &step.Erasure{Disks: []step.DiskRule{{SerialNumber: "B", Keep: true}}}
	for name, c := range map[string]struct {
		disk    step.DiskTest
		erasure *step.Erasure
		outside bool
		// written says which of the disks is, tested how many are.
		written [2]bool
		tested  int
	}{
		"sampled":               {step.DiskSample, nil, false, [2]bool{}, 2},
		"read":                  {step.DiskRead, nil, false, [2]bool{}, 2},
		"written":               {step.DiskWrite, nil, false, [2]bool{true, true}, 2},
		"one is kept":           {step.DiskWrite, keep, false, [2]bool{true, false}, 2},
		"one is over a network": {step.DiskWrite, nil, true, [2]bool{true, false}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(config *Config) {
				if c.outside {
					config.Inventory.Disks[1].Transport = step.ISCSI
				}
			})
			ctx := within(t)
			w.boot(ctx, t)
			got, err := w.endpoint.Run(ctx, "boot-1", protocol.Step{ID: "s1", Kind: step.BurnIn, BurnIn: &protocol.BurnIn{Plan: step.BurnInPlan{Disk: c.disk}, Erasure: c.erasure}})
			if err != nil || got.Failure != nil || len(got.Tests) != c.tested {
				t.Fatalf("%v, %+v", err, got)
			}
			for i, name := range []string{"/dev/sda", "/dev/sdb"} {
				b, err := os.ReadFile(w.paths[name])
				if err != nil {
					t.Fatal(err)
				}
				if written := strings.Trim(string(b), "\x00") != ""; written != c.written[i] {
					t.Errorf("%s was written to: %v", name, written)
				}
			}
		})
	}
}

// TestABurnInEndsWithItsBoot: a boot that is over ends the tests, and the machine.
func TestABurnInEndsWithItsBoot(t *testing.T) {
	parts := &Parts{}
	parts.Endless.Store(true)
	w := newWorld(t, func(c *Config) { c.Parts = parts })
	ctx := within(t)
	w.boot(ctx, t)
	ended := make(chan error, 1)
	running, cancel := context.WithCancel(ctx)
	go func() {
		_, err := w.endpoint.Run(running, "boot-1", protocol.Step{ID: "s1", Kind: step.BurnIn, BurnIn: &protocol.BurnIn{Plan: step.BurnInPlan{CPUSeconds: 1}}})
		ended <- err
	}()
	if err := w.endpoint.Began(ctx, "boot-1", "s1"); err != nil {
		t.Fatalf("%v; console:\n%s", err, w.Console(4096))
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the endless test ended: %v", err)
	}
	w.endpoint.Supersede("boot-1")
	w.until(ctx, t, AtOff)
}

// TestDisksAreMeasured: an inspection that is asked for it has figures for each disk, and others have none.
func TestDisksAreMeasured(t *testing.T) {
	w := newWorld(t, nil)
	ctx := within(t)
	w.boot(ctx, t)
	got, err := w.endpoint.Run(ctx, "boot-1", protocol.Step{ID: "s1", Kind: step.Inspect, Inspect: &protocol.Inspect{Benchmark: true}})
	if err != nil || got.Failure != nil || got.Inventory == nil {
		t.Fatalf("%v, %+v", err, got)
	}
	for _, d := range got.Inventory.Disks {
		if b := d.Benchmark; b == nil || b.SequentialBytes != d.SizeBytes || b.SequentialBytesPerSecond == 0 || b.RandomReadsPerSecond == 0 {
			t.Errorf("%s: %+v", d.Name, b)
		}
	}
}
