package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/server/caller"
	"github.com/ingotmetal/ingot/internal/server/console/line"
	"github.com/ingotmetal/ingot/internal/server/console/wire"
)

// askTime bounds the questions before a session.
const askTime = 30 * time.Second

// Handler is the HTTP API. What it serves must verify client certificates against the site's CA, where they are shown.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/consoles/{kind}/{namespace}/{name}", s.known(s.websocket))
	mux.HandleFunc("POST /v1/ssh/certificate", s.known(s.certificate))
	mux.HandleFunc("GET /v1/recordings", s.known(s.listRecordings))
	mux.HandleFunc("GET /v1/recordings/{id}", s.known(s.readRecording))
	return mux
}

// known serves those who say who they are.
func (s *Server) known(serve func(w http.ResponseWriter, r *http.Request, who caller.Caller)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), askTime)
		defer cancel()
		who, err := s.o.Reviewer.Authenticate(ctx, r)
		if err != nil {
			s.o.Log.Error("person not made out", "err", err)
			http.Error(w, "the API server cannot be asked who you are: try again", http.StatusServiceUnavailable)
			return
		}
		if who == nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a client certificate or a bearer token of the API server is needed", http.StatusUnauthorized)
			return
		}
		serve(w, r, *who)
	}
}

func (s *Server) websocket(w http.ResponseWriter, r *http.Request, who caller.Caller) {
	target, err := console.ParseTarget(r.PathValue("kind"), r.PathValue("namespace"), r.PathValue("name"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	want := wish{from: r.RemoteAddr}
	switch mode := r.URL.Query().Get("mode"); mode {
	case "", "type":
	case "look":
		want.lookOnly = true
	case "take-over":
		want.takeOver = true
	default:
		http.Error(w, `mode is "type", "look" or "take-over"`, http.StatusBadRequest)
		return
	}
	if !websocket.IsWebSocketUpgrade(r) {
		http.Error(w, "a console is a WebSocket: use `ingot console`", http.StatusUpgradeRequired)
		return
	}
	asking, cancel := context.WithTimeout(r.Context(), askTime)
	defer cancel()
	v, err := s.enter(asking, who, target, want)
	if err != nil {
		code, text := status(err)
		if code == http.StatusServiceUnavailable {
			s.o.Log.Error("console not opened", "machine", target.String(), "err", err)
		}
		http.Error(w, text, code)
		return
	}
	defer s.leave(v, target)
	conn, err := (&websocket.Upgrader{HandshakeTimeout: wire.Patience}).Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer func() { _ = conn.Close() }()
	s.talk(r.Context(), conn, v, want)
}

// talk carries a session over a WebSocket until either side ends it.
func (s *Server) talk(ctx context.Context, conn *websocket.Conn, v *visit, want wish) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wire.Alive(conn)
	go func() {
		defer cancel()
		for {
			p, m, err := wire.Read(conn)
			switch {
			case err != nil:
				return
			case m == nil:
				v.typed(ctx, p)
			case m.Type == wire.TakeOver:
				v.takeOver(want)
			}
		}
	}()
	go func() {
		beats := time.NewTicker(wire.Beat)
		defer beats.Stop()
		for {
			select {
			case <-beats.C:
				_ = wire.Ping(conn) // the read fails where this did
			case <-ctx.Done():
				return
			}
		}
	}()
	if wire.Send(conn, wire.Message{Type: wire.Begin, Text: v.verdict.HostName, Recording: v.recorder.ID}) != nil {
		return
	}
	for {
		i, err := v.seat.Next(ctx)
		if err != nil || s.send(conn, v, i) != nil || i.Kind == line.EndItem {
			return
		}
	}
}

func (s *Server) send(conn *websocket.Conn, v *visit, i line.Item) error {
	switch i.Kind {
	case line.BytesItem:
		return wire.SendBytes(conn, i.Bytes)
	case line.WriterItem:
		return wire.Send(conn, wire.Message{Type: wire.Writer, Text: i.Text, Writer: i.Writer})
	case line.EndItem:
		_ = v.recorder.Mark(i.Text) // the session ends either way
		return wire.Send(conn, wire.Message{Type: wire.End, Text: i.Text, Reason: i.Reason, Final: true})
	default:
		_ = v.recorder.Mark(i.Text) // bytes of the console fail with the same file
		return wire.Send(conn, wire.Message{Type: wire.Notice, Text: i.Text})
	}
}

func answer(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what) // a client that is gone needs no answer
}

// isRefusal tells a verdict from a failure.
func isRefusal(err error) bool {
	var r refusal
	return errors.As(err, &r)
}
