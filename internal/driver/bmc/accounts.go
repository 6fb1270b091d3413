package bmc

import (
	"context"

	"github.com/ingotmetal/ingot/account"
	"github.com/ingotmetal/ingot/internal/secret"
)

// CanAccounts: accounts can be made at the BMC. Whether there is room for one more shows when one is made.
const CanAccounts Capability = "accounts"

// Accounts makes, changes and removes accounts by their names. It never touches any other than the named one.
type Accounts interface {
	// Rules are what a password must be like for this BMC.
	Rules(ctx context.Context) (account.Rules, error)
	// Set makes the account, or gives the one there is this password, enabled and with the administrator's role. The same call again changes nothing. Busy where there is no room for one more.
	// An answer may get lost: after an error the account has its old password, or this one, or does not exist.
	Set(ctx context.Context, username string, password secret.String) error
	// Remove of an account that is not there is no error.
	Remove(ctx context.Context, username string) error
}
