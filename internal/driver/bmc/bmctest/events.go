package bmctest

import (
	"slices"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/event"
	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// Events is how a BMC sends events.
type Events struct {
	// Streams: it also sends them over connections that are opened to it. Cut ends the open ones from its side.
	Streams bool
	Cut     func()
	// Received are the headers and contexts of what came to a receiver that the rig has; Receiver is its URL. Empty: the BMC delivers nothing, as a fake.
	Receiver string
	Received func() []Received
	// Subscribed are the BMC's own subscriptions, with their headers.
	Subscribed func() []bmc.Subscription
}

// Received is one delivered event.
type Received struct {
	Context, Message string
	Headers          map[string]string
}

// Health is how a machine gets ill: Sensor becomes critical, with an entry in the event log where the BMC keeps one.
type Health struct {
	Sensor string
	Worsen func()
	Heal   func()
	// NoRollup: the protocol has no rollup, so that vitals stay unknown. NoLog: the BMC keeps no event log.
	NoRollup, NoLog bool
}

// events is the BMC's, nil where the rig has none, after the BMC said so.
func (r *run) events(t *testing.T) bmc.Events {
	t.Helper()
	has := r.s.Events() != nil
	if has != (r.Events != nil) || r.can(bmc.CanEvents) != has {
		t.Fatalf("events: the rig has them: %v, the session: %v, the capabilities: %v", r.Events != nil, has, r.can(bmc.CanEvents))
	}
	return r.s.Events()
}

func (r *run) subscribe(t *testing.T, e bmc.Events, s bmc.Subscription) string {
	t.Helper()
	id, err := e.Subscribe(t.Context(), s)
	if err != nil || id == "" {
		t.Fatalf("subscribe: %q, %v", id, err)
	}
	return id
}

// subscriptions are made, found, listed and removed; what is not there is no error to remove.
func subscriptions(t *testing.T, r *run) {
	e := r.events(t)
	if e == nil {
		return
	}
	where := r.Events.Receiver
	if where == "" {
		where = "http://10.0.0.9/events"
	}
	a := bmc.Subscription{Destination: where, Context: "rack 7", Headers: map[string]secret.String{"X-Token": secret.New("t0ken-4711")}}
	b := bmc.Subscription{Destination: where + "?other"}
	a.ID, b.ID = r.subscribe(t, e, a), r.subscribe(t, e, b)
	if a.ID == b.ID {
		t.Fatalf("two subscriptions of one ID %q", a.ID)
	}
	for _, want := range []bmc.Subscription{a, b} {
		got, found, err := e.Find(t.Context(), want.ID)
		if err != nil || !found || !got.Same(want) || got.ID != want.ID || len(got.Headers) != 0 {
			t.Errorf("find %s: %+v, %v, %v", want.ID, got, found, err)
		}
	}
	all, err := e.List(t.Context())
	if err != nil || len(all) != 2 || !slices.ContainsFunc(all, a.Same) || !slices.ContainsFunc(all, b.Same) {
		t.Errorf("list: %+v, %v", all, err)
	}
	own := r.Events.Subscribed()
	if i := slices.IndexFunc(own, a.Same); i < 0 || own[i].Headers["X-Token"].Reveal() != "t0ken-4711" {
		t.Errorf("the BMC has %+v", own)
	}
	for range 2 {
		if err := e.Unsubscribe(t.Context(), a.ID); err != nil {
			t.Errorf("unsubscribe: %v", err)
		}
	}
	for _, id := range []string{a.ID, "no-such", "..", ""} {
		if _, found, err := e.Find(t.Context(), id); found || err != nil {
			t.Errorf("find %q: %v, %v", id, found, err)
		}
	}
	if err := e.Unsubscribe(t.Context(), ".."); err != nil {
		t.Errorf("unsubscribe what is no ID: %v", err)
	}
	if left := r.Events.Subscribed(); len(left) != 1 || left[0].ID != b.ID {
		t.Errorf("left are %+v", left)
	}
	for _, bad := range []string{"", "file:///etc/passwd", "receiver", "ftp://10.0.0.9/"} {
		_, err := e.Subscribe(t.Context(), bmc.Subscription{Destination: bad})
		wantKind(t, "subscribe "+bad, err, step.Invalid)
	}
}

// delivery: an event reaches its receiver with the context and the headers, and no other.
func delivery(t *testing.T, r *run) {
	e := r.events(t)
	if e == nil || r.Events.Receiver == "" {
		return
	}
	id := r.subscribe(t, e, bmc.Subscription{Destination: r.Events.Receiver, Context: "rack 7", Headers: map[string]secret.String{"X-Token": secret.New("t0ken-4711")}})
	if err := e.SubmitTest(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	got := func(message string) bool {
		return slices.ContainsFunc(r.Events.Received(), func(x Received) bool {
			return x.Context == "rack 7" && x.Headers["X-Token"] == "t0ken-4711" && strings.Contains(strings.ToLower(x.Message), message)
		})
	}
	eventually(t, "the test event at the receiver", func() bool { return got("hello") })
	r.do(t, bmc.PowerOn, bmc.On)
	eventually(t, "the power event at the receiver", func() bool { return got("powered on") })
	if err := e.Unsubscribe(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// eventStream: what happens to the machine is told over the stream, and a stream that ends says so.
func eventStream(t *testing.T, r *run) {
	e := r.events(t)
	if e == nil {
		return
	}
	s, err := e.Stream(t.Context())
	if !r.Events.Streams {
		wantKind(t, "open event stream", err, step.Unsupported)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	next := func(k event.Kind) {
		t.Helper()
		for {
			got, err := s.Next()
			if err != nil {
				t.Fatalf("waiting for an event about %s: %v", k, err)
			}
			if got.Kind == k {
				return
			}
		}
	}
	r.do(t, bmc.PowerOn, bmc.On)
	next(event.Power)
	if err := e.SubmitTest(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	next(event.Test)
	r.do(t, bmc.ForceOff, bmc.Off)
	next(event.Power)
	if r.Health != nil {
		r.Health.Worsen()
		next(event.Health)
	}
	r.Events.Cut()
	for err == nil {
		_, err = s.Next()
	}
	wantKind(t, "read a stream that was cut", err, step.Unreachable)
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	closedStream(t, e)
}

// closedStream: Close ends a Next that waits.
func closedStream(t *testing.T, e bmc.Events) {
	t.Helper()
	s, err := e.Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := s.Next(); err != nil {
				ended <- err
				return
			}
		}
	}()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	wantKind(t, "read a closed stream", <-ended, step.Unreachable)
}

// healthReadings: the vitals have power and rollup; an ill machine says which sensor, and the log has it.
func healthReadings(t *testing.T, r *run) {
	h := r.s.Health()
	if (h != nil) != (r.Health != nil) || r.can(bmc.CanHealth) != (h != nil) {
		t.Fatalf("health: the rig has it: %v, the session: %v, the capabilities: %v", r.Health != nil, h != nil, r.can(bmc.CanHealth))
	}
	if h == nil {
		return
	}
	r.do(t, bmc.PowerOn, bmc.On)
	is := func(want health.Level) {
		t.Helper()
		if r.Health.NoRollup {
			want = health.Unknown
		}
		if v, err := h.Vitals(t.Context()); err != nil || v.Power != bmc.On || v.Rollup != want {
			t.Errorf("vitals %+v, %v, want %q", v, err, want)
		}
	}
	bad := func() (names []string) {
		t.Helper()
		sensors, err := h.Sensors(t.Context())
		if err != nil || len(sensors) == 0 {
			t.Fatalf("sensors %+v, %v", sensors, err)
		}
		for _, s := range sensors {
			if s.Name == "" || s.Reading == nil && s.State == "" && s.Level == health.Critical {
				t.Errorf("a sensor without name or reading: %+v", s)
			}
			if s.Level == health.Critical {
				names = append(names, s.Name)
			}
		}
		return names
	}
	is(health.OK)
	if names := bad(); len(names) != 0 {
		t.Errorf("critical in a healthy machine: %v", names)
	}
	r.Health.Worsen()
	is(health.Critical)
	if names := bad(); !slices.Equal(names, []string{r.Health.Sensor}) {
		t.Errorf("critical are %v, want %s", names, r.Health.Sensor)
	}
	r.logged(t, h)
	r.Health.Heal()
	is(health.OK)
	if names := bad(); len(names) != 0 {
		t.Errorf("critical in a healed machine: %v", names)
	}
}

func (r *run) logged(t *testing.T, h bmc.Health) {
	t.Helper()
	entries, err := h.Log(t.Context(), 5)
	if err != nil || r.Health.NoLog != (len(entries) == 0) || len(entries) > 5 {
		t.Fatalf("log %+v, %v", entries, err)
	}
	if r.Health.NoLog {
		return
	}
	if e := entries[0]; e.ID == "" || e.Level != health.Critical || e.Message == "" || e.At.IsZero() {
		t.Errorf("the newest entry is %+v", e)
	}
	if one, err := h.Log(t.Context(), 1); err != nil || len(one) != 1 || one[0].ID != entries[0].ID {
		t.Errorf("the newest entry alone: %+v, %v", one, err)
	}
	if none, err := h.Log(t.Context(), 0); err != nil || len(none) != 0 {
		t.Errorf("no entries: %+v, %v", none, err)
	}
}
