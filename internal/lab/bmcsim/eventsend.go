package bmcsim

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/http"
	"strconv"
	"time"
)

const (
	deliveryAttempts = 3
	deliveryPause    = time.Second
	deliveryTimeout  = 5 * time.Second
	// sseKeepAlive is how often a comment shows that a quiet stream is alive.
	sseKeepAlive = 20 * time.Second
	// boardPeriod is how often the BMCs look at their machines' power, while somebody listens: a machine turns itself off without telling them.
	boardPeriod = 50 * time.Millisecond
)

// deliverTo starts the sender of a subscription. It is called with hub.mu held.
func (b *BMC) deliverTo(s *subscriber) {
	ctx, cancel := context.WithCancel(b.server.ctx)
	s.end = cancel
	t := &http.Transport{DialContext: b.server.opts.MediaDial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: b.server.opts.MediaRoots, InsecureSkipVerify: !s.verify}} // VerifyCertificate is false from the start (EventDestination)
	sender := &http.Client{Transport: t, Timeout: deliveryTimeout}
	b.server.work.Go(func() {
		defer t.CloseIdleConnections()
		for {
			select {
			case <-ctx.Done():
				return
			case body := <-s.queue:
				deliver(ctx, sender, s, body)
			}
		}
	})
}

// deliver sends one event, and again where the receiver did not take it.
func deliver(ctx context.Context, sender *http.Client, s *subscriber, body []byte) {
	for range deliveryAttempts {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Destination, bytes.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json;charset=utf-8")
		for name, value := range s.Headers {
			req.Header.Set(name, value)
		}
		resp, err := sender.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode < 300 {
				return
			}
		}
		select {
		case <-time.After(deliveryPause):
		case <-ctx.Done():
			return
		}
	}
}

// streams says whether a request is for the event stream.
func (b *BMC) streams(c *call) bool {
	return c.path == ssePath && c.method == http.MethodGet && !b.who.NoEvents && !b.who.NoEventStream
}

// serveStream answers with server-sent events (DSP0266 §13.5.2) until the client, the BMC or the stream ends.
func (b *BMC) serveStream(w http.ResponseWriter, r *http.Request, c *call) {
	if refusal := b.authenticate(c); refusal != nil {
		write(w, r, *refusal, false)
		return
	}
	events := make(chan []byte, listenerQueue)
	b.hub.mu.Lock()
	full := len(b.hub.streams) >= maxStreams
	if !full {
		if b.hub.streams == nil {
			b.hub.streams = map[chan []byte]struct{}{}
		}
		b.hub.streams[events] = struct{}{}
	}
	b.hub.mu.Unlock()
	if full {
		write(w, r, refuse(http.StatusServiceUnavailable, "ServiceTemporarilyUnavailable", "There is no place for another event stream."), false)
		return
	}
	defer func() {
		b.hub.mu.Lock()
		defer b.hub.mu.Unlock()
		delete(b.hub.streams, events)
	}()
	b.powerEvent(false)
	b.server.watchBoards()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("OData-Version", "4.0")
	w.WriteHeader(http.StatusOK)
	b.pump(r.Context(), w, events)
}

func (b *BMC) pump(ctx context.Context, w http.ResponseWriter, events chan []byte) {
	out := http.NewResponseController(w)
	alive := time.NewTicker(sseKeepAlive)
	defer alive.Stop()
	send := func(text string) bool {
		_, err := w.Write([]byte(text))
		return err == nil && out.Flush() == nil
	}
	if !send(": stream of events\n\n") {
		return
	}
	for n := 1; ; n++ {
		select {
		case body, open := <-events:
			if !open || !send("id: "+strconv.Itoa(n)+"\ndata: "+string(body)+"\n\n") {
				return
			}
		case <-alive.C:
			if !send(": alive\n\n") {
				return
			}
		case <-ctx.Done():
			return
		case <-b.server.ctx.Done():
			return
		}
	}
}

// listened says whether anybody hears this BMC.
func (b *BMC) listened() bool {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	return len(b.hub.subs) > 0 || len(b.hub.streams) > 0
}

// watchBoards starts, once, the loop by which BMCs notice what machines did by themselves.
func (s *Server) watchBoards() {
	s.boards.Do(func() {
		s.work.Go(func() {
			t := time.NewTicker(boardPeriod)
			defer t.Stop()
			for {
				select {
				case <-t.C:
				case <-s.ctx.Done():
					return
				}
				for _, b := range s.all() {
					if b.listened() {
						b.powerEvent(false)
					}
				}
			}
		})
	})
}

func (s *Server) all() []*BMC {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*BMC, 0, len(s.byPort))
	for _, b := range s.byPort {
		out = append(out, b)
	}
	return out
}
