package bmc_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// newPool makes a pool over one fake BMC.
func newPool(t *testing.T) (*bmc.Pool, *fake.BMC, bmc.Target) {
	t.Helper()
	d := fake.New()
	target := bmc.Target{Address: "redfish://10.0.0.5", Username: "admin", Password: secret.New("right")}
	b, err := d.Add(fake.Config{Address: target.Address, Username: target.Username, Password: target.Password})
	if err != nil {
		t.Fatal(err)
	}
	return bmc.NewPool(d, bmc.PoolOptions{}), b, target
}

func read(ctx context.Context) func(bmc.Session) error {
	return func(s bmc.Session) error {
		_, err := s.Power().State(ctx)
		return err
	}
}

func sessions(t *testing.T, b *fake.BMC, want int) {
	t.Helper()
	if got := b.Sessions(); got != want {
		t.Errorf("%d sessions at the BMC, want %d", got, want)
	}
}

func use(t *testing.T, p *bmc.Pool, target bmc.Target) {
	t.Helper()
	if err := p.Use(t.Context(), target, read(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestPoolSharesOneSession(t *testing.T) {
	p, b, target := newPool(t)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { use(t, p, target) })
	}
	wg.Wait()
	same := target
	same.Address = "redfish+https://10.0.0.5/"
	use(t, p, same)
	sessions(t, b, 1)
	if n := b.Calls(); n != 12 {
		t.Errorf("%d calls, want one login and 11 reads", n)
	}
	p.Close(t.Context())
	sessions(t, b, 0)
	if err := p.Use(t.Context(), target, read(t.Context())); err == nil {
		t.Error("a closed pool is used")
	}
}

func TestPoolReplacesSessions(t *testing.T) {
	p, b, target := newPool(t)
	use(t, p, target)
	wrong := target
	wrong.Password = secret.New("changed")
	if err := p.Use(t.Context(), wrong, read(t.Context())); bmc.KindOf(err) != step.Denied {
		t.Errorf("other credentials used the old session: %v", err)
	}
	sessions(t, b, 0)
	use(t, p, target)
	b.FailNext(fake.Fault{Op: "read power state", Kind: step.Denied})
	if err := p.Use(t.Context(), target, read(t.Context())); bmc.KindOf(err) != step.Denied {
		t.Error(err)
	}
	sessions(t, b, 0)
	use(t, p, target)
	b.FailNext(fake.Fault{Op: "read power state", Kind: step.Busy})
	if err := p.Use(t.Context(), target, read(t.Context())); bmc.KindOf(err) != step.Busy {
		t.Error(err)
	}
	sessions(t, b, 1)
	p.Forget(t.Context(), target)
	sessions(t, b, 0)
}

// TestPoolKeepsReplacedSessionForItsUser: a session in use is closed when its last use ends, not under its feet.
func TestPoolKeepsReplacedSessionForItsUser(t *testing.T) {
	p, b, target := newPool(t)
	err := p.Use(t.Context(), target, func(s bmc.Session) error {
		wrong := target
		wrong.Password = secret.New("changed")
		if err := p.Use(t.Context(), wrong, read(t.Context())); bmc.KindOf(err) != step.Denied {
			t.Errorf("other credentials: %v", err)
		}
		sessions(t, b, 1)
		return read(t.Context())(s)
	})
	if err != nil {
		t.Errorf("the session was closed while in use: %v", err)
	}
	sessions(t, b, 0)
}

func TestPoolBoundsAndAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, b, target := newPool(t)
		release := make(chan struct{})
		running := 0
		for range 5 {
			go func() {
				err := p.Use(t.Context(), target, func(bmc.Session) error { running++; <-release; return nil })
				if err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		if running != 2 {
			t.Errorf("%d uses at a time, want 2", running)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Use(ctx, target, read(ctx)); bmc.KindOf(err) != step.Timeout {
			t.Errorf("a use that waits too long: %v", err)
		}
		close(release)
		synctest.Wait()
		if n := p.CloseIdle(t.Context(), time.Minute); n != 0 {
			t.Errorf("%d sessions closed that were just used", n)
		}
		time.Sleep(2 * time.Minute) // the bubble's clock
		if n := p.CloseIdle(t.Context(), time.Minute); n != 1 || p.Len() != 0 {
			t.Errorf("%d idle sessions closed, %d left, want 1 and 0", n, p.Len())
		}
		use(t, p, target)
		before := b.Calls()
		time.Sleep(13 * time.Hour)
		use(t, p, target)
		if n := b.Calls() - before; n != 2 {
			t.Errorf("%d calls for a use after 13 hours, want a new login and a read", n)
		}
		sessions(t, b, 1)
	})
}

func TestFailureOf(t *testing.T) {
	e := &bmc.Error{Op: "insert virtual medium", Address: "redfish+https://h", Kind: step.Busy, Err: errors.New("503"), Fix: "wait"}
	for _, tt := range []struct {
		err  error
		kind step.FailureKind
		fix  string
	}{
		{nil, "", ""}, {e, step.Busy, "wait"}, {fmt.Errorf("wrapped: %w", e), step.Busy, "wait"}, {context.DeadlineExceeded, step.Timeout, ""}, {errors.New("boom"), step.Internal, ""},
	} {
		f := bmc.FailureOf(tt.err)
		if (f == nil) != (tt.err == nil) || f != nil && (f.Kind != tt.kind || f.Fix != tt.fix || f.Message == "") {
			t.Errorf("failure of %v: %+v", tt.err, f)
		}
	}
	if got := e.Error(); got != "insert virtual medium at BMC redfish+https://h: 503" {
		t.Errorf("message %q", got)
	}
}
