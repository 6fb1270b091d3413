package seeded

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/lifecycle"
	"github.com/ingotmetal/ingot/test/sim/seeded/store"
)

// faults are how often something goes wrong, in a thousand.
type faults struct {
	// The API server and the process.
	crash, apiError, lostAnswer, meddle int
	// BMCs.
	unreachable, busy, internal, bmcAnswerLost, hang, stale, forget int
	// Machines and agents.
	machineHangs, agentDies, stepFails, stain, messageLost, messageTwice, neighbour int
}

// world is one run.
type world struct {
	*dice
	began    time.Time
	faults   faults
	store    *store.Store
	bmcs     *fake.Driver
	agenda   *agenda
	process  *process
	machines []*machine
	decide   func(journey.Facts, time.Time) journey.Decision
	// trusting breaks enrolment, eager the agents' writing: see broken_test.go.
	trusting, eager bool
	// ending: owners make no host again.
	ending bool
	// healAt is when the trouble ends.
	healAt time.Time
	passes int
	poked  chan struct{}
	pace   map[types.NamespacedName]*pace

	mu      sync.Mutex
	trace   []string
	changes []store.Change
	broken  []string
	// accepted are the keys that were let in, by boot.
	accepted map[string]map[string]bool
	marks    []string
}

// newWorld makes a site of n machines, each with its BMC's Secret and no host yet.
func newWorld(seed uint64, n int) (*world, error) {
	w := &world{dice: newDice(seed), began: time.Now(), bmcs: fake.New(), agenda: newAgenda(), poked: make(chan struct{}, 1), pace: map[types.NamespacedName]*pace{}, accepted: map[string]map[string]bool{}}
	w.decide = w.traced(lifecycle.Decide)
	w.store = store.New(host.Scheme(), w.now)
	for _, i := range host.Indexes() {
		if err := w.store.Index(i.Object, i.Field, i.Values); err != nil {
			return nil, err
		}
	}
	w.store.Watch(w.changed)
	if err := w.create(partition()); err != nil {
		return nil, err
	}
	for i := range n {
		m, err := w.addMachine(fmt.Sprintf("h%d", i), []string{"a", "b"}[i%2])
		if err != nil {
			return nil, err
		}
		w.machines = append(w.machines, m)
	}
	w.collect()
	return w, w.startProcess()
}

func (w *world) now() time.Time { return time.Now() }

// collect runs the garbage collector now and then.
func (w *world) collect() {
	w.agenda.add(w.now().Add(w.between(10*time.Second, 2*time.Minute, "collect")), "~collector", func() {
		w.store.Collect()
		w.collect()
	})
}

// changed hands a write to the process and keeps it for the invariants. The store is locked.
func (w *world) changed(c store.Change) {
	if p := w.process; p != nil && !p.dead() {
		p.cache.changed(c)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, c)
}

// lag is how late a change is seen.
func (w *world) lag(c store.Change) time.Duration {
	what := "lag " + c.ID.Key.String()
	if w.chance(20, what) {
		return w.between(time.Second, 8*time.Second, what)
	}
	return w.between(0, 80*time.Millisecond, what)
}

// run lets the site live until the time, or until something is broken.
func (w *world) run(until time.Time) {
	for len(w.wrongs()) == 0 {
		w.settle()
		next, any := w.agenda.next()
		if p := w.process; p != nil {
			if at, busy := p.next(); busy && (!any || at.Before(next)) {
				next, any = at, true
			}
		}
		if !any || next.After(until) {
			next = until
		}
		if wait := next.Sub(w.now()); wait > 0 {
			w.sleep(wait)
			w.settle()
		}
		if !w.now().Before(until) {
			return
		}
		w.step()
	}
}

// sleep lets time go by until something beside the loop wants its attention.
func (w *world) sleep(longest time.Duration) {
	select {
	case <-time.After(longest):
	case <-w.poked:
	}
}

// poke has the loop look again at what is due.
func (w *world) poke() {
	select {
	case w.poked <- struct{}{}:
	default:
	}
}

// step is one event, or one look of the process. Actions on BMCs that ended meanwhile have queued theirs.
func (w *world) step() {
	if e := w.agenda.take(w.now()); e != nil {
		e.do()
	} else if p := w.process; p != nil {
		p.next()
		p.look()
	}
	w.settle()
}

// settle waits for what runs beside the loop, buries a dead process, and looks at the invariants.
func (w *world) settle() {
	synctest.Wait()
	if p := w.process; p != nil && p.dead() {
		w.process = nil
		p.bury()
		w.agenda.add(w.now().Add(w.between(time.Second, time.Minute, "restart")), "~process", func() {
			w.note("", "the process starts again")
			if err := w.startProcess(); err != nil {
				w.wrong("the process does not start: %v", err)
			}
		})
	}
	for _, m := range w.machines {
		if m.agent != nil {
			m.agent.heed()
		}
	}
	w.check()
}

// end lets go of everything that runs.
func (w *world) end() {
	if p := w.process; p != nil {
		p.die("the end")
		p.bury()
		w.process = nil
	}
}

func (w *world) create(o client.Object) error {
	if err := w.store.Create(context.Background(), o); err != nil {
		return fmt.Errorf("create %T %s: %w", o, o.GetName(), err)
	}
	return nil
}

// note adds a line to the trace.
func (w *world) note(who, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.now().Sub(w.began).Round(time.Millisecond)
	w.trace = append(w.trace, fmt.Sprintf("%13s %-4s %s", at, who, fmt.Sprintf(format, args...)))
}

// wrong notes something that must never be.
func (w *world) wrong(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.note("", "WRONG: %s", text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = append(w.broken, text)
}

func (w *world) wrongs() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.broken)
}

// traced notes each decision that differs from the host's last one.
func (w *world) traced(decide func(journey.Facts, time.Time) journey.Decision) func(journey.Facts, time.Time) journey.Decision {
	last := map[string]string{}
	var mu sync.Mutex
	return func(f journey.Facts, now time.Time) journey.Decision {
		d := decide(f, now)
		action := ""
		if d.Action != nil {
			action = " -> " + d.Action.Name()
		}
		text := fmt.Sprintf("%s: %s %s%s: %s", d.Host.Status.Provisioning.State, d.Outcome.Kind, d.Outcome.Reason, action, d.Outcome.Message)
		mu.Lock()
		defer mu.Unlock()
		if last[f.Host.Name] != text {
			last[f.Host.Name] = text
			w.note(f.Host.Name, "%s", text)
		}
		return d
	}
}

// hostOf and recordOf are the objects as they stand, nil for none.
func (w *world) hostOf(key types.NamespacedName) *metal3.BareMetalHost {
	h, _ := w.store.Object(store.ID{Kind: metal3.GroupVersion.WithKind("BareMetalHost"), Key: key}).(*metal3.BareMetalHost)
	return h
}

func (w *world) recordOf(key types.NamespacedName) *ingot.HostLifecycle {
	l, _ := w.store.Object(store.ID{Kind: ingot.GroupVersion.WithKind("HostLifecycle"), Key: key}).(*ingot.HostLifecycle)
	return l
}

// meddle is somebody else's write to a host, between a read and a write of the process.
func (w *world) meddle(o client.Object) {
	h := w.hostOf(client.ObjectKeyFromObject(o))
	if _, is := o.(*metal3.BareMetalHost); !is || h == nil {
		return
	}
	w.edit(client.ObjectKeyFromObject(o), func(h *metal3.BareMetalHost) {
		setAnnotation(h, "example.com/meddled", fmt.Sprint(w.below(1000, "meddled "+h.Name)))
	})
}

func kindName(o any) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", o), "*")
}

func nameOf(o client.Object) string {
	return kindName(o) + " " + o.GetNamespace() + "/" + o.GetName()
}

func idOf(w *world, o client.Object) store.ID {
	kind, err := apiutil.GVKForObject(o, w.store.Scheme())
	if err != nil {
		w.wrong("kind of %T: %v", o, err)
	}
	return store.ID{Kind: kind, Key: client.ObjectKeyFromObject(o)}
}

func asJSON(o any) string {
	text, err := json.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
