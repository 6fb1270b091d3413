package login_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	clientfake "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/ingotmetal/ingot/account"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host/login"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

const address = "redfish+https://10.0.0.5/redfish/v1/Systems/1"

var errDead = errors.New("the process is dead")

// site is one host with its BMC, an API server, and a process that may die at any of its calls.
type site struct {
	t      *testing.T
	now    time.Time
	bmcs   *fake.Driver
	bmc    *fake.BMC
	client client.Client
	host   *metal3.BareMetalHost
	given  bmc.Target
	policy account.Policy
	keeper *login.Keeper
	events []string

	// calls counts what the process does to the world, and it dies at the one numbered dieAt. dead: every further call fails.
	calls, dieAt int
	dead         bool
}

func newSite(t *testing.T, lacks ...bmc.Capability) *site {
	t.Helper()
	s := &site{
		t: t, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), bmcs: fake.New(),
		host:   &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "hosts", Name: "a", UID: "uid-a", Annotations: map[string]string{}}},
		given:  bmc.Target{Address: address, Username: "admin", Password: secret.New("calvin")},
		policy: account.Policy{Use: account.Own, RotateAfter: 90 * 24 * time.Hour},
	}
	var err error
	if s.bmc, err = s.bmcs.Add(fake.Config{Address: address, Username: "admin", Password: secret.New("calvin"), Lacks: lacks}); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s.client = interceptor.NewClient(clientfake.NewClientBuilder().WithScheme(scheme).Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return s.step(func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return s.step(func() error { return c.Update(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return s.step(func() error { return c.Delete(ctx, o, opts...) })
		},
	})
	s.start()
	return s
}

// step is a call of the process: it may die before the call, or after it and before it hears the answer.
func (s *site) step(do func() error) error {
	if s.dies() {
		return errDead
	}
	err := do()
	if s.dies() {
		return errDead
	}
	return err
}

func (s *site) dies() bool {
	s.calls++
	s.dead = s.dead || s.calls == s.dieAt
	return s.dead
}

// Use implements login.BMCs without a pool, so that every use is a login.
func (s *site) Use(ctx context.Context, t bmc.Target, do func(bmc.Session) error) error {
	if s.dead {
		return errDead
	}
	session, err := s.bmcs.Open(ctx, t)
	if err != nil {
		return err
	}
	defer session.Close(ctx) //nolint:errcheck // the fake's does not fail
	return do(dying{session, s})
}

// dying is a session whose changes of accounts are steps of the process.
type dying struct {
	bmc.Session

	site *site
}

func (d dying) Accounts() bmc.Accounts {
	if d.Session.Accounts() == nil {
		return nil
	}
	return dyingAccounts{d.Session.Accounts(), d.site}
}

type dyingAccounts struct {
	bmc.Accounts

	site *site
}

func (d dyingAccounts) Set(ctx context.Context, username string, password secret.String) error {
	return d.site.step(func() error { return d.Accounts.Set(ctx, username, password) })
}

func (d dyingAccounts) Remove(ctx context.Context, username string) error {
	return d.site.step(func() error { return d.Accounts.Remove(ctx, username) })
}

// start is a new process.
func (s *site) start() {
	s.dead = false
	s.keeper = login.New(login.Options{
		Live: s.client, BMCs: s, Partition: "site", Now: func() time.Time { return s.now }, Log: slog.New(slog.DiscardHandler),
		Tell: func(_ *metal3.BareMetalHost, _ bool, reason, _ string) { s.events = append(s.events, reason) },
	})
}

// look is what the host controller does with a host at rest. A process that died is started anew.
func (s *site) look() {
	s.t.Helper()
	s.now = s.now.Add(time.Minute)
	err := s.keeper.Use(s.t.Context(), s.host, s.given, func(b bmc.Session) error {
		_, err := b.Power().State(s.t.Context())
		return err
	})
	if err != nil && !s.dead {
		s.t.Fatalf("the host could not be worked on: %v", err)
	}
	if err == nil {
		s.keeper.Tend(s.t.Context(), s.host, s.given, s.policy)
	}
	if s.dead {
		s.start()
	}
}

func (s *site) secret() *corev1.Secret {
	s.t.Helper()
	var all corev1.SecretList
	if err := s.client.List(s.t.Context(), &all); err != nil {
		s.t.Fatal(err)
	}
	switch len(all.Items) {
	case 0:
		return nil
	case 1:
		return &all.Items[0]
	}
	s.t.Fatalf("%d Secrets of one host", len(all.Items))
	return nil
}

// rests lets time pass until nothing is due any more, and then the account must be the Secret's and in use.
func (s *site) rests() {
	s.t.Helper()
	for range 12 {
		s.now = s.now.Add(20 * time.Minute)
		s.look()
	}
	stored := s.secret()
	if stored == nil {
		s.t.Fatal("no Secret")
	}
	name := account.Name("hosts", "a")
	if got := s.bmc.Accounts(); len(got) != 1 || !got[name].Equal(secret.New(string(stored.Data["password"]))) || string(stored.Data["username"]) != name {
		s.t.Fatalf("the BMC's %d accounts are not what is stored", len(got))
	}
	before := s.bmc.FailedLogins()
	s.look()
	if s.bmc.FailedLogins() != before || s.keeper.Target(s.host, s.given).Username != name {
		s.t.Fatal("the account is not in use")
	}
}

func (s *site) release() {
	s.t.Helper()
	for range 5 {
		held, err := s.keeper.Holds(s.t.Context(), s.host)
		if err == nil && !held {
			return
		}
		if err == nil {
			err = s.keeper.Release(s.t.Context(), s.host, s.given)
		}
		if err != nil && !s.dead {
			s.t.Fatal(err)
		}
		if s.dead {
			s.start()
		}
	}
	s.t.Fatal("the host is never let go of")
}

// TestDeathAtEveryStep: wherever the process dies while it makes, rotates and removes an account, the next one finds its way in, and the account ends as it must.
func TestDeathAtEveryStep(t *testing.T) {
	for dieAt := 1; ; dieAt++ {
		s := newSite(t)
		s.dieAt = dieAt
		s.look()
		s.rests()
		s.now = s.now.Add(90 * 24 * time.Hour)
		s.look()
		s.rests()
		s.policy.Asked = "now"
		s.look()
		s.rests()
		if n := s.bmc.FailedLogins(); n > 2 {
			t.Errorf("death at %d: %d failed logins", dieAt, n)
		}
		s.release()
		if s.secret() != nil || len(s.bmc.Accounts()) != 0 {
			t.Errorf("death at %d: something is left after the host went", dieAt)
		}
		if _, err := s.bmcs.Open(t.Context(), s.given); err != nil {
			t.Errorf("death at %d: the given account: %v", dieAt, err)
		}
		if s.calls < dieAt {
			if dieAt < 10 {
				t.Fatalf("only %d steps", s.calls)
			}
			return
		}
	}
}

// TestFaults: what goes wrong at the BMC holds up nothing, is said once, and heals.
func TestFaults(t *testing.T) {
	name := account.Name("hosts", "a")
	for title, c := range map[string]struct {
		fault  func(s *site)
		failed int
	}{
		"the account is removed":  {func(s *site) { s.bmc.SetAccount(name, secret.String{}) }, 1},
		"its password is changed": {func(s *site) { s.bmc.SetAccount(name, secret.New("another")) }, 1},
		"a change fails": {func(s *site) {
			s.policy.Asked = "x"
			s.bmc.FailNext(fake.Fault{Op: "set account " + name, Kind: step.Busy})
		}, 0},
		"a change's answer is lost": {func(s *site) {
			s.policy.Asked = "x"
			s.bmc.FailNext(fake.Fault{Op: "set account " + name, Kind: step.Unreachable, After: true})
		}, 1},
		"a password is never taken": {func(s *site) {
			s.policy.Asked = "x"
			s.bmc.FailNext(fake.Fault{Op: "set account " + name, Kind: step.Internal, Times: 2})
		}, 0},
		"another process was quicker":    {func(s *site) { s.quicker() }, 1},
		"the given password is changed":  {func(s *site) { s.given.Password = secret.New("not that") }, 0},
		"a call is denied under our own": {func(s *site) { s.bmc.FailNext(fake.Fault{Op: "read power state", Kind: step.Denied}) }, 0},
	} {
		t.Run(title, func(t *testing.T) {
			s := newSite(t)
			s.rests()
			c.fault(s)
			s.rests()
			if n := s.bmc.FailedLogins(); n > c.failed {
				t.Errorf("%d failed logins, at most %d are due", n, c.failed)
			}
		})
	}
}

// quicker is another process that rotates the password behind this one's back.
func (s *site) quicker() {
	mine := s.keeper
	s.start()
	s.policy.Asked = "by another"
	s.look()
	s.look()
	s.keeper = mine
}

// TestSaidOnce: an account that cannot be made is said once, and never where the BMC has none to make.
func TestSaidOnce(t *testing.T) {
	full := newSite(t)
	for _, other := range []string{"x", "y", "z"} {
		full.bmc.SetAccount(other, secret.New("p"))
	}
	none := newSite(t, bmc.CanAccounts)
	for range 200 {
		full.look()
		none.look()
	}
	if len(full.events) != 1 || len(none.events) != 0 || none.secret() != nil {
		t.Errorf("events %v of a full BMC, %v of one without accounts", full.events, none.events)
	}
	// One an hour for each of the passwords that are stored: somebody may have made room, and the account.
	if n := full.bmc.FailedLogins(); n > 7 {
		t.Errorf("%d failed logins at a BMC that is full", n)
	}
}

// TestGiven: who asks for the given account alone gets no other, and loses one that there was.
func TestGiven(t *testing.T) {
	s := newSite(t)
	s.policy.Use = account.Given
	s.look()
	if s.secret() != nil || len(s.bmc.Accounts()) != 0 {
		t.Fatal("an account was made that nobody asked for")
	}
	s.policy.Use = account.Own
	s.rests()
	s.policy.Use = account.Given
	if !s.keeper.Due(s.host, s.policy) || s.keeper.Due(s.host, s.policy) {
		t.Error("due at once, and then not again within the minute")
	}
	s.look()
	if s.secret() != nil || len(s.bmc.Accounts()) != 0 || s.keeper.Target(s.host, s.given).Username != "admin" {
		t.Error("the account is still there")
	}
}

// TestReleaseOfSilentBMC: a host whose BMC is gone can go too.
func TestReleaseOfSilentBMC(t *testing.T) {
	s := newSite(t)
	s.rests()
	s.bmcs.Remove(s.bmc)
	s.events = nil
	s.release()
	if s.secret() != nil || len(s.events) != 1 || s.events[0] != "BMCAccountLeft" {
		t.Errorf("events %v", s.events)
	}
}

// TestNoAccountForAHostThatLeaves: between letting go of its account and the end of a host its BMC may be asked again, for its power say, and that makes no new account. On a busy site each
// deleted host had three made and removed.
func TestNoAccountForAHostThatLeaves(t *testing.T) {
	s := newSite(t)
	s.rests()
	s.host.DeletionTimestamp = &metav1.Time{Time: s.now}
	var err error
	if s.policy, err = login.Policy(s.host, nil); err != nil {
		t.Fatal(err)
	}
	s.release()
	for range 3 {
		s.look()
	}
	if s.secret() != nil || len(s.bmc.Accounts()) != 0 || s.keeper.Due(s.host, s.policy) {
		t.Errorf("an account stands again: %d at the BMC", len(s.bmc.Accounts()))
	}
}

// TestSweep deletes what is left of hosts that went without being let go of, and nothing else.
func TestSweep(t *testing.T) {
	s := newSite(t)
	s.rests()
	there := true
	exists := func(r ingot.HostReference) (bool, error) {
		if r.Namespace != "hosts" || r.Name != "a" || r.UID != "uid-a" {
			t.Errorf("asked for %+v", r)
		}
		return there, nil
	}
	for _, there = range []bool{true, false} {
		if err := s.keeper.Sweep(t.Context(), exists); err != nil {
			t.Fatal(err)
		}
		if (s.secret() != nil) != there {
			t.Errorf("there %v, and the Secret is %v", there, s.secret() != nil)
		}
	}
}
