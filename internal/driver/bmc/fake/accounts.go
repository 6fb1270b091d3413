package fake

import (
	"context"
	"maps"

	"github.com/ingotmetal/ingot/account"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// accountState is the accounts beside the configured one. It is guarded by BMC.mu.
type accountState struct {
	by map[string]secret.String
	// refused counts the failed logins.
	refused int
}

// admits says whether a login is right, and counts those that are not. It is called with mu held.
func (b *BMC) admits(t bmc.Target) bool {
	password, known := b.accounts.by[t.Username]
	if t.Username == b.config.Username {
		password, known = b.config.Password, true
	}
	if known && password.Equal(t.Password) {
		return true
	}
	b.accounts.refused++
	return false
}

// Accounts are those that were made, by their names.
func (b *BMC) Accounts() map[string]secret.String {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.accounts.by)
}

// SetAccount is another administrator's doing: an empty password removes the account.
func (b *BMC) SetAccount(username string, password secret.String) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if password.IsZero() {
		delete(b.accounts.by, username)
		return
	}
	b.accounts.by[username] = password
}

// FailedLogins counts the logins that were refused.
func (b *BMC) FailedLogins() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.accounts.refused
}

// mostAccounts is how many there may be beside the configured one.
const mostAccounts = 3

// accounts implements bmc.Accounts.
type accounts struct{ s *session }

// Rules implements bmc.Accounts.
func (a accounts) Rules(ctx context.Context) (out account.Rules, err error) {
	err = a.s.call(ctx, "read rules for accounts", func() error {
		out = account.Rules{MinLength: 8, MaxLength: 20}
		return nil
	})
	return out, err
}

// Set implements bmc.Accounts.
func (a accounts) Set(ctx context.Context, username string, password secret.String) error {
	op := "set account " + username
	return a.s.call(ctx, op, func() error {
		b := a.s.b
		if _, known := b.accounts.by[username]; !known && len(b.accounts.by) >= mostAccounts {
			return b.failure(op, step.Busy, "all places for accounts are taken", "remove one")
		}
		b.accounts.by[username] = password
		return nil
	})
}

// Remove implements bmc.Accounts.
func (a accounts) Remove(ctx context.Context, username string) error {
	return a.s.call(ctx, "remove account "+username, func() error {
		delete(a.s.b.accounts.by, username)
		return nil
	})
}
