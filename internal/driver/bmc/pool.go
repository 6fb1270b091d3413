package bmc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/step"
)

// Pool keeps one session per BMC, so that a probe and a login are paid once and not with every look at a host. A session is opened when it is first needed,
// shared by concurrent uses, and replaced when the target's credentials change or the BMC refuses it.
type Pool struct {
	driver Driver
	opts   PoolOptions

	mu      sync.Mutex
	entries map[string]*entry
	closed  bool
}

// PoolOptions are the pool's.
type PoolOptions struct {
	// Concurrency is how many uses of one BMC run at a time; 0: 2.
	Concurrency int
	// MaxAge is when a session is opened anew, so that a BMC's new firmware is probed again; 0: 12 h.
	MaxAge time.Duration
}

// entry is one BMC. Its slots bound the uses; opening, which is under lock, is done by one of them for all.
type entry struct {
	slots chan struct{}

	lock    chan struct{} // a mutex that a context can leave
	session Session
	key     string
	opened  time.Time
	uses    int
	lastUse time.Time
	// retired are replaced sessions that are still in use; the last use closes each.
	retired []*retired
}

// retired is a session that was replaced while it was in use.
type retired struct {
	session Session
	uses    int
}

// NewPool makes an empty pool.
func NewPool(d Driver, o PoolOptions) *Pool {
	if o.Concurrency <= 0 {
		o.Concurrency = 2
	}
	if o.MaxAge <= 0 {
		o.MaxAge = 12 * time.Hour
	}
	return &Pool{driver: d, opts: o, entries: map[string]*entry{}}
}

// key tells logins apart without keeping the password.
func (t Target) key() string {
	h := sha256.New()
	for _, part := range []string{t.Username, t.Password.Reveal(), string(t.CAPEM), strconv.FormatBool(t.DisableCertificateVerification), t.CertificatePin, t.SSHHostKey} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// address is the canonical address, or the text as it is where it is none: the driver will say what is wrong with it.
func (t Target) address() string {
	a, err := ParseAddress(t.Address)
	if err != nil {
		return t.Address
	}
	return a.String()
}

// Use runs do with a session of the BMC. The session must not be kept or closed. Errors of opening and of do are returned as they are; after one of
// kind Denied the next use opens a new session.
func (p *Pool) Use(ctx context.Context, t Target, do func(Session) error) error {
	e, err := p.entry(t)
	if err != nil {
		return err
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return &Error{Op: "wait for the BMC's other calls", Address: t.address(), Kind: step.Timeout, Err: ctx.Err()}
	}
	s, err := p.borrow(ctx, e, t)
	if err != nil {
		return err
	}
	err = do(s)
	p.giveBack(ctx, e, s, KindOf(err) == step.Denied)
	return err
}

func (p *Pool) entry(t Target) (*entry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, &Error{Op: "connect", Address: t.address(), Kind: step.Internal, Err: errors.New("the pool of BMC sessions is closed")}
	}
	e := p.entries[t.address()]
	if e == nil {
		e = &entry{slots: make(chan struct{}, p.opts.Concurrency), lock: make(chan struct{}, 1)}
		p.entries[t.address()] = e
	}
	return e, nil
}

// borrow gives the entry's session, opened anew where there is none for this target.
func (p *Pool) borrow(ctx context.Context, e *entry, t Target) (Session, error) {
	select {
	case e.lock <- struct{}{}:
		defer func() { <-e.lock }()
	case <-ctx.Done():
		return nil, &Error{Op: "connect", Address: t.address(), Kind: step.Timeout, Err: ctx.Err()}
	}
	if e.session != nil && (e.key != t.key() || time.Since(e.opened) > p.opts.MaxAge) {
		e.retire(ctx)
	}
	if e.session == nil {
		s, err := p.driver.Open(ctx, t)
		if err != nil {
			return nil, err
		}
		e.session, e.key, e.opened = s, t.key(), time.Now()
	}
	e.uses++
	e.lastUse = time.Now()
	return e.session, nil
}

// giveBack ends a use, and closes a replaced session with its last use.
func (p *Pool) giveBack(ctx context.Context, e *entry, s Session, drop bool) {
	e.lock <- struct{}{}
	defer func() { <-e.lock }()
	if e.session == s {
		e.uses--
		if drop {
			e.retire(ctx)
		}
		return
	}
	for i, r := range e.retired {
		if r.session != s {
			continue
		}
		if r.uses--; r.uses == 0 {
			e.retired = append(e.retired[:i], e.retired[i+1:]...)
			end(ctx, s)
		}
		return
	}
}

// retire takes the session out of use. It is called with the lock held.
func (e *entry) retire(ctx context.Context) {
	s, uses := e.session, e.uses
	e.session, e.uses, e.key = nil, 0, ""
	if s == nil {
		return
	}
	if uses == 0 {
		end(ctx, s)
		return
	}
	e.retired = append(e.retired, &retired{session: s, uses: uses})
}

// end logs out. A BMC that does not take it ends the session by itself, so the error is of no use to anybody.
func end(ctx context.Context, s Session) { _ = s.Close(context.WithoutCancel(ctx)) }

// Forget closes the session of a BMC that is no longer needed.
func (p *Pool) Forget(ctx context.Context, t Target) {
	p.mu.Lock()
	e := p.entries[t.address()]
	delete(p.entries, t.address())
	p.mu.Unlock()
	if e != nil {
		e.close(ctx)
	}
}

// CloseIdle closes the sessions that were not used for so long, and returns their number. A BMC at which a session is being opened is passed over.
func (p *Pool) CloseIdle(ctx context.Context, unused time.Duration) int {
	n := 0
	for _, e := range p.all() {
		if !e.tryLock() {
			continue
		}
		if e.session != nil && e.uses == 0 && time.Since(e.lastUse) >= unused {
			e.retire(ctx)
			n++
		}
		<-e.lock
	}
	return n
}

func (e *entry) tryLock() bool {
	select {
	case e.lock <- struct{}{}:
		return true
	default:
		return false
	}
}

// Len is how many sessions are open, without those of BMCs that are just being opened or given back.
func (p *Pool) Len() int {
	n := 0
	for _, e := range p.all() {
		if !e.tryLock() {
			continue
		}
		if e.session != nil {
			n++
		}
		<-e.lock
	}
	return n
}

func (p *Pool) all() []*entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.entries))
}

// Close closes all sessions; those in use are closed by their last use. The pool takes no further uses.
func (p *Pool) Close(ctx context.Context) {
	p.mu.Lock()
	p.closed = true
	all := p.entries
	p.entries = map[string]*entry{}
	p.mu.Unlock()
	for _, e := range all {
		e.close(ctx)
	}
}

func (e *entry) close(ctx context.Context) {
	e.lock <- struct{}{}
	defer func() { <-e.lock }()
	e.retire(ctx)
}
