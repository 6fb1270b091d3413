package ipmi

import (
	"context"
	"fmt"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/app"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/ingotmetal/ingot/account"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// accounts implements bmc.Accounts by the user commands (IPMI 2.0 §22.26 to §22.30). A user is a place in a table; the first is the anonymous one and stays as it is.
type accounts struct{ s *session }

// The BMC's limits of passwords. Those of 20 bytes exist with IPMI 2.0 only and are refused by some BMCs' firmware all the same.
const (
	shortestPassword = 8
	safePassword     = 16
)

const (
	// thisChannel is the one that the request comes over (§6.3).
	thisChannel = 0x0e
	// firstPlace is the first after the anonymous user's.
	firstPlace = 2
	noAccess   = 0x0f
)

// Rules implements bmc.Accounts.
func (accounts) Rules(context.Context) (account.Rules, error) {
	return account.Rules{MinLength: shortestPassword, MaxLength: safePassword}, nil
}

// Set implements bmc.Accounts. A place is named first and enabled last: what dies between leaves a user that nobody can log in as, and that the next call finds by its name.
func (a accounts) Set(ctx context.Context, username string, password secret.String) error {
	op := "set account " + username
	if err := checkLogin(bmc.Target{Username: username, Password: password}); err != nil {
		return a.s.wrap(op, &fault{step.Invalid, err.Error(), ""})
	}
	at, free, err := a.find(ctx, username)
	if err != nil {
		return a.s.wrap(op, err)
	}
	if at == 0 {
		if free == 0 {
			return a.s.wrap(op, &fault{step.Busy, "all places for users are taken", "remove a user of the BMC that nobody needs"})
		}
		at = free
		if err := a.do(ctx, "set user name", func(ctx context.Context, c *client.Client) error {
			_, err := c.SetUsername(ctx, at, username)
			return err
		}); err != nil {
			return a.s.wrap(op, err)
		}
	}
	steps := []struct {
		what string
		do   func(context.Context, *client.Client) error
	}{
		{"set password", func(ctx context.Context, c *client.Client) error {
			_, err := c.SetUserPassword(ctx, at, password.Reveal(), len(password.Reveal()) > safePassword)
			return err
		}},
		{"set privilege", func(ctx context.Context, c *client.Client) error {
			_, err := c.SetUserAccess(ctx, access(at, uint8(types.PrivilegeLevelAdministrator)))
			return err
		}},
		{"enable", func(ctx context.Context, c *client.Client) error { return c.EnableUser(ctx, at) }},
	}
	for _, step := range steps {
		if err := a.do(ctx, step.what, step.do); err != nil {
			return a.s.wrap(op, err)
		}
	}
	return nil
}

// access is what a user may do over this channel: IPMI messages, and the links of serial consoles that need no user.
func access(id, privilege uint8) *app.SetUserAccessRequest {
	return &app.SetUserAccessRequest{
		EnableChanging: true, EnableIPMIMessaging: privilege != noAccess, EnableLinkAuth: privilege != noAccess, ChannelNumber: thisChannel, UserID: id, MaxPrivLevel: privilege,
	}
}

// Remove implements bmc.Accounts.
func (a accounts) Remove(ctx context.Context, username string) error {
	op := "remove account " + username
	at, _, err := a.find(ctx, username)
	if err != nil || at == 0 {
		return a.s.wrap(op, err)
	}
	if err := a.do(ctx, "disable", func(ctx context.Context, c *client.Client) error { return c.DisableUser(ctx, at) }); err != nil {
		return a.s.wrap(op, err)
	}
	if err := a.do(ctx, "take the privilege away", func(ctx context.Context, c *client.Client) error {
		_, err := c.SetUserAccess(ctx, access(at, noAccess))
		return err
	}); err != nil {
		return a.s.wrap(op, err)
	}
	return a.s.wrap(op, a.do(ctx, "empty the user name", func(ctx context.Context, c *client.Client) error {
		_, err := c.SetUsername(ctx, at, "")
		return err
	}))
}

func (a accounts) do(ctx context.Context, what string, do func(context.Context, *client.Client) error) error {
	if err := a.s.call(ctx, do); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// find looks for a user by its name, and for the first free place; 0 is none. A place whose name cannot be read has none: the BMC's answer to that is CCh.
func (a accounts) find(ctx context.Context, username string) (at, free uint8, err error) {
	var places uint8
	err = a.do(ctx, "read the number of users", func(ctx context.Context, c *client.Client) error {
		got, err := c.GetUserAccess(ctx, thisChannel, 1)
		if err == nil {
			places = got.MaxUsersIDCount
		}
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	for id := uint8(firstPlace); id <= places; id++ {
		name := ""
		err := a.do(ctx, fmt.Sprintf("read the name of user %d", id), func(ctx context.Context, c *client.Client) error {
			got, err := c.GetUsername(ctx, id)
			if err == nil {
				name = got.Username
			}
			return err
		})
		switch {
		case err != nil && !answered(err):
			return 0, 0, err
		case err == nil && name == username:
			return id, 0, nil
		case name == "" && free == 0:
			free = id
		}
	}
	return 0, free, nil
}
