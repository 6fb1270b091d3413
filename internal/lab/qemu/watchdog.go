package qemu

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// Under emulation a virtual processor hangs about once in two hundred boots: it spins, and nothing comes of it. That is a fault of the lab and not of what is tested in it,
// so the supervisor resets such a boot, once, and says so. An idle machine has no effect either, but needs no processor.
const (
	// stallDefault is far longer than any phase of a boot without an effect, on a host that is several times overbooked.
	stallDefault = 4 * time.Minute
	// looks is how many looks there are in the time after which a machine counts as stalled.
	looks = 12
	// spinning is the share of one processor from which on a machine without any effect is not idle.
	spinning = 0.25
	// clockTicks is the unit of /proc/<pid>/stat, which Linux fixes at 100 a second for user space.
	clockTicks = 100
)

// effects is what a machine has done to the world since its boot.
type effects struct {
	consoleBytes, frames, diskBytes int64
}

// watchdog waits for a stall and says whether there was one; false when the process ended or a stall cannot be told.
func (m *Machine) watchdog(p *process) bool {
	if m.config.StallLimit < 0 {
		return false
	}
	tick := time.NewTicker(m.config.StallLimit / looks)
	defer tick.Stop()
	var last effects
	since := time.Now()
	used := cpuTime(p.pid)
	for {
		select {
		case <-p.exited:
			return false
		case <-tick.C:
		}
		now, err := m.effects(p)
		if err != nil {
			// The monitor is the first to go at the end of a process.
			continue
		}
		if now != last {
			last, since, used = now, time.Now(), cpuTime(p.pid)
			continue
		}
		still := time.Since(since)
		if still >= m.config.StallLimit && (cpuTime(p.pid)-used).Seconds() >= spinning*still.Seconds() {
			return true
		}
	}
}

// unstall boots again what hangs, with the plan of the boot that hung. The second try is not watched.
func (m *Machine) unstall(p *process, plan bmcsim.BootPlan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current != p {
		return
	}
	m.log.Warn("lab fault: the machine spins without any effect, and is reset", "limit", m.config.StallLimit.String(), "boot", m.boots)
	m.current = nil
	p.end()
	if err := m.boot(m.background, plan, unwatched); err != nil && m.background.Err() == nil {
		m.log.Error("machine did not restart", "err", err)
	}
}

// effects looks at the console, the cables and the disks.
func (m *Machine) effects(p *process) (effects, error) {
	var e effects
	if info, err := os.Stat(m.config.consolePath()); err == nil {
		e.consoleBytes = info.Size()
	}
	for _, n := range m.config.NICs {
		e.frames += n.Port.Counters().Received
	}
	ctx, cancel := context.WithTimeout(m.background, m.config.StallLimit)
	defer cancel()
	raw, err := p.monitor.ask(ctx, "query-blockstats", nil)
	if err != nil {
		return e, err
	}
	var drives []struct {
		Stats struct {
			Read    int64 `json:"rd_bytes"`
			Written int64 `json:"wr_bytes"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(raw, &drives); err != nil {
		return e, fmt.Errorf("read the disks' statistics: %w", err)
	}
	for _, d := range drives {
		e.diskBytes += d.Stats.Read + d.Stats.Written
	}
	return e, nil
}

// cpuTime is the processor time that a process has used (proc(5), fields 14 and 15 of stat), 0 when it is gone.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The program's name may hold spaces; the fields begin behind its closing parenthesis with the third.
	const user, system = 14 - 3, 15 - 3
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) <= system {
		return 0
	}
	var ticks int64
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks
}
