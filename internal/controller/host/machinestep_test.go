package host_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/step"
)

// run does a step of the n-th boot's agent and leaves its outcome in at.
func (m *machine) run(ctx context.Context, n int, at *protocol.ExchangeRequest, s *protocol.Step) {
	m.begin(s)
	at.StepID, at.Phase, at.Outcome = s.ID, step.Running, nil
	at.Progress = &step.Progress{Phase: "working", DoneBytes: 1, TotalBytes: 2, UpdatedAt: m.w.now()}
	m.mu.Lock()
	hold, failure := m.hold[s.Kind], m.fail[s.Kind]
	delete(m.fail, s.Kind)
	m.mu.Unlock()
	for first := true; first || hold != nil; first = false {
		if _, over := m.exchange(ctx, at); over || ctx.Err() != nil {
			m.abort(s)
			m.bmc.ShutDown(n)
			return
		}
		if hold == nil {
			break
		}
		select {
		case <-hold:
			hold = nil
		case <-ctx.Done():
			m.abort(s)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	at.Phase, at.Progress = step.Finished, nil
	at.Outcome = m.finish(s, failure)
}

func (m *machine) begin(s *protocol.Step) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.Kind == step.BurnIn {
		m.tested = append(m.tested, s.BurnIn.Plan.String())
	}
	if s.Kind != step.WriteImage {
		return
	}
	m.writes[s.ID]++
	m.writing++
	if m.writing > 1 {
		m.problems = append(m.problems, "two writes at the same time")
	}
	if m.writes[s.ID] > 1 {
		m.problems = append(m.problems, "step "+s.ID+" was begun twice")
	}
	if m.ended[s.ID] > 0 {
		m.problems = append(m.problems, "finished step "+s.ID+" was begun again")
	}
	if w := s.WriteImage; (w.Claim.SerialNumber != "ROOT" && m.volume(w.Hints) == nil || w.Hints == nil) && len(w.Arrays) == 0 || w.Image.Checksum == "" && !strings.HasPrefix(w.Image.URL, "oci://") || len(w.ConfigDrive) == 0 {
		m.problems = append(m.problems, fmt.Sprintf("write step without claim, hints, checksum or config drive: %+v", w.Claim))
	} else {
		m.drive, m.asked = w.ConfigDrive, w
	}
	m.image = ""
}

func (m *machine) abort(s *protocol.Step) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.Kind == step.WriteImage {
		m.writing--
	}
}

func disks() []step.Disk {
	return []step.Disk{
		{Name: "/dev/sda", SerialNumber: "OTHER", SizeBytes: 8 << 30, Type: "ssd"},
		{Name: "/dev/sdb", SerialNumber: "ROOT", SizeBytes: 8 << 30, Type: "ssd"},
	}
}

func (m *machine) finish(s *protocol.Step, failure *step.Failure) *step.Outcome {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := &step.Outcome{Failure: failure}
	now := m.w.now()
	switch s.Kind {
	case step.Inspect:
		o.Inventory = &step.Inventory{
			Hostname: m.name, System: step.System{Manufacturer: "Ingot", SerialNumber: m.name}, MemoryBytes: 4 << 30, CPU: step.CPU{Architecture: "x86_64", Count: 4},
			NICs: []step.NIC{{Name: "eth0", MAC: m.mac, LinkUp: true}}, Disks: m.disks(),
		}
	case step.ChooseDisk:
		if failure == nil {
			o.Disk = m.chosen(s.ChooseDisk)
		}
	case step.ConfigureRAID:
		o.Arrays = arraysFor(s.ConfigureRAID)
	case step.Clean:
		m.wiped++
		m.image = ""
		for _, d := range m.disks() {
			o.Wipes = append(o.Wipes, step.Wipe{Disk: d, Method: "metadata", StartedAt: now, FinishedAt: now, Clean: failure == nil})
		}
	case step.BurnIn:
		o.Tests = []step.TestResult{{Test: step.TestCPU, Result: step.TestPassed, Message: s.BurnIn.Plan.String()}}
		if m.worn {
			o.Tests = append(o.Tests, step.TestResult{Test: step.TestDisk, Subject: "/dev/sda", Serial: "OTHER", Result: step.TestFailed, Message: "3 sectors cannot be read", Fix: "replace the disk", Errors: 3})
		}
	case step.LoadSystem:
		o.Loaded = &step.Loaded{Kernel: "/vmlinuz"}
	case step.EnterSystem:
		if failure == nil {
			m.systems++
		}
	case step.WriteImage:
		m.writing--
		m.ended[s.ID]++
		if failure == nil {
			m.image = s.WriteImage.Image.URL
			o.Disk, o.Written = m.written(s.WriteImage), &step.Written{Digest: "sha256:" + s.WriteImage.Image.Checksum, ImageBytes: 1}
		}
	case step.PowerOff: // its caller turns the machine off
	}
	return o
}
