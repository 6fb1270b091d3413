package login

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/account"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// Tend does what is due about the host's account. It is called when the host's BMC has just answered, outside of any Use. What fails is published once, tried again later, and holds up
// nothing.
func (k *Keeper) Tend(ctx context.Context, host *metal3.BareMetalHost, given bmc.Target, p account.Policy) {
	e := k.snapshot(host.UID)
	if !e.known {
		return
	}
	act := account.Decide(p, e.stored(), e.trial, k.o.Now())
	if act == account.Nothing {
		return
	}
	err := k.do(ctx, host, given, act, p)
	if err != nil {
		impossible := bmc.KindOf(err) == step.Unsupported
		k.with(host.UID, func(e *entry) { e.trial = e.trial.Failed(k.o.Now(), impossible) })
		k.trouble(host, given, act, err)
		return
	}
	k.with(host.UID, func(e *entry) {
		e.told = ""
		if act != account.Remove {
			e.trial = e.trial.Changed()
		}
	})
	switch act {
	case account.Make:
		k.o.Tell(host, false, reasonMade, "made an account of Ingot's own at the BMC; the given one stays as it is")
	case account.Rotate, account.Replace, account.SetAgain:
		k.o.Tell(host, false, reasonRotated, "gave Ingot's own account at the BMC its stored password")
	case account.Remove:
		k.o.Tell(host, false, reasonRemoved, "removed Ingot's own account from the BMC; the given one is used")
	case account.Nothing: // done above
	}
	k.o.Log.Info("BMC account changed", "machine", host.Namespace+"/"+host.Name, "bmc", given.Address, "step", string(act))
}

// trouble publishes what failed, once until something else does.
func (k *Keeper) trouble(host *metal3.BareMetalHost, given bmc.Target, act account.Act, err error) {
	k.o.Log.Warn("BMC account not changed", "machine", host.Namespace+"/"+host.Name, "bmc", given.Address, "step", string(act), "err", err)
	if errors.Is(err, errNone) {
		return // a BMC that has no accounts is no trouble
	}
	text := "Ingot's own account at the BMC: " + err.Error() + "; the given credentials are used meanwhile"
	said := false
	k.with(host.UID, func(e *entry) { said, e.told = e.told == text, text })
	if !said {
		k.o.Tell(host, true, reasonFailed, text)
	}
}

// errNone is a BMC without accounts that can be made.
var errNone = errors.New("this BMC has no accounts that can be made")

func (k *Keeper) do(ctx context.Context, host *metal3.BareMetalHost, given bmc.Target, act account.Act, p account.Policy) error {
	e := k.snapshot(host.UID)
	return k.o.BMCs.Use(ctx, e.target(account.By(act, e.trial), given), func(s bmc.Session) error {
		a := s.Accounts()
		if a == nil {
			return &bmc.Error{Op: "set account", Address: given.Address, Kind: step.Unsupported, Err: errNone}
		}
		switch act {
		case account.Remove:
			if err := a.Remove(ctx, string(e.secret.Data[keyUsername])); err != nil {
				return err
			}
			return k.drop(ctx, host.UID)
		case account.Make, account.Rotate, account.Replace:
			rules, err := a.Rules(ctx)
			if err != nil {
				return err
			}
			text, err := account.NewPassword(rules, draw)
			if err != nil {
				return &bmc.Error{Op: "make a password", Address: given.Address, Kind: step.Unsupported, Err: err}
			}
			if err := k.store(ctx, host, secret.New(text), p.Asked, act); err != nil {
				return err
			}
		case account.SetAgain, account.Nothing: // what is stored
		}
		now := k.snapshot(host.UID).secret
		return a.Set(ctx, string(now.Data[keyUsername]), secret.New(string(now.Data[keyPassword])))
	})
}

// draw gives a random number below n.
func draw(n int) int {
	got, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // the system's source does not fail (crypto/rand, since Go 1.24)
	}
	return int(got.Int64())
}

// Holds says whether there is an account to let go of.
func (k *Keeper) Holds(ctx context.Context, host *metal3.BareMetalHost) (bool, error) {
	if err := k.load(ctx, host); err != nil {
		return false, err
	}
	return k.snapshot(host.UID).secret != nil, nil
}

// releaseTime bounds what a BMC may cost a host that is to be deleted.
const releaseTime = time.Minute

// Release removes a deleted host's account from its BMC, by the given credentials or else by its own, and then its Secret. A BMC that doesn't answer keeps its account, with a password that
// nobody knows any more: a host that is to go must not wait for a machine that may be scrap.
func (k *Keeper) Release(ctx context.Context, host *metal3.BareMetalHost, given bmc.Target) error {
	e := k.snapshot(host.UID)
	if e.secret == nil {
		return nil
	}
	username := string(e.secret.Data[keyUsername])
	on, cancel := context.WithTimeout(ctx, releaseTime)
	defer cancel()
	remove := func(s bmc.Session) error {
		if a := s.Accounts(); a != nil {
			return a.Remove(on, username)
		}
		return nil
	}
	err := k.o.BMCs.Use(on, given, remove)
	if bmc.KindOf(err) == step.Denied {
		err = k.Use(on, host, given, remove)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		k.o.Tell(host, true, reasonLeft, "the host goes, and its account "+username+" stays at the BMC: "+err.Error())
	}
	return k.drop(ctx, host.UID)
}
