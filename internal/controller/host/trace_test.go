package host_test

import (
	"slices"
	"sync"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/step"
	"github.com/ingotmetal/ingot/tracing"
)

// spans keeps what it is given.
type spans struct {
	mu  sync.Mutex
	all []tracing.Span
}

func (s *spans) Export(more []tracing.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, more...)
}

// of are the spans of a name.
func (s *spans) of(name string) []tracing.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.all), func(x tracing.Span) bool { return x.Name != name })
}

// TestOneTraceOverARestart: what a process tells of a provisioning and what the next one tells of its first boot is one trace.
func TestOneTraceOverARestart(t *testing.T) {
	w := newWorld(t)
	told := &spans{}
	w.wrap = func(o *host.Options) { o.Traces = told }
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	w.until("the provisioning is told", func() bool { return len(told.of("provisioning")) > 0 })
	w.kill()
	w.start()
	r := w.reconciler()
	w.until("the report is taken", func() bool {
		return r.SaveFirstBoot(t.Context(), w.key("a"), hashText(m.reportToken()), host.FirstBootReport{Hostname: "a"}) == nil
	})
	w.until("the first boot is told", func() bool { return len(told.of(tracing.FirstBoot)) > 0 })
	roots, writes, boots := told.of("provisioning"), told.of(string(step.WriteImage)), told.of(tracing.FirstBoot)
	if len(roots) != 1 || len(writes) != 1 || len(boots) != 1 {
		t.Fatalf("told %d provisionings, %d writes, %d first boots", len(roots), len(writes), len(boots))
	}
	for _, s := range []tracing.Span{writes[0], boots[0]} {
		if s.Trace != roots[0].Trace || s.Parent != roots[0].ID {
			t.Errorf("%s hangs elsewhere", s.Name)
		}
	}
	for _, stage := range []string{"registering", "inspecting", "preparing"} {
		if len(told.of(stage)) != 1 {
			t.Errorf("%d traces of %s", len(told.of(stage)), stage)
		}
	}
	if len(told.of("available")) != 0 {
		t.Error("a rest is a trace")
	}
}
