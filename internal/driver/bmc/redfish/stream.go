package redfish

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/event"
	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/redfish/sse"
	"github.com/ingotmetal/ingot/step"
)

// stream implements bmc.EventStream over one HTTP answer that does not end.
type stream struct {
	c     *client
	sse   *sse.Reader
	queue []event.Event
	close func() error
}

// Stream implements bmc.Events.
func (e *events) Stream(ctx context.Context) (bmc.EventStream, error) {
	const op = "open event stream"
	about, err := e.about(ctx)
	if err != nil {
		return nil, e.s.wrap(op, err)
	}
	if about.ServerSentEventURI == "" {
		return nil, e.s.wrap(op, faultf(step.Unsupported, "GET %s: the BMC names no ServerSentEventUri", e.at))
	}
	st, err := e.s.c.stream(ctx, linkOf(string(about.ServerSentEventURI)))
	if err != nil {
		return nil, e.s.wrap(op, err)
	}
	return st, nil
}

// stream opens one, and once more after a new login where the BMC has forgotten the session. Opening is one call of the budget; the stream itself takes none, nor one of the places for calls.
func (c *client) stream(ctx context.Context, path link) (*stream, error) {
	c.mu.Lock()
	now, closed := c.session, c.closed
	c.mu.Unlock()
	if closed {
		return nil, faultf(step.Internal, "GET %s: the session is closed", path)
	}
	st, err := c.openStream(ctx, path, now)
	if statusOf(err) != http.StatusUnauthorized || now.token.IsZero() {
		return st, err
	}
	if now, err = c.relogin(ctx, now); err != nil {
		return nil, err
	}
	return c.openStream(ctx, path, now)
}

func (c *client) openStream(ctx context.Context, path link, s session) (*stream, error) {
	if err := c.budget.take(ctx); err != nil {
		return nil, err
	}
	living, end := context.WithCancel(context.WithoutCancel(ctx))
	opening := context.AfterFunc(ctx, end)
	late := time.AfterFunc(c.opts.CallTimeout, end)
	defer late.Stop()
	defer opening()
	st, err := c.startStream(living, end, path, s)
	if err != nil {
		end()
		c.budget.failures.Add(1)
		return nil, err
	}
	return st, nil
}

func (c *client) startStream(ctx context.Context, end func(), path link, s session) (*stream, error) {
	req, err := c.build(ctx, request{method: http.MethodGet, path: path}, s)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	hc, idle := c.streamClient()
	resp, err := hc.Do(req)
	if err != nil {
		return nil, transportFault(ctx, http.MethodGet, string(path), err)
	}
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, c.opts.MaxBodyBytes)) // what came of it says enough
		_ = resp.Body.Close()
		idle()
		return nil, statusFault(http.MethodGet, string(path), resp.StatusCode, body, []string{c.password.Reveal(), s.token.Reveal()})
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" {
		_ = resp.Body.Close()
		idle()
		return nil, faultf(step.Unsupported, "GET %s: expected a stream of events, got %q", path, clip(resp.Header.Get("Content-Type"), 60))
	}
	return &stream{c: c, sse: sse.New(resp.Body), close: sync.OnceValue(func() error {
		end()
		err := resp.Body.Close()
		idle()
		return err
	})}, nil
}

// streamClient has connections of its own: a stream must not take one from the calls.
func (c *client) streamClient() (*http.Client, func()) {
	t, own := c.http.Transport.(*http.Transport)
	if !own {
		return c.http, func() {}
	}
	t = t.Clone()
	t.MaxConnsPerHost = 0
	return &http.Client{Transport: t, CheckRedirect: c.http.CheckRedirect}, t.CloseIdleConnections
}

// Next implements bmc.EventStream. What is no event (a metric report, a broken line) is passed over: nothing depends on it.
func (s *stream) Next() (event.Event, error) {
	for len(s.queue) == 0 {
		data, err := s.sse.Next()
		if err != nil {
			return event.Event{}, s.c.wrap("read event stream", faultf(step.Unreachable, "the event stream ended: %w", err))
		}
		s.queue = parseEvents(data)
	}
	e := s.queue[0]
	s.queue = s.queue[1:]
	return e, nil
}

// Close implements bmc.EventStream.
func (s *stream) Close() error {
	if err := s.close(); err != nil {
		return s.c.wrap("close event stream", faultf(step.Internal, "%w", err))
	}
	return nil
}

// maxEvents bounds the events of one payload.
const maxEvents = 256

// parseEvents reads an Event resource (DMTF Event, v1_0 to v1_11); nothing where it is none.
func parseEvents(payload []byte) []event.Event {
	var view struct {
		Type   text `json:"@odata.type"`
		Events list[struct {
			EventType, MessageID, Message, Severity, MessageSeverity, EventTimestamp text
			Origin                                                                   link `json:"OriginOfCondition"`
		}]
	}
	if json.Unmarshal(payload, &view) != nil {
		return nil
	}
	if kind := strings.TrimPrefix(string(view.Type), "#"); kind != "" && !strings.HasPrefix(kind, "Event.") {
		return nil
	}
	var out []event.Event
	for _, r := range view.Events {
		if len(out) == maxEvents {
			break
		}
		level := health.ParseLevel(string(r.MessageSeverity))
		if level == health.Unknown {
			level = health.ParseLevel(string(r.Severity))
		}
		id, origin := clip(string(r.MessageID), 200), clip(string(r.Origin), 300)
		out = append(out, event.Event{
			Kind: event.Classify(id, string(r.EventType), origin, level), MessageID: id, Message: clip(string(r.Message), maxSaid), Origin: origin, Level: level, At: timeOf(r.EventTimestamp),
		})
	}
	return out
}

// timeOf reads a time of a BMC; zero for none.
func timeOf(t text) time.Time {
	at, err := time.Parse(time.RFC3339, string(t))
	if err != nil || at.Year() < 2000 {
		return time.Time{}
	}
	return at.UTC()
}

// The times of a push. A BMC may verify an image before it answers.
const (
	pushStall  = time.Minute
	pushAnswer = 10 * time.Minute
)

// upload is one request with an image in its body: before, the image, after.
type upload struct {
	path          link
	kind          string
	before, after []byte
	image         bmc.Image
}

func (u upload) length() int64 { return int64(len(u.before)) + u.image.SizeBytes + int64(len(u.after)) }

func (u upload) body() io.Reader {
	return io.MultiReader(bytes.NewReader(u.before), io.NewSectionReader(u.image.Content, 0, u.image.SizeBytes), bytes.NewReader(u.after))
}

// upload sends once, and once more after a new login where the BMC had forgotten the session: a request that was refused for its login did nothing.
func (c *client) upload(ctx context.Context, u upload) (*answer, error) {
	c.mu.Lock()
	now, closed := c.session, c.closed
	c.mu.Unlock()
	if closed {
		return nil, faultf(step.Internal, "POST %s: the session is closed", u.path)
	}
	a, err := c.uploadOnce(ctx, u, now)
	if statusOf(err) != http.StatusUnauthorized || now.token.IsZero() {
		return a, err
	}
	if now, err = c.relogin(ctx, now); err != nil {
		return nil, err
	}
	return c.uploadOnce(ctx, u, now)
}

func (c *client) uploadOnce(ctx context.Context, u upload, s session) (*answer, error) {
	if err := c.budget.enter(ctx); err != nil {
		return nil, err
	}
	defer c.budget.leave()
	if err := c.budget.take(ctx); err != nil {
		return nil, err
	}
	a, err := c.send(ctx, request{method: http.MethodPost, path: u.path, upload: &u}, s)
	if err != nil {
		c.budget.failures.Add(1)
	}
	return a, err
}

// patient is a body whose request is ended when nothing of it was taken for a time, and when no answer came for a longer one after all of it was.
type patient struct {
	from  io.Reader
	timer *time.Timer
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	p.timer.Reset(pushStall)
	n, err := p.from.Read(b)
	if err != nil {
		p.timer.Reset(pushAnswer)
	}
	return n, err
}

// sending gives the context of one request: bounded as a whole, or for an upload by its progress.
func (c *client) sending(ctx context.Context, r request) (sending context.Context, end func(), body io.Reader) {
	if r.upload == nil {
		sending, end = context.WithTimeout(ctx, c.opts.CallTimeout)
		return sending, end, nil
	}
	sending, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(pushStall, func() {
		cancel(faultf(step.Timeout, "POST %s: the BMC took nothing more of the image for %s, or gave no answer for %s after it had all", r.path, pushStall, pushAnswer))
	})
	return sending, func() { timer.Stop(); cancel(nil) }, &patient{from: r.upload.body(), timer: timer}
}
