package agent_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/agent"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
	"github.com/ingotmetal/ingot/netboot/medium"
	"github.com/ingotmetal/ingot/step"
)

const (
	mac        = "52:54:00:00:00:01"
	systemUUID = "4c4c4544-0034-4a10-8035-b4c04f465931"
)

// fakeMachine is a machine of two disks with hooks.
type fakeMachine struct {
	disks    []step.Disk
	opener   *filebacked.Machine
	inspects func(ctx context.Context) error

	mu sync.Mutex
	// inspected counts inspections; open and most count disks open for writing, now and at most.
	inspected, open, most int
	opened                map[string]int
	off                   chan struct{}
	offset                time.Duration
}

func newMachine(t testing.TB, sizeBytes int64) *fakeMachine {
	t.Helper()
	m := &fakeMachine{off: make(chan struct{}), opened: map[string]int{}, opener: &filebacked.Machine{Disks: map[string]filebacked.Spec{}}}
	m.opener.Observer = m
	for i := range 2 {
		d := step.Disk{Name: fmt.Sprintf("/dev/sd%c", 'a'+i), SerialNumber: fmt.Sprintf("SERIAL-%d", i), WWN: fmt.Sprintf("0x500%d", i), SizeBytes: sizeBytes, SectorBytes: 512}
		path := filepath.Join(t.TempDir(), "disk")
		if err := filebacked.Create(path, sizeBytes); err != nil {
			t.Fatal(err)
		}
		m.disks = append(m.disks, d)
		m.opener.Disks[d.Name] = filebacked.Spec{Path: path}
	}
	return m
}

func (m *fakeMachine) Inspect(ctx context.Context) (step.Inventory, error) {
	m.mu.Lock()
	m.inspected++
	m.mu.Unlock()
	if m.inspects != nil {
		if err := m.inspects(ctx); err != nil {
			return step.Inventory{}, err
		}
	}
	return step.Inventory{System: step.System{SerialNumber: "SYS"}, Disks: m.disks}, nil
}

func (m *fakeMachine) Disks(context.Context) ([]step.Disk, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]step.Disk(nil), m.disks...), nil
}

func (m *fakeMachine) SystemUUID(context.Context) (string, error) { return systemUUID, nil }

func (m *fakeMachine) MACAddresses(context.Context) ([]string, error) { return []string{mac}, nil }

func (m *fakeMachine) PowerOff(context.Context) error {
	close(m.off)
	return nil
}

func (m *fakeMachine) Reboot(context.Context) error { return errors.New("nobody asked for a reboot") }

func (m *fakeMachine) OpenedForWrite(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened[name]++
	m.open++
	m.most = max(m.most, m.open)
}

func (m *fakeMachine) Closed(string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open--
}

func (m *fakeMachine) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Add(m.offset)
}

func (m *fakeMachine) Set(now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offset = time.Until(now)
	return nil
}

// count reads a counter.
func (m *fakeMachine) count(c *int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *c
}

// live runs an agent until the test's end or its own; the result comes through the channel.
func live(t testing.TB, site *agentapitest.Site, m *fakeMachine, config medium.Config, change ...func(*agent.Options)) <-chan error {
	t.Helper()
	o := agent.Options{
		Config: config, Hardware: agent.Hardware{Inspector: m, Disks: m.opener, Power: m}, Dial: site.Dial, Clock: m, Version: "test",
		Timing: agent.Timing{BackOffMin: time.Millisecond, BackOffMax: 50 * time.Millisecond},
	}
	for _, c := range change {
		c(&o)
	}
	ended := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { ended <- agent.Run(t.Context(), o) })
	t.Cleanup(running.Wait)
	return ended
}

// awaitOff waits for the machine to be off and the agent to have ended.
func awaitOff(t testing.TB, m *fakeMachine, ended <-chan error) error {
	t.Helper()
	select {
	case <-m.off:
		return <-ended
	case err := <-ended:
		select {
		case <-m.off:
			return err
		default:
			t.Fatalf("the agent ended with %v and the machine is on", err)
			return err
		}
	case <-time.After(patience):
		t.Fatal("the machine is still on")
		return nil
	}
}

// patience is a test's, far above what anything takes.
const patience = time.Minute
