package bmctest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/account"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// as is the target by another login.
func (r *run) as(username string, password secret.String) bmc.Target {
	t := r.Target
	t.Username, t.Password = username, password
	return t
}

// admits tries a login, and with it what the driver needs of its privileges: a boot override.
func (r *run) admits(t *testing.T, username string, password secret.String) error {
	t.Helper()
	s, err := r.Driver.Open(t.Context(), r.as(username, password))
	if err != nil {
		return err
	}
	defer func() {
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	return s.Boot().Set(t.Context(), bmc.BootSetting{Device: bmc.BootDisk, Mode: bmc.ModeUEFI})
}

func (r *run) accounts(t *testing.T) bmc.Accounts {
	t.Helper()
	a := r.s.Accounts()
	if (a != nil) != r.can(bmc.CanAccounts) {
		t.Fatalf("accounts: %v, and the capability says %v", a != nil, r.can(bmc.CanAccounts))
	}
	return a
}

// password is one by the BMC's rules.
func password(t *testing.T, a bmc.Accounts, seed int) secret.String {
	t.Helper()
	rules, err := a.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := uint64(seed)
	p, err := account.NewPassword(rules, func(limit int) int {
		n = n*6364136223846793005 + 1442695040888963407
		return int((n >> 33) % uint64(limit))
	})
	if err != nil {
		t.Fatal(err)
	}
	return secret.New(p)
}

// accountLife: an account is made, used, given another password by itself, and removed; saying anything twice changes nothing, and the given account stays what it was.
func accountLife(t *testing.T, r *run) {
	a := r.accounts(t)
	if a == nil {
		return
	}
	name := account.Name("hosts", "a")
	first, second := password(t, a, 1), password(t, a, 2)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, "login before there is an account", r.admits(t, name, first), step.Denied)
	for range 2 {
		must(a.Set(t.Context(), name, first))
		must(r.admits(t, name, first))
	}
	own, err := r.Driver.Open(t.Context(), r.as(name, first))
	must(err)
	must(own.Accounts().Set(t.Context(), name, second))
	// Its login may have ended with the password.
	_ = own.Close(t.Context())
	must(r.admits(t, name, second))
	wantKind(t, "login with the password before", r.admits(t, name, first), step.Denied)
	must(r.admits(t, r.Target.Username, r.Target.Password))
	must(a.Set(t.Context(), name, first))
	must(r.admits(t, name, first))
	for range 2 {
		must(a.Remove(t.Context(), name))
		wantKind(t, "login after the account was removed", r.admits(t, name, first), step.Denied)
	}
	must(r.admits(t, r.Target.Username, r.Target.Password))
}

// accountsFull: a BMC whose places are all taken says that it is full, and each place can be used again.
func accountsFull(t *testing.T, r *run) {
	const tooMany = 40
	a := r.accounts(t)
	if a == nil {
		return
	}
	p, made := password(t, a, 3), []string{}
	for n := range tooMany {
		name := fmt.Sprintf("ingot-%d", n)
		err := a.Set(t.Context(), name, p)
		if err == nil {
			made = append(made, name)
			continue
		}
		wantKind(t, "one account too many", err, step.Busy)
		if f := bmc.FailureOf(err); f.Fix == "" && !strings.Contains(f.Message, "limit") || strings.Contains(f.Message, p.Reveal()) {
			t.Errorf("a full table without a fix, or with the password: %+v", f)
		}
		break
	}
	if len(made) == 0 || len(made) == tooMany {
		t.Fatalf("%d accounts were made", len(made))
	}
	if err := a.Remove(t.Context(), made[0]); err != nil {
		t.Fatal(err)
	}
	if err := a.Set(t.Context(), "ingot-again", p); err != nil {
		t.Fatal(err)
	}
	if err := r.admits(t, "ingot-again", p); err != nil {
		t.Error(err)
	}
	if err := r.admits(t, made[len(made)-1], p); err != nil {
		t.Error(err)
	}
}
