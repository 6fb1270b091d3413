package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/server/caller"
	"github.com/ingotmetal/ingot/internal/server/console/gate"
	"github.com/ingotmetal/ingot/internal/server/console/line"
	"github.com/ingotmetal/ingot/internal/server/console/recording"
	"github.com/ingotmetal/ingot/sshcert"
)

// Options are a server's.
type Options struct {
	Gate     *gate.Gate
	Reviewer caller.Reviewer
	Live     client.Client
	Store    *recording.Store
	// RecordInput writes what is typed into recordings too, passwords among it.
	RecordInput bool
	// Reach opens the console of a host.
	Reach func(ctx context.Context, host client.ObjectKey) (line.Way, error)
	// Authority signs people's certificates; SSHNames are the names that people dial the SSH server by.
	Authority *sshcert.Authority
	SSHNames  []string
	Partition string
	Now       func() time.Time
	Log       *slog.Logger
}

// Server serves until its context ends.
type Server struct {
	o     Options
	lines *line.Book[lineKey]
	// sessions, refused and cut count for metrics.
	sessions, refused, cut atomic.Int64
}

// lineKey tells consoles apart: seats of two allocations share nothing.
type lineKey struct {
	host       client.ObjectKey
	allocation console.Allocation
}

// New makes a server whose lines end with ctx.
func New(ctx context.Context, o Options) *Server {
	return &Server{o: o, lines: &line.Book[lineKey]{Ctx: ctx, Log: o.Log}}
}

// Counts are how many sessions there were, were refused, and were ended against their holder's will.
func (s *Server) Counts() (sessions, refused, cut int64) {
	return s.sessions.Load(), s.refused.Load(), s.cut.Load()
}

// Open is how many consoles and sessions are open now.
func (s *Server) Open() (lines, sessions int) { return s.lines.Len(), s.o.Gate.Len() }

// visit is one session.
type visit struct {
	session  *gate.Session
	seat     *line.Seat
	recorder *recording.Recorder
	verdict  console.Verdict
}

// wish is what somebody asks for beside the console itself.
type wish struct {
	// lookOnly: not to type; takeOver: to type in the place of who does.
	lookOnly, takeOver bool
	from               string
	// kick cuts the connection of one who was put out and does not take the word for it; nil where the connection's own deadlines do.
	kick func()
}

// kickAfter is how long somebody who was put out has to take the reason.
const kickAfter = 5 * time.Second

// refusal is a verdict that is no error of ours.
type refusal struct{ console.Verdict }

func (r refusal) Error() string { return r.Message }

// enter lets somebody in, or says why not.
func (s *Server) enter(ctx context.Context, who caller.Caller, target console.Target, w wish) (*visit, error) {
	v := &visit{}
	ready := make(chan struct{})
	defer close(ready)
	session, verdict, err := s.o.Gate.Admit(ctx, who, target, func(end console.Verdict) {
		<-ready
		if v.seat != nil {
			s.cut.Add(1)
			v.seat.End(string(end.Reason), end.Message)
			if w.kick != nil {
				time.AfterFunc(kickAfter, w.kick)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if !verdict.Open {
		s.refused.Add(1)
		s.o.Log.Info("console refused", "machine", target.String(), "who", who.Username, "reason", string(verdict.Reason))
		return nil, refusal{verdict}
	}
	v.session, v.verdict = session, verdict
	if v.recorder, err = s.record(ctx, who, target, verdict, w); err != nil {
		session.Close()
		return nil, err
	}
	mayType := verdict.Right == console.Type && !w.lookOnly
	key := lineKey{client.ObjectKey{Namespace: verdict.HostNamespace, Name: verdict.HostName}, verdict.Allocation}
	open := func(ctx context.Context) (line.Way, error) { return s.o.Reach(ctx, key.host) }
	v.seat = s.lines.Join(key, open, line.Wish{Type: mayType, TakeOver: mayType && w.takeOver, Who: who.Username, Record: v.recorder.Output})
	s.sessions.Add(1)
	s.o.Log.Info("console session begins", "machine", target.String(), "host", key.host.String(), "who", who.Username, "recording", v.recorder.ID)
	return v, nil
}

// record begins the session's recording.
func (s *Server) record(ctx context.Context, who caller.Caller, t console.Target, v console.Verdict, w wish) (*recording.Recorder, error) {
	uid, err := s.namespaceUID(ctx, t.Namespace)
	if err != nil {
		return nil, err
	}
	return s.o.Store.Begin(recording.Meta{
		Who: who.Username, From: w.from, Target: t, NamespaceUID: uid, Host: v.HostNamespace + "/" + v.HostName, Allocation: v.Allocation, Input: s.o.RecordInput,
	})
}

func (s *Server) namespaceUID(ctx context.Context, name string) (string, error) {
	n := &corev1.Namespace{}
	if err := s.o.Live.Get(ctx, client.ObjectKey{Name: name}, n); err != nil {
		return "", fmt.Errorf("read namespace %s: %w", name, err)
	}
	return string(n.UID), nil
}

// leave ends a visit, whoever ended it.
func (s *Server) leave(v *visit, target console.Target) {
	v.session.Close()
	v.seat.Close()
	if err := v.recorder.Close(); err != nil {
		s.o.Log.Error("recording not closed", "machine", target.String(), "err", err)
	}
	s.o.Log.Info("console session over", "machine", target.String(), "who", v.recorder.Who, "recording", v.recorder.ID)
}

// typed takes what a person typed.
func (v *visit) typed(ctx context.Context, p []byte) {
	if v.session.May() == console.Type && v.seat.Type(ctx, p) {
		_ = v.recorder.Typed(p) // the output's recording ends the session where the file is full
	}
}

// takeOver makes the person the one who types.
func (v *visit) takeOver(w wish) bool {
	if v.session.May() != console.Type || w.lookOnly {
		return false
	}
	v.seat.TakeOver()
	return true
}

// status is the HTTP status of what enter says.
func status(err error) (int, string) {
	var r refusal
	if !errors.As(err, &r) {
		return http.StatusServiceUnavailable, "the API server cannot be asked, or the session not recorded: try again"
	}
	switch r.Reason {
	case console.NotAllowed:
		return http.StatusForbidden, r.Message
	case console.NoSuchObject:
		return http.StatusNotFound, r.Message
	case console.OtherPartition:
		return http.StatusMisdirectedRequest, r.Message
	default:
		return http.StatusConflict, r.Message
	}
}
