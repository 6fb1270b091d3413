package main

import (
	"context"
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

// process is one of Ingot's.
type process struct {
	name string
	pid  int
}

// processes are Ingot's own.
func processes(s *site.Site) ([]process, error) {
	var out []process
	for _, role := range []string{"apiserver", "partition", "boot", "controller"} {
		pid, err := s.PID(role)
		if err != nil {
			return nil, fmt.Errorf("process of role %s: %w", role, err)
		}
		out = append(out, process{role, pid})
	}
	return append(out, process{"up", s.UpPID()}), nil
}

// measure reads all processes of the site, this one with the lab last.
func measure(s *site.Site) ([]usage, error) {
	all, err := processes(s)
	if err != nil {
		return nil, err
	}
	var out []usage
	for _, p := range append(all, process{"(lab)", os.Getpid()}) {
		u, err := usageOf(p.name, p.pid)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// watchEvery is how often memory and open files are looked at.
const watchEvery = time.Second

// watchMemory looks at all processes together until the returned function is called, which gives the largest sum of resident memory of Ingot's, and how many files each had open at most.
func watchMemory(ctx context.Context, s *site.Site) (end func() (peak int64, files map[string]int, err error)) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	var peak int64
	files := map[string]int{}
	go func() {
		done <- func() error {
			t := time.NewTicker(watchEvery)
			defer t.Stop()
			for {
				sum, err := look(s, files)
				if err != nil {
					return err
				}
				peak = max(peak, sum)
				select {
				case <-t.C:
				case <-ctx.Done():
					return nil
				}
			}
		}()
	}()
	return func() (int64, map[string]int, error) {
		cancel()
		err := <-done
		return peak, files, err
	}
}

// look sums the resident memory of Ingot's processes now, and brings the most open files up to date.
func look(s *site.Site, files map[string]int) (sum int64, err error) {
	all, err := processes(s)
	if err != nil {
		return 0, err
	}
	for i, p := range append(all, process{"(lab)", os.Getpid()}) {
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
		if err != nil {
			return 0, err
		}
		files[p.name] = max(files[p.name], len(open))
		if i == len(all) {
			break
		}
		resident, err := statusBytes(p.pid, "VmRSS:")
		if err != nil {
			return 0, err
		}
		sum += resident
	}
	return sum, nil
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
	u.peakBytes, err = statusBytes(pid, "VmHWM:")
	return u, err
}

// statusBytes is one of the sizes in a process' status, proc(5).
func statusBytes(pid int, name string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, name)
}
