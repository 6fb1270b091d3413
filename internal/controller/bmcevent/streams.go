package bmcevent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingotmetal/ingot/event"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// StreamOptions are those of Streams.
type StreamOptions struct {
	// Open opens a BMC's stream; bmc.Pool.Stream is one.
	Open func(ctx context.Context, t bmc.Target) (bmc.EventStream, error)
	// Most is how many streams are open at once; 0: none is ever opened. OpenTimeout bounds the opening of one; 0: 30 s.
	Most        int
	OpenTimeout time.Duration
	Log         *slog.Logger
	Metrics     prometheus.Registerer
	// Now is time.Now when nil.
	Now func() time.Time
}

// Streams keeps a stream of events for each host that wants one. What it holds is in memory only: after a restart the hosts ask again.
type Streams struct {
	o      StreamOptions
	events *prometheus.CounterVec

	mu sync.Mutex
	// ctx is set while the process leads; nil: nothing is opened.
	ctx    context.Context // streams live as long as the runnable, over the calls that want them
	hosts  map[types.NamespacedName]*listener
	active int
	work   sync.WaitGroup
}

// listener is one host's stream. Its fields are guarded by Streams.mu.
type listener struct {
	target bmc.Target
	heard  func()
	// running: a goroutine is at it. open: the stream is.
	running, open bool
	stop          context.CancelFunc
	// notBefore is when it is worth another try, bad how many bad streams there were in a row.
	notBefore time.Time
	bad       int
}

// NewStreams makes an empty set.
func NewStreams(o StreamOptions) (*Streams, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OpenTimeout <= 0 {
		o.OpenTimeout = 30 * time.Second
	}
	s := &Streams{o: o, hosts: map[types.NamespacedName]*listener{}}
	s.events = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ingot_bmc_events_total", Help: "Events that came over BMCs' event streams, by what they are about."}, []string{"kind"})
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ingot_bmc_event_streams", Help: "Open event streams of BMCs."}, func() float64 { return float64(s.Len()) })
	if o.Metrics == nil {
		return s, nil
	}
	for _, c := range []prometheus.Collector{s.events, open} {
		if err := o.Metrics.Register(c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Start implements manager.Runnable: streams are opened while ctx lives, and all are closed when it returns.
func (s *Streams) Start(ctx context.Context) error {
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.ctx = nil
	s.mu.Unlock()
	s.work.Wait()
	return nil
}

// Len is how many streams are open.
func (s *Streams) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range s.hosts {
		if l.open {
			n++
		}
	}
	return n
}

// Keep implements host.Streams. It is called at every look at a host at rest, so that nothing here needs a timer to try again.
func (s *Streams) Keep(key types.NamespacedName, t bmc.Target, heard func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.hosts[key]
	if l != nil && !l.target.Same(t) {
		s.drop(key)
		l = nil
	}
	if l == nil {
		l = &listener{target: t}
		s.hosts[key] = l
	}
	l.heard = heard
	if s.ctx == nil || l.running || s.active >= s.o.Most || s.o.Now().Before(l.notBefore) {
		return
	}
	var ctx context.Context
	ctx, l.stop = context.WithCancel(s.ctx)
	l.running = true
	s.active++
	s.work.Go(func() { s.run(ctx, l) })
}

// Open implements host.Streams.
func (s *Streams) Open(key types.NamespacedName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.hosts[key]
	return l != nil && l.open
}

// Drop implements host.Streams.
func (s *Streams) Drop(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(key)
}

// drop is called with mu held.
func (s *Streams) drop(key types.NamespacedName) {
	if l := s.hosts[key]; l != nil && l.stop != nil {
		l.stop()
	}
	delete(s.hosts, key)
}

// run opens one stream and reads it to its end.
func (s *Streams) run(ctx context.Context, l *listener) {
	lived, err := s.listen(ctx, l)
	s.mu.Lock()
	l.running, l.open = false, false
	l.stop()
	s.active--
	pause, bad := event.Reopen(l.bad, lived)
	if bmc.KindOf(err) == step.Unsupported {
		pause = event.NoStream()
	}
	l.bad, l.notBefore = bad, s.o.Now().Add(pause)
	heard := l.heard
	s.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	s.o.Log.Debug("event stream of a BMC ended", "bmc", l.target.Address, "err", err)
	if lived > 0 {
		heard() // from now on the host is polled again
	}
}

// listen returns how long the stream was open, 0 where it never was.
func (s *Streams) listen(ctx context.Context, l *listener) (time.Duration, error) {
	opening, cancel := context.WithTimeout(ctx, s.o.OpenTimeout)
	stream, err := s.o.Open(opening, l.target)
	cancel()
	if err != nil {
		return 0, err
	}
	ended := context.AfterFunc(ctx, func() { _ = stream.Close() }) // a Next that waits ends with it
	began := s.o.Now()
	s.mu.Lock()
	l.open = true
	heard := l.heard
	s.mu.Unlock()
	heard() // what happened before the stream was open has to be read once
	err = s.read(stream, l)
	if ended() {
		_ = stream.Close() // the error that ended the reading is the one to tell
	}
	return max(s.o.Now().Sub(began), time.Nanosecond), err
}

// read has the host looked at for events that are a reason to, at the gate's pace.
func (s *Streams) read(stream bmc.EventStream, l *listener) error {
	var gate event.Gate
	var mu sync.Mutex
	var waiting *time.Timer
	tell := func() {
		s.mu.Lock()
		heard := l.heard
		s.mu.Unlock()
		heard()
	}
	defer func() {
		mu.Lock()
		defer mu.Unlock()
		if waiting != nil {
			waiting.Stop()
		}
	}()
	for {
		e, err := stream.Next()
		if err != nil {
			return err
		}
		s.events.WithLabelValues(string(e.Kind)).Inc()
		if !e.Kind.Wakes() {
			continue
		}
		mu.Lock()
		if waiting == nil {
			var wait time.Duration
			if gate, wait = gate.Next(time.Now()); wait == 0 {
				mu.Unlock()
				tell()
				continue
			}
			waiting = time.AfterFunc(wait, func() {
				mu.Lock()
				waiting = nil
				mu.Unlock()
				tell()
			})
		}
		mu.Unlock()
	}
}
