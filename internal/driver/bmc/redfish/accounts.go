package redfish

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/ingotmetal/ingot/account"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// accounts implements bmc.Accounts by AccountService and ManagerAccount (DSP8010). Nothing of it is read by the probe: most logins never need it.
type accounts struct {
	s  *service
	at link
}

// administrator is the role of ours. The next lower predefined one, Operator, lacks ConfigureManager (DSP0266 §13.2.8), which subscriptions, updates of the BMC and iDRAC's boot from a
// virtual CD need.
const administrator = "Administrator"

// accountService is AccountService.
type accountService struct {
	Min      number `json:"MinPasswordLength"`
	Max      number `json:"MaxPasswordLength"`
	Accounts link
}

// managerAccount is ManagerAccount.
type managerAccount struct {
	Own      text `json:"Id"`
	UserName text
	RoleID   text `json:"RoleId"`
	// Enabled is nil where the account does not say.
	Enabled *flag
	Locked  flag
}

// place is an account where it was found.
type place struct {
	path link
	is   managerAccount
}

// Rules implements bmc.Accounts.
func (a *accounts) Rules(ctx context.Context) (account.Rules, error) {
	var view accountService
	if _, err := a.s.c.get(ctx, a.at, "AccountService", &view); err != nil {
		return account.Rules{}, a.s.wrap("read rules for accounts", err)
	}
	return account.Rules{MinLength: int(min(view.Min, 1<<10)), MaxLength: int(min(view.Max, 1<<10))}, nil
}

// Set implements bmc.Accounts.
func (a *accounts) Set(ctx context.Context, username string, password secret.String) error {
	return a.s.wrap("set account "+username, hidden(a.set(ctx, username, password), password))
}

func (a *accounts) set(ctx context.Context, username string, password secret.String) error {
	at, found, free, err := a.find(ctx, username)
	if err != nil {
		return err
	}
	if found != nil {
		return a.patch(ctx, found.path, a.changes(found.is, password), password)
	}
	whole := map[string]any{"UserName": username, "Password": password.Reveal(), "RoleId": administrator}
	if !a.s.effect.AccountAlwaysEnabled {
		whole["Enabled"] = true
	}
	if !a.s.effect.AccountSlots {
		_, err := a.s.c.do(ctx, request{method: http.MethodPost, path: at, body: whole, mask: []string{password.Reveal()}})
		if free == nil || !absent(err) {
			return err
		}
	}
	if free == nil {
		return faultf(step.Busy, "GET %s: all places for accounts are taken", at).withFix("remove an account of the BMC that nobody uses")
	}
	return a.patch(ctx, free.path, whole, password)
}

// changes are what an account needs beside the password. A property that is right already is not sent: a login may be refused to change its own role.
func (a *accounts) changes(is managerAccount, password secret.String) map[string]any {
	body := map[string]any{"Password": password.Reveal()}
	if is.RoleID != administrator {
		body["RoleId"] = administrator
	}
	if is.Enabled != nil && !bool(*is.Enabled) && !a.s.effect.AccountAlwaysEnabled {
		body["Enabled"] = true
	}
	if is.Locked {
		body["Locked"] = false
	}
	return body
}

func (a *accounts) patch(ctx context.Context, path link, body map[string]any, password secret.String) error {
	_, err := a.s.c.patch(ctx, path, body, a.s.effect.NeedsETag, password.Reveal())
	return err
}

// Remove implements bmc.Accounts.
func (a *accounts) Remove(ctx context.Context, username string) error {
	return a.s.wrap("remove account "+username, a.remove(ctx, username))
}

func (a *accounts) remove(ctx context.Context, username string) error {
	_, found, _, err := a.find(ctx, username)
	if err != nil || found == nil {
		return err
	}
	if !a.s.effect.AccountSlots {
		_, err := a.s.c.do(ctx, request{method: http.MethodDelete, path: found.path})
		if statusOf(err) == http.StatusNotFound {
			return nil
		}
		if !absent(err) {
			return err
		}
	}
	// A place is emptied in two steps: an account that is enabled must have a name.
	for _, body := range []map[string]any{{"Enabled": false}, {"UserName": ""}} {
		if _, err := a.s.c.patch(ctx, found.path, body, a.s.effect.NeedsETag); err != nil {
			return err
		}
	}
	return nil
}

// find looks the account up by its name, and for the first free place. at is the collection.
func (a *accounts) find(ctx context.Context, username string) (at link, found, free *place, err error) {
	var view accountService
	if _, err := a.s.c.get(ctx, a.at, "AccountService", &view); err != nil {
		return "", nil, nil, err
	}
	all, err := a.s.c.members(ctx, view.Accounts, "ManagerAccountCollection")
	if err != nil {
		return "", nil, nil, err
	}
	for _, m := range all {
		p := place{path: m.path}
		if err := a.s.c.read(ctx, m, "ManagerAccount", &p.is); err != nil {
			if absent(err) {
				continue
			}
			return "", nil, nil, err
		}
		switch {
		case string(p.is.UserName) == username:
			return view.Accounts, &p, nil, nil
		case p.is.UserName == "" && free == nil && !slices.Contains(a.s.effect.ReservedSlots, string(p.is.Own)):
			free = &p
		}
	}
	return view.Accounts, nil, free, nil
}

// hidden takes a password that a BMC repeats out of its words: it is not yet this login's own, which the client hides.
func hidden(err error, password secret.String) error {
	if err == nil || hide(err.Error(), []string{password.Reveal()}) == err.Error() {
		return err
	}
	f := faultf(step.Internal, "%s", hide(err.Error(), []string{password.Reveal()}))
	if was, ok := asFault(err); ok {
		f.kind, f.fix, f.status = was.kind, was.fix, was.status
	}
	return f
}

func asFault(err error) (*fault, bool) { return errors.AsType[*fault](err) }
