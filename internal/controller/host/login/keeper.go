// Package login logs in to the BMCs of hosts: by Ingot's own account where there is one, by the host's given credentials where there is none or it fails.
//
// It owns the accounts' Secrets, one per host in ingot.BMCNamespace, named by the host's UID: their password is stored before the BMC is told of it, and the one before it stays beside it until
// the next. It owns what a process remembers of the logins that worked and of those that were refused. It refuses the decisions, which package account makes, and BMCs, which it gets as
// sessions.
//
// The Secrets stand apart from the hosts: whoever may read Secrets beside a host has the credentials that he gave, and need not have ours; and the partition role, which makes and deletes these,
// can make and delete none elsewhere. They are read once per host and process, since nobody else
// writes them but a process that was this partition's before or will be after, and again when the BMC refuses what they say.
//
// Invariants: no call of a BMC's accounts before the Secret that says the same is written; a Secret is deleted after its account; a host whose account makes trouble is worked on by the given
// credentials, and not held up.
package login

import (
	"context"
	"log/slog"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/account"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// BMCs lends sessions. bmc.Pool is one.
type BMCs interface {
	Use(ctx context.Context, t bmc.Target, do func(bmc.Session) error) error
}

// Options are the keeper's.
type Options struct {
	// Live asks the API server.
	Live client.Client
	BMCs BMCs
	// Partition labels the Secrets.
	Partition string
	Now       func() time.Time
	Log       *slog.Logger
	// Tell publishes what happened to a host's account as an event.
	Tell func(host *metal3.BareMetalHost, warning bool, reason, note string)
}

// Keeper logs in. It is safe for concurrent use; changes of one host's account are its caller's to do one at a time.
type Keeper struct {
	o Options

	mu    sync.Mutex
	hosts map[types.UID]*entry
}

// entry is what a process knows of one host's account.
type entry struct {
	// secret is the account's, nil for none; known: it was looked for.
	secret *corev1.Secret
	known  bool
	trial  account.Trial
	// nudged is when a look at the host was last asked for on behalf of its account.
	nudged time.Time
	// told is the last trouble that was published.
	told string
}

// New makes a keeper that knows of no account.
func New(o Options) *Keeper { return &Keeper{o: o, hosts: map[types.UID]*entry{}} }

// The reasons of events.
const (
	reasonMade    = "BMCAccountMade"
	reasonRotated = "BMCAccountRotated"
	reasonRemoved = "BMCAccountRemoved"
	reasonFailed  = "BMCAccountFailed"
	reasonLeft    = "BMCAccountLeft"
)

const defaultRotation = 90 * 24 * time.Hour

// Policy is what is asked for a host.
func Policy(host *metal3.BareMetalHost, site *ingot.BMCAccountPolicy) (account.Policy, error) {
	p := account.Policy{RotateAfter: defaultRotation, Asked: host.Annotations[ingot.RotateBMCAccountAnnotation], Leaves: !host.DeletionTimestamp.IsZero()}
	var use account.Use
	if site != nil {
		use = account.Use(site.Use)
		if site.RotateAfterDays != nil {
			p.RotateAfter = time.Duration(*site.RotateAfterDays) * 24 * time.Hour
		}
	}
	var err error
	p.Use, err = account.ParseUse(host.Annotations[ingot.BMCAccountAnnotation], use)
	return p, err
}

// Use runs do with a session of the host's BMC, by the first login that the BMC does not refuse. given is the BMC with the host's own credentials.
func (k *Keeper) Use(ctx context.Context, host *metal3.BareMetalHost, given bmc.Target, do func(bmc.Session) error) error {
	if err := k.load(ctx, host); err != nil {
		return err
	}
	e := k.snapshot(host.UID)
	var err error
	for _, login := range account.Logins(e.stored(), e.trial, k.o.Now()) {
		err = k.o.BMCs.Use(ctx, e.target(login, given), do)
		if bmc.KindOf(err) != step.Denied {
			if err == nil {
				k.learn(host.UID, e, func(t account.Trial) account.Trial { return t.Took(login) })
			}
			return err
		}
		k.o.Log.Info("BMC refused a login", "machine", host.Namespace+"/"+host.Name, "bmc", given.Address, "step", string(login))
		k.learn(host.UID, e, func(t account.Trial) account.Trial { return t.Refused(login, k.o.Now()) })
		if login != account.ByCurrent {
			continue
		}
		if changed, loadErr := k.reload(ctx, host); loadErr != nil || changed {
			if loadErr != nil {
				return loadErr
			}
			return k.Use(ctx, host, given, do)
		}
	}
	return err
}

// UseGiven is Use with the given credentials and no others, for what is to show whether they are right.
func (k *Keeper) UseGiven(ctx context.Context, host *metal3.BareMetalHost, given bmc.Target, do func(bmc.Session) error) error {
	if err := k.load(ctx, host); err != nil {
		return err
	}
	return k.o.BMCs.Use(ctx, given, do)
}

// Target is the login that Use would try first, from what is known without asking anybody.
func (k *Keeper) Target(host *metal3.BareMetalHost, given bmc.Target) bmc.Target {
	e := k.snapshot(host.UID)
	return e.target(account.Logins(e.stored(), e.trial, k.o.Now())[0], given)
}

// nudgeEvery is how often a host is looked at for its account at most.
const nudgeEvery = time.Minute

// Due says that the host's BMC should be looked at for its account's sake.
func (k *Keeper) Due(host *metal3.BareMetalHost, p account.Policy) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.hosts[host.UID]
	now := k.o.Now()
	if e == nil || !e.known || now.Sub(e.nudged) < nudgeEvery || account.Decide(p, e.stored(), e.trial, now) == account.Nothing {
		return false
	}
	e.nudged = now
	return true
}

// Forget drops what is remembered of a host that is gone.
func (k *Keeper) Forget(host types.UID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.hosts, host)
}

func (k *Keeper) snapshot(host types.UID) entry {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.hosts[host]; e != nil {
		return *e
	}
	return entry{}
}

// learn takes up what a login told, unless the account was changed since: what was tried is then not what it is now.
func (k *Keeper) learn(host types.UID, tried entry, f func(account.Trial) account.Trial) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.hosts[host]; e != nil && e.secret == tried.secret {
		e.trial = f(e.trial)
	}
}

// with runs f on what is known of a host.
func (k *Keeper) with(host types.UID, f func(*entry)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.hosts[host]
	if e == nil {
		e = &entry{}
		k.hosts[host] = e
	}
	f(e)
}

// stored is the account as decisions see it.
func (e *entry) stored() *account.Stored {
	if e.secret == nil {
		return nil
	}
	return storedIn(e.secret)
}

// target is the BMC by a login.
func (e *entry) target(l account.Login, given bmc.Target) bmc.Target {
	t := given
	switch l {
	case account.ByCurrent:
		t.Username, t.Password = string(e.secret.Data[keyUsername]), secret.New(string(e.secret.Data[keyPassword]))
	case account.ByPrevious:
		t.Username, t.Password = string(e.secret.Data[keyUsername]), secret.New(string(e.secret.Data[keyPrevious]))
	case account.ByGiven: // as it is
	}
	return t
}
