package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// settle is how long changes are gathered before a page is made anew. A page that takes long to make is made less often: it rests for restShare times as long.
	settle    = 150 * time.Millisecond
	restShare = 3
	// beat keeps a stream's connection open through what forgets quiet ones.
	beat = 20 * time.Second
	// writeTime is how long a browser may take to accept a message.
	writeTime = 30 * time.Second
)

// change is what a page's content differs by from what was sent before.
type change struct {
	// Body is the new one, nil where it is as it was.
	Body json.RawMessage `json:"body,omitempty"`
	// Rows are new or different; Gone are the keys of those that are no more. All: these are all rows.
	Rows []json.RawMessage `json:"rows,omitempty"`
	Gone []string          `json:"gone,omitempty"`
	All  bool              `json:"all,omitempty"`
}

func (c change) empty() bool { return c.Body == nil && len(c.Rows) == 0 && len(c.Gone) == 0 && !c.All }

// sent is what a browser has.
type sent struct {
	body  []byte
	rows  map[string][]byte
	begun bool
}

// next compares content with what was sent, and takes it to be sent.
func (s *sent) next(c Content) (change, error) {
	body, err := json.Marshal(c.Body)
	if err != nil {
		return change{}, fmt.Errorf("write the page: %w", err)
	}
	out := change{All: !s.begun}
	if !s.begun || !bytes.Equal(body, s.body) {
		out.Body, s.body = body, body
	}
	rows := make(map[string][]byte, len(c.Rows))
	for _, r := range c.Rows {
		text, err := json.Marshal(r)
		if err != nil {
			return change{}, fmt.Errorf("write the page: %w", err)
		}
		rows[r.Key()] = text
		if old, ok := s.rows[r.Key()]; !ok || !bytes.Equal(old, text) {
			out.Rows = append(out.Rows, text)
		}
	}
	for key := range s.rows {
		if _, ok := rows[key]; !ok {
			out.Gone = append(out.Gone, key)
		}
	}
	s.rows, s.begun = rows, true
	return out, nil
}

// wire is a stream of server-sent events, compressed where the browser takes that: ten thousand rows are some megabytes.
type wire struct {
	w     io.Writer
	flush func() error
	until func(time.Time) error
}

func open(w http.ResponseWriter, r *http.Request) *wire {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	out := &wire{w: w, flush: control.Flush, until: control.SetWriteDeadline}
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is one of its own
		out.w = z
		out.flush = func() error {
			if err := z.Flush(); err != nil {
				return err
			}
			return control.Flush()
		}
	}
	return out
}

func (o *wire) say(event string, what any) error {
	text, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return o.send("event: " + event + "\ndata: " + string(text) + "\n\n")
}

func (o *wire) send(text string) error {
	_ = o.until(time.Now().Add(writeTime)) // where it cannot be set, the connection's end is noticed by the server
	if _, err := io.WriteString(o.w, text); err != nil {
		return err
	}
	return o.flush()
}

// stream sends a page's content and then its changes, until the browser goes, the person is logged out, or the role ends.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, who *person, p page) {
	v, release, err := who.view(r.URL.Query().Get("namespace"))
	if err != nil {
		s.fail(w, err)
		return
	}
	defer release()
	c := v.reader()
	defer c.close()
	ctx, cancel := context.WithDeadline(r.Context(), who.until)
	defer cancel()
	defer context.AfterFunc(who.ctx, cancel)()
	p.live = true
	began := time.Now()
	content, err := s.read(ctx, c, who, p)
	if err != nil {
		if r.Context().Err() != nil {
			return // the browser went on
		}
		s.fail(w, err)
		return
	}
	out := open(w, r)
	have := &sent{}
	for {
		err := s.tell(out, have, content)
		if err != nil || !s.rest(ctx, out, c, time.Since(began)) {
			return
		}
		began = time.Now()
		next, err := s.read(ctx, c, who, p)
		if err != nil {
			if ctx.Err() == nil {
				code, text := s.explain(err)
				_ = out.say("failure", map[string]any{"code": code, "error": text}) // the browser asks again
			}
			return
		}
		content = next
	}
}

func (s *Server) tell(out *wire, have *sent, content Content) error {
	ch, err := have.next(content)
	if err != nil {
		s.o.Log.Error("web page not sent", "err", err)
		return err
	}
	if ch.empty() {
		return nil
	}
	return out.say("change", ch)
}

// rest waits for a change, and then for those that come with it. False: it is over.
func (s *Server) rest(ctx context.Context, out *wire, c *reader, cost time.Duration) bool {
	beats := time.NewTicker(beat)
	defer beats.Stop()
	for woken := false; !woken; {
		select {
		case <-ctx.Done():
			return false
		case <-c.wake:
			woken = true
		case <-beats.C:
			if out.send(": still here\n\n") != nil {
				return false
			}
		}
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(max(settle, restShare*cost)):
		return true
	}
}
