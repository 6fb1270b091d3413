package partition

import (
	"context"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// sessions keeps one login per BMC, since a login costs a BMC more than anything else it is asked, and many allow four at a time. It implements host.BMCs.
//
// A session is given up when its credentials changed, when a call says that the login or the connection is bad, and when it was not used for sessionIdle.
type sessions struct {
	driver bmc.Driver
	now    func() time.Time

	mu sync.Mutex
	by map[string]*login
}

// login is one BMC's place. Its lock is held while the session is used: a BMC serves one action at a time.
type login struct {
	lock    chan struct{}
	target  bmc.Target
	session bmc.Session
	used    time.Time
}

const (
	// sessionIdle is below the 30 min after which BMCs commonly end a session by themselves (Redfish SessionService.SessionTimeout).
	sessionIdle  = 5 * time.Minute
	sweepEvery   = time.Minute
	logoutTimout = 10 * time.Second
)

func newSessions(d bmc.Driver) *sessions {
	return &sessions{driver: d, now: time.Now, by: map[string]*login{}}
}

// With implements host.BMCs.
func (s *sessions) With(ctx context.Context, t bmc.Target, f func(context.Context, bmc.Session) error) error {
	l := s.of(t.Address)
	select {
	case l.lock <- struct{}{}:
		defer func() { <-l.lock }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if l.session != nil && !sameLogin(l.target, t) {
		l.close(ctx)
	}
	if l.session == nil {
		session, err := s.driver.Open(ctx, t)
		if err != nil {
			return err
		}
		l.session, l.target = session, t
	}
	err := f(ctx, l.session)
	l.used = s.now()
	switch bmc.KindOf(err) {
	case step.Denied, step.Unreachable, step.Timeout:
		l.close(ctx)
	}
	return err
}

// Start implements manager.Runnable: it logs out of what is not used any more, and of everything at the end.
func (s *sessions) Start(ctx context.Context) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.sweep(ctx, s.now().Add(-sessionIdle))
		case <-ctx.Done():
			s.sweep(context.WithoutCancel(ctx), s.now().Add(time.Hour))
			return nil
		}
	}
}

// sweep logs out of what was last used before the given time and is not in use.
func (s *sessions) sweep(ctx context.Context, before time.Time) {
	s.mu.Lock()
	all := make([]*login, 0, len(s.by))
	for _, l := range s.by {
		all = append(all, l)
	}
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, l := range all {
		select {
		case l.lock <- struct{}{}:
		default:
			continue
		}
		wg.Go(func() {
			defer func() { <-l.lock }()
			if l.session != nil && l.used.Before(before) {
				l.close(ctx)
			}
		})
	}
	wg.Wait()
}

func (s *sessions) of(address string) *login {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.by[address]
	if l == nil {
		l = &login{lock: make(chan struct{}, 1)}
		s.by[address] = l
	}
	return l
}

// close logs out. A BMC that does not answer ends the session by itself some time.
func (l *login) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logoutTimout)
	defer cancel()
	_ = l.session.Close(ctx)
	l.session = nil
}

func sameLogin(a, b bmc.Target) bool {
	return a.Username == b.Username && a.Password.Equal(b.Password) && string(a.CAPEM) == string(b.CAPEM) &&
		a.DisableCertificateVerification == b.DisableCertificateVerification
}
