package boot

import (
	"context"
	"sync"

	"github.com/ingotmetal/ingot/internal/role/traces"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/tracing"
)

// spans makes the spans of what the servers gave. A medium's reads, of which a BMC makes thousands, are one span, from the first to the last: it ends when the agent has traded its token, when the
// window is gone, or with the role.
type spans struct {
	export func([]tracing.Span)

	mu    sync.Mutex
	media map[read]tracing.Served
}

// read is by whom which boot's medium was read: a BMC, or two when the boot is asked for by another.
type read struct{ boot, client string }

func newSpans(export func([]tracing.Span)) *spans {
	return &spans{export: export, media: map[read]tracing.Served{}}
}

// tell implements window.Trace.
func (s *spans) tell(one tracing.Served) {
	if one.Server != serverMedia {
		s.export([]tracing.Span{one.Span()})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	by := read{one.Boot, one.Client}
	if before, ok := s.media[by]; ok {
		one = before.And(one)
	}
	s.media[by] = one
}

// over ends a boot's medium; all of them without a boot.
func (s *spans) over(boot string) {
	var out []tracing.Span
	s.mu.Lock()
	for by, one := range s.media {
		if boot == "" || by.boot == boot {
			out = append(out, one.Span())
			delete(s.media, by)
		}
	}
	s.mu.Unlock()
	if len(out) > 0 {
		s.export(out)
	}
}

// traces tells the collector what is served from now on until the role ends. Without a collector nothing is told.
func (p *process) traces(ctx context.Context) (run func(ctx context.Context) error, err error) {
	e, err := p.o.Traces.Open(ctx, traces.Role{Name: matrix.Boot, Partition: p.o.Partition, Flow: matrix.BootToTraces, Bound: p.bound, Metrics: p.registry, Log: p.log})
	if e == nil || err != nil {
		return func(context.Context) error { return nil }, err
	}
	s := newSpans(e.Export)
	p.trace, p.feed.over = s.tell, s.over
	return func(ctx context.Context) error {
		<-ctx.Done()
		s.over("")
		traces.Close(ctx, e, p.log)
		return nil
	}, nil
}
