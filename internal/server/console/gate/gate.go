// Package gate lets people in at consoles, and puts them out.
//
// It owns the sessions, and the facts that package console decides by: objects as the API server has them now, and its word on each person's rights. It refuses to decide, and to carry bytes.
//
// Watches say that something changed; what it is now is then read from the API server itself, for each session that it could be about, since a cache may be behind or ahead of what a session
// was let in by. The same is read now and then without any event: a watch that has died unseen ends nobody's right to be put out.
//
// Invariant: a session whose facts cannot be read goes on for console.BlindLife at most, and one whose rights cannot be asked for console.RightLife.
package gate

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/server/caller"
)

// How often a session's facts and rights are read without an event.
const (
	lookAgain = 15 * time.Second
	askAgain  = time.Minute
	// readTime bounds one look.
	readTime = 10 * time.Second
)

// Gate is a partition's.
type Gate struct {
	Partition string
	// Live reads the API server itself.
	Live     client.Client
	Reviewer caller.Reviewer
	Now      func() time.Time
	Log      *slog.Logger

	mu       sync.Mutex
	sessions map[*Session]bool
}

// Session is somebody who was let in.
type Session struct {
	gate   *Gate
	who    caller.Caller
	target console.Target
	// over is told once, when the session ends against its holder's will.
	over func(console.Verdict)
	poke chan struct{}
	stop context.CancelFunc

	mu    sync.Mutex
	facts console.Facts
	host  client.ObjectKey
}

// Admit decides whether somebody sees a console. An open verdict comes with a session, which lasts until it is closed, or over is told why it ended.
func (g *Gate) Admit(ctx context.Context, who caller.Caller, target console.Target, over func(console.Verdict)) (*Session, console.Verdict, error) {
	right, err := g.right(ctx, who, target)
	if err != nil {
		return nil, console.Verdict{}, err
	}
	f := console.Facts{Target: target, Partition: g.Partition, Right: right, RightAt: g.Now()}
	if right != console.NoRight {
		// Who has no right learns nothing of what there is.
		if err := g.read(ctx, &f); err != nil {
			return nil, console.Verdict{}, err
		}
	}
	v := console.Decide(f, g.Now())
	if !v.Open {
		return nil, v, nil
	}
	f.Bound, f.Started = &v.Allocation, g.Now()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Session{gate: g, who: who, target: target, over: over, poke: make(chan struct{}, 1), stop: stop, facts: f, host: client.ObjectKey{Namespace: v.HostNamespace, Name: v.HostName}}
	g.mu.Lock()
	if g.sessions == nil {
		g.sessions = map[*Session]bool{}
	}
	g.sessions[s] = true
	g.mu.Unlock()
	// What happened between the look and now had no session to tell.
	s.poke <- struct{}{}
	go s.run(running)
	return s, v, nil
}

// Len is how many sessions there are.
func (g *Gate) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sessions)
}

// Changed is told of each object that changed or went, by its kind.
func (g *Gate) Changed(kind console.Kind, key client.ObjectKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.sessions {
		if s.about(kind, key) {
			select {
			case s.poke <- struct{}{}:
			default:
			}
		}
	}
}

func (s *Session) about(kind console.Kind, key client.ObjectKey) bool {
	if kind == console.HostKind {
		return key == s.host
	}
	// A Machine's claim has its name.
	return s.target.Kind != console.HostKind && key == client.ObjectKey{Namespace: s.target.Namespace, Name: s.target.Name}
}

// Close ends the session by its holder's will.
func (s *Session) Close() {
	s.gate.mu.Lock()
	delete(s.gate.sessions, s)
	s.gate.mu.Unlock()
	s.stop()
}

// May says what the session's holder may do now.
func (s *Session) May() console.Right {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.facts.Right
}

func (s *Session) run(ctx context.Context) {
	look, ask := time.NewTicker(lookAgain), time.NewTicker(askAgain)
	defer look.Stop()
	defer ask.Stop()
	for {
		select {
		case <-s.poke:
		case <-look.C:
		case <-ask.C:
			s.askRight(ctx)
		case <-ctx.Done():
			return
		}
		if v := s.look(ctx); !v.Open && ctx.Err() == nil {
			s.gate.Log.Info("console session ended", "machine", s.target.String(), "reason", string(v.Reason))
			s.Close()
			s.over(v)
			return
		}
	}
}

// look reads the facts and decides.
func (s *Session) look(ctx context.Context) console.Verdict {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	s.mu.Lock()
	f := s.facts
	s.mu.Unlock()
	f.Machine, f.Claim, f.Host = nil, nil, nil
	err := s.gate.read(ctx, &f)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.gate.Log.Warn("console session's objects not read", "machine", s.target.String(), "err", err)
		if s.facts.BlindSince.IsZero() {
			s.facts.BlindSince = s.gate.Now()
		}
	} else {
		s.facts.Machine, s.facts.Claim, s.facts.Host, s.facts.BlindSince = f.Machine, f.Claim, f.Host, time.Time{}
	}
	return console.Decide(s.facts, s.gate.Now())
}

func (s *Session) askRight(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	right, err := s.gate.right(ctx, s.who, s.target)
	if err != nil {
		s.gate.Log.Warn("console session's rights not asked", "machine", s.target.String(), "err", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.facts.Right, s.facts.RightAt = right, s.gate.Now()
}

// right asks the API server: create is to type, get is to look.
func (g *Gate) right(ctx context.Context, who caller.Caller, t console.Target) (console.Right, error) {
	q := caller.Question{Verb: "get", Group: t.Kind.Group(), Resource: t.Kind.Resource(), Subresource: "console", Namespace: t.Namespace, Name: t.Name}
	allowed, err := g.Reviewer.Allowed(ctx, who, q)
	if err != nil || !allowed {
		return console.NoRight, err
	}
	q.Verb = "create"
	if allowed, err = g.Reviewer.Allowed(ctx, who, q); err != nil || !allowed {
		return console.Look, err
	}
	return console.Type, nil
}

// read fills in the objects that a target leads to.
func (g *Gate) read(ctx context.Context, f *console.Facts) error {
	key := client.ObjectKey{Namespace: f.Target.Namespace, Name: f.Target.Name}
	hostKey := key
	if f.Target.Kind == console.MachineKind {
		m := &ingot.Machine{}
		if found, err := g.get(ctx, key, m); err != nil || !found {
			return err
		}
		f.Machine = &console.Object{UID: string(m.UID), Deleting: m.DeletionTimestamp != nil}
	}
	if f.Target.Kind != console.HostKind {
		c := &metal3.HostClaim{}
		if found, err := g.get(ctx, key, c); err != nil || !found {
			return err
		}
		f.Claim = claimOf(c)
		hostKey = client.ObjectKey{Namespace: f.Claim.HostNamespace, Name: f.Claim.HostName}
		if hostKey.Name == "" {
			return nil
		}
	}
	h := &metal3.BareMetalHost{}
	if found, err := g.get(ctx, hostKey, h); err != nil || !found {
		return err
	}
	f.Host = hostOf(h)
	return g.consumer(ctx, f)
}

func claimOf(c *metal3.HostClaim) *console.Claim {
	out := &console.Claim{Object: console.Object{UID: string(c.UID), Deleting: c.DeletionTimestamp != nil}}
	if owner := metav1.GetControllerOf(c); owner != nil {
		out.Owner = string(owner.UID)
	}
	if h := c.Status.BareMetalHost; h != nil {
		out.HostNamespace, out.HostName = h.Namespace, h.Name
	}
	return out
}

func hostOf(h *metal3.BareMetalHost) *console.Host {
	out := &console.Host{
		Object: console.Object{UID: string(h.UID), Deleting: h.DeletionTimestamp != nil}, Namespace: h.Namespace, Name: h.Name,
		Partition: h.Labels[ingot.PartitionLabel], BMC: h.Spec.BMC.Address != "",
	}
	if ref := h.Spec.ConsumerRef; ref != nil {
		out.Consumer = &console.Consumer{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}
	}
	return out
}

// consumer finds out which HostClaim it is that a host names.
func (g *Gate) consumer(ctx context.Context, f *console.Facts) error {
	c := f.Host.Consumer
	if c == nil || c.Kind != "HostClaim" {
		return nil
	}
	if f.Claim != nil && c.Namespace == f.Target.Namespace && c.Name == f.Target.Name {
		f.Host.ConsumerUID = f.Claim.UID
		return nil
	}
	claim := &metal3.HostClaim{}
	found, err := g.get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.Name}, claim)
	if found {
		f.Host.ConsumerUID = string(claim.UID)
	}
	return err
}

func (g *Gate) get(ctx context.Context, key client.ObjectKey, o client.Object) (found bool, err error) {
	err = g.Live.Get(ctx, key, o)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %T %s: %w", o, key, err)
	}
	return true, nil
}
