package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/test/sim/site"
)

// usage is what a process has used until now.
type usage struct {
	name string
	cpu  time.Duration
	// peakBytes is the largest resident set so far.
	peakBytes int64
}

// clockTick is Linux's USER_HZ, 100 on every architecture that Go runs on.
const clockTick = 10 * time.Millisecond

// measure reads all processes of the site, this one with the lab last.
func measure(s *site.Site) ([]usage, error) {
	var out []usage
	for _, role := range []string{"apiserver", "partition", "boot"} {
		pid, err := s.PID(role)
		if err != nil {
			return nil, fmt.Errorf("process of role %s: %w", role, err)
		}
		u, err := usageOf(role, pid)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	up, err := usageOf("up", s.UpPID())
	if err != nil {
		return nil, err
	}
	self, err := usageOf("(lab)", os.Getpid())
	return append(out, up, self), err
}

func usageOf(name string, pid int) (usage, error) {
	u := usage{name: name}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// proc(5): after the command's closing parenthesis the fields begin at number 3; utime is 14, stime 15.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return u, fmt.Errorf("/proc/%d/stat is too short", pid)
	}
	for _, f := range []string{fields[utime], fields[stime]} {
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		u.cpu += time.Duration(ticks) * clockTick
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for _, line := range strings.Split(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				return u, fmt.Errorf("/proc/%d/status: %w", pid, err)
			}
			u.peakBytes = kib << 10
		}
	}
	return u, nil
}
