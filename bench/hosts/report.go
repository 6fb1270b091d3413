package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The targets, for 1,000 hosts on two cores.
const (
	targetTime   = 10 * time.Minute
	targetCPU    = 250 * time.Millisecond
	targetMemory = 1536 << 20
	targetRatio  = 1.3
)

// ours is the CPU time of Ingot's own processes in a phase; the lab, which is measured last, is not one.
func (p phase) ours() (sum time.Duration) {
	for _, u := range p.used[:len(p.used)-1] {
		sum += u.CPU
	}
	return sum
}

func (l *life) total() (took, cpu time.Duration) {
	for _, p := range l.phases {
		took += p.all
		cpu += p.ours()
	}
	return took, cpu
}

func (l *life) perHost() time.Duration {
	_, cpu := l.total()
	return cpu / time.Duration(l.n)
}

func (l *life) report(out io.Writer) error {
	took, _ := l.total()
	fmt.Fprintf(out, "%d simulated hosts, from creation to deletion, on %d cores: %.1f s\n\n", l.n, runtime.NumCPU(), took.Seconds())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "phase\tfirst s\thalf s\tall s\thosts/s\tIngot's CPU s per host\t")
	names := l.phases[0].used
	for _, u := range names {
		fmt.Fprintf(w, "%s\t", u.Name)
	}
	fmt.Fprintln(w)
	hosts := float64(l.n)
	sums := make([]float64, len(names))
	for _, p := range l.phases {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.3f\t", p.name, p.first.Seconds(), p.half.Seconds(), p.all.Seconds(), hosts/p.all.Seconds(), p.ours().Seconds()/hosts)
		for i, u := range p.used {
			sums[i] += u.CPU.Seconds()
			fmt.Fprintf(w, "%.3f\t", u.CPU.Seconds()/hosts)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "whole life\t\t\t%.1f\t%.1f\t%.3f\t", took.Seconds(), hosts/took.Seconds(), l.perHost().Seconds())
	for _, s := range sums {
		fmt.Fprintf(w, "%.3f\t", s/hosts)
	}
	fmt.Fprint(w, "\npeak RSS MiB\t\t\t\t\t\t")
	last := l.phases[len(l.phases)-1].used
	for _, u := range last {
		fmt.Fprintf(w, "%.0f\t", float64(u.PeakBytes)/(1<<20))
	}
	fmt.Fprint(w, "\nmost open files\t\t\t\t\t\t")
	for _, u := range last {
		fmt.Fprintf(w, "%d\t", l.files[u.Name])
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "Ingot's processes together: %.0f MiB at most\n\n", float64(l.peak)/(1<<20))
	return reportRequests(out, l.n, l.asked)
}

// judge holds the run against the targets. base may be nil.
func judge(out io.Writer, f flags, base, l *life) error {
	took, _ := l.total()
	missed := 0
	line := func(met bool, format string, args ...any) {
		word := "met   "
		if !met {
			word = "missed"
			missed++
		}
		fmt.Fprintf(out, "%s  %s\n", word, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(out, "\ntargets, at %d hosts\n", l.n)
	line(took < targetTime, "whole life of all hosts: %s, less than %s", took.Round(time.Second), targetTime)
	line(l.perHost() < targetCPU, "CPU of Ingot's processes: %.3f s per host, less than %.2f s", l.perHost().Seconds(), targetCPU.Seconds())
	line(l.peak < targetMemory, "memory of Ingot's processes together: %d MiB, less than %d MiB", l.peak>>20, int64(targetMemory)>>20)
	if base != nil {
		ratio := l.perHost().Seconds() / base.perHost().Seconds()
		line(ratio <= targetRatio, "CPU per host at %d hosts over that at %d: %.2f, at most %.1f", l.n, base.n, ratio, targetRatio)
	}
	if missed > 0 && f.check {
		return errors.New("targets were missed")
	}
	return nil
}

func metaLen(l client.ObjectList) int { return meta.LenList(l) }
