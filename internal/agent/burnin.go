package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/burnin"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/step"
)

// burnIn tests the parts that are asked for, the quick tests first. A part that fails does not end the others' tests; what ends them is no verdict on any part.
func (a *agent) burnIn(ctx context.Context, p protocol.BurnIn, report func(step.Progress)) step.Outcome {
	if (p.Plan.CPUSeconds > 0 || p.Plan.MemoryPasses > 0) && a.hardware.Stress == nil {
		return failed(step.Unsupported, "burn-in: this machine's agent cannot test processors and memory", "leave cpu and memory out")
	}
	var results []step.TestResult
	for _, test := range []func(context.Context, protocol.BurnIn, func(step.Progress)) ([]step.TestResult, error){a.testLinks, a.testNetwork, a.testCPU, a.testMemory, a.testDisks} {
		some, err := test(ctx, p, report)
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return failure(fmt.Errorf("burn-in: %w", err))
		}
		results = append(results, some...)
	}
	for _, r := range results {
		a.logger.Info("Tested", "test", r.Test, "subject", r.Subject, "result", string(r.Result), "message", r.Message)
	}
	return step.Outcome{Tests: results}
}

// measured runs one test and notes its times.
func (a *agent) measured(test func() (step.TestResult, error)) ([]step.TestResult, error) {
	started := a.clock.Now().UTC()
	r, err := test()
	if err != nil {
		return nil, err
	}
	r.StartedAt, r.FinishedAt = started, a.clock.Now().UTC()
	return []step.TestResult{r}, nil
}

func (a *agent) testCPU(ctx context.Context, p protocol.BurnIn, report func(step.Progress)) ([]step.TestResult, error) {
	if p.Plan.CPUSeconds == 0 {
		return nil, nil
	}
	length := time.Duration(p.Plan.CPUSeconds) * time.Second
	say := func(done time.Duration) {
		report(step.Progress{Phase: "testing the processors", SecondsLeft: int64((length - done).Seconds()), UpdatedAt: a.clock.Now().UTC()})
	}
	say(0)
	return a.measured(func() (step.TestResult, error) { return a.hardware.Stress.CPU(ctx, length, say) })
}

func (a *agent) testMemory(ctx context.Context, p protocol.BurnIn, report func(step.Progress)) ([]step.TestResult, error) {
	if p.Plan.MemoryPasses == 0 {
		return nil, nil
	}
	say := func(done, total int64) {
		report(step.Progress{Phase: "testing the memory", DoneBytes: done, TotalBytes: total})
	}
	say(0, 0)
	return a.measured(func() (step.TestResult, error) { return a.hardware.Stress.Memory(ctx, p.Plan.MemoryPasses, say) })
}

const (
	// lldpPatience is how long a neighbour is waited for that must say who it is: switches do each 30 s (802.1AB §9.2.5.7). lldpLook is the pause between two looks.
	lldpPatience = 70 * time.Second
	lldpLook     = 2 * time.Second
)

// silentLinks says whether a link is up over which nobody was heard.
func silentLinks(i step.Inventory) bool {
	return slices.ContainsFunc(i.NICs, func(n step.NIC) bool { return n.LinkUp && n.LLDP == nil })
}

// testLinks looks whether a link is up, and whether the neighbours on those that are say who they are.
func (a *agent) testLinks(ctx context.Context, p protocol.BurnIn, report func(step.Progress)) ([]step.TestResult, error) {
	if p.Plan.NetworkSeconds == 0 && !p.Plan.LLDP {
		return nil, nil
	}
	report(step.Progress{Phase: "looking at the network's links"})
	started := a.clock.Now().UTC()
	found, err := a.hardware.Inspector.Inspect(ctx)
	for ; p.Plan.LLDP && err == nil && ctx.Err() == nil && silentLinks(found) && a.clock.Now().Sub(started) < lldpPatience; found, err = a.hardware.Inspector.Inspect(ctx) {
		pause(ctx, lldpLook, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("look at the network interfaces: %w", err)
	}
	var out []step.TestResult
	for _, n := range found.NICs {
		if !n.LinkUp {
			continue
		}
		r := step.TestResult{Test: step.TestLink, Subject: n.Name, Serial: n.MAC, Result: step.TestPassed, StartedAt: started, FinishedAt: a.clock.Now().UTC(), Message: "up"}
		if n.SpeedMbps > 0 {
			r.Message += fmt.Sprintf(" at %d Mb/s", n.SpeedMbps)
		}
		switch {
		case n.LLDP != nil:
			r.Message += fmt.Sprintf("; the neighbour is %q, port %q", n.LLDP.SystemName, n.LLDP.PortID)
		case p.Plan.LLDP:
			r.Result, r.Errors = step.TestFailed, 1
			r.Message += ", and no neighbour said by LLDP who it is"
			r.Fix = "see whether the switch sends LLDP on this port, and where the cable ends"
		default:
			r.Message += "; no neighbour said by LLDP who it is"
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		return []step.TestResult{{Test: step.TestLink, Result: step.TestFailed, StartedAt: started, FinishedAt: a.clock.Now().UTC(), Errors: 1,
			Message: fmt.Sprintf("none of %d network interfaces has a link", len(found.NICs)), Fix: "plug in a cable"}}, nil
	}
	return out, nil
}

const (
	// trafficBytes is one request of the network's test. maxTraffic ends it before its time on a fast network.
	trafficBytes = int64(protocol.MaxTrafficBytes)
	maxTraffic   = 4 << 30
	// trafficPatience is how long other machines that measure are waited for.
	trafficPatience = 30 * time.Minute
)

// testNetwork fetches data from the partition role. The rate is that of the time in which data came; what other machines measure meanwhile is waited for.
func (a *agent) testNetwork(ctx context.Context, p protocol.BurnIn, report func(step.Progress)) ([]step.TestResult, error) {
	if p.Plan.NetworkSeconds == 0 {
		return nil, nil
	}
	return a.measured(func() (step.TestResult, error) {
		length := time.Duration(p.Plan.NetworkSeconds) * time.Second
		var bytes int64
		var took, waited time.Duration
		for took < length && bytes < maxTraffic {
			report(step.Progress{Phase: "measuring the network", DoneBytes: bytes})
			n, d, err := a.fetchTraffic(ctx, trafficBytes, length-took)
			if errors.Is(err, errBusy) && waited < trafficPatience {
				pause(ctx, time.Second, nil)
				waited += time.Second
				err = context.Cause(ctx)
				if err == nil {
					continue
				}
			}
			if err != nil {
				return step.TestResult{}, fmt.Errorf("measure the network: %w", err)
			}
			bytes, took = bytes+n, took+d
		}
		return judgeTraffic(bytes, took, p.Plan.MinMbps), nil
	})
}

func judgeTraffic(bytes int64, took time.Duration, minMbps int64) step.TestResult {
	r := step.TestResult{Test: step.TestNetwork, Subject: "to the partition role", Result: step.TestPassed, Bytes: bytes}
	if s := took.Seconds(); s > 0 {
		r.BytesPerSecond = int64(float64(bytes) / s)
	}
	mbps := r.BytesPerSecond * 8 / 1_000_000
	r.Message = fmt.Sprintf("%d Mb/s", mbps)
	if mbps < minMbps {
		r.Result, r.Errors = step.TestFailed, 1
		r.Message = fmt.Sprintf("%d Mb/s, where %d are asked for", mbps, minMbps)
		r.Fix = "see the speed that the links came up with, the cable, the switch's counters of errors, and what else loads the way to the partition role"
	}
	return r
}

// errBusy: the partition role asks for patience.
var errBusy = errors.New("the partition role is busy")

// fetchTraffic fetches at most n bytes for at most the time given, and says how long data came. What came until the time was up counts.
func (a *agent) fetchTraffic(ctx context.Context, n int64, length time.Duration) (int64, time.Duration, error) {
	s := a.currentSession()
	if s == nil {
		return 0, 0, errBusy // it is about to enrol anew
	}
	// Past the time that it measures a request has as long as any other to be answered at all.
	asked, cancel := context.WithTimeout(ctx, length+answerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(asked, http.MethodGet, s.endpoint+protocol.PathTraffic+a.config.BootID+"?bytes="+strconv.FormatInt(n, 10), nil)
	if err != nil {
		return 0, 0, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return 0, 0, errBusy
	}
	if resp.StatusCode != http.StatusOK {
		return 0, 0, refusal(protocol.PathTraffic, resp)
	}
	started := time.Now()
	var got int64
	buffer := make([]byte, 256<<10)
	for {
		k, err := resp.Body.Read(buffer)
		got += int64(k)
		took := time.Since(started)
		switch {
		case errors.Is(err, io.EOF), took >= length:
			return got, max(took, time.Microsecond), nil
		case err != nil:
			return got, took, err
		}
	}
}

// testDisks tests every disk of the machine's own, several at a time.
func (a *agent) testDisks(ctx context.Context, p protocol.BurnIn, report func(step.Progress)) ([]step.TestResult, error) {
	if p.Plan.Disk == "" {
		return nil, nil
	}
	disks, err := a.ownDisks(ctx, p.Owns)
	if err != nil {
		return nil, err
	}
	out := make([]step.TestResult, len(disks))
	errs := make([]error, len(disks))
	say := newDiskProgress(len(disks), report)
	free := make(chan struct{}, wipesAtOnce)
	var running sync.WaitGroup
	for i, d := range disks {
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			started := a.clock.Now().UTC()
			out[i], errs[i] = a.testDisk(ctx, d, p, func(done, total int64) { say.add(i, done, total) })
			out[i].Test, out[i].Subject, out[i].Serial = step.TestDisk, d.Name, d.SerialNumber
			out[i].StartedAt, out[i].FinishedAt = started, a.clock.Now().UTC()
		})
	}
	running.Wait()
	return out, errors.Join(errs...)
}

// ownDisks lists the disks that may be tested, with no array on them running.
func (a *agent) ownDisks(ctx context.Context, owns []step.Outside) ([]step.Disk, error) {
	all, err := a.hardware.Inspector.Disks(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the disks to test: %w", err)
	}
	var disks []step.Disk
	for _, d := range all {
		if !d.Owned(owns) || d.Removable && d.ReadOnly {
			a.logger.Info("Disk left alone", "disk", d.Name, "serial", d.SerialNumber, "reason", string(d.Outside()))
			continue
		}
		disks = append(disks, d)
	}
	return disks, a.stopArrays(ctx, all, nil)
}

// testDisk tests one disk. One that the policy keeps, and one that is read-only, is never written.
func (a *agent) testDisk(ctx context.Context, d step.Disk, p protocol.BurnIn, report func(done, total int64)) (step.TestResult, error) {
	how, note := p.Plan.Disk, ""
	if p.Erasure != nil && p.Erasure.Keeps(d) && how == step.DiskWrite {
		how, note = step.DiskRead, "; the policy of its host keeps it, so that nothing was written"
	}
	target, err := a.hardware.Disks.Open(ctx, d.Name)
	switch {
	case errors.Is(err, disk.ErrReadOnly):
		return step.TestResult{Result: step.TestSkipped, Message: "it is read-only"}, nil
	case err != nil:
		return step.TestResult{Result: step.TestFailed, Errors: 1, Message: fmt.Sprintf("it cannot be opened: %v", err), Fix: "see whether the disk works and what uses it"}, nil
	}
	if size := target.Geometry().SizeBytes; size != d.SizeBytes {
		return step.TestResult{Result: step.TestFailed, Errors: 1, Message: fmt.Sprintf("it has %d bytes now and had %d when the disks were listed: nothing was done to it", size, d.SizeBytes),
			Fix: "see whether disks are put in or taken out"}, target.Close()
	}
	r, err := burnin.Disk(ctx, target, how, report)
	r.Message += note
	return r, errors.Join(err, target.Close())
}

// benchmark measures the machine's own disks one after the other, since those behind one controller would slow each other down. A disk that cannot be measured says why in the log.
func (a *agent) benchmark(ctx context.Context, disks []step.Disk, owns []step.Outside, report func(step.Progress)) error {
	if err := a.stopArrays(ctx, disks, nil); err != nil {
		return err
	}
	for i := range disks {
		d := &disks[i]
		if !d.Owned(owns) || d.ReadOnly {
			continue
		}
		report(step.Progress{Phase: fmt.Sprintf("measuring how fast disks read: %d of %d done", i, len(disks))})
		target, err := a.hardware.Disks.Open(ctx, d.Name)
		if err == nil {
			var b step.DiskBenchmark
			if b, err = burnin.Benchmark(ctx, target); err == nil {
				d.Benchmark = &b
			}
			err = errors.Join(err, target.Close())
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if err != nil {
			a.logger.Warn("Disk not measured", "disk", d.Name, "serial", d.SerialNumber, "err", err)
		}
	}
	return nil
}

// diskProgress adds up how far the tests of several disks are.
type diskProgress struct {
	mu          sync.Mutex
	done, total []int64
	report      func(step.Progress)
}

func newDiskProgress(disks int, report func(step.Progress)) *diskProgress {
	p := &diskProgress{done: make([]int64, disks), total: make([]int64, disks), report: report}
	report(step.Progress{Phase: fmt.Sprintf("testing %d disks", disks)})
	return p
}

func (p *diskProgress) add(i int, done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done[i], p.total[i] = done, total
	all := step.Progress{Phase: fmt.Sprintf("testing %d disks", len(p.done))}
	for k := range p.done {
		all.DoneBytes += p.done[k]
		all.TotalBytes += p.total[k]
	}
	p.report(all)
}
