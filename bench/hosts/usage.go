package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ingotmetal/ingot/test/meter"
	"github.com/ingotmetal/ingot/test/sim/site"
)

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
func measure(s *site.Site) ([]meter.Usage, error) {
	all, err := processes(s)
	if err != nil {
		return nil, err
	}
	var out []meter.Usage
	for _, p := range append(all, process{"(lab)", os.Getpid()}) {
		u, err := meter.Of(p.name, p.pid)
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
		resident, err := meter.StatusBytes(p.pid, "VmRSS:")
		if err != nil {
			return 0, err
		}
		sum += resident
	}
	return sum, nil
}
