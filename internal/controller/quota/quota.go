// Package quota says on Quotas and SizeReservations how they stand.
//
// It owns their status. It refuses to hold anybody to them: that is done where a host is given (package hostclaim, by the same count) or an address or network is (package address). The counts are looked at
// every few seconds and not with each change, since a thousand hosts that come free would otherwise be a thousand writes of one object; they are for people.
package quota

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/internal/claimfacts"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
)

// every is how often the counts are looked at.
const every = 5 * time.Second

// Options are what it is built on.
type Options struct {
	Log *slog.Logger
	// Every is how often the counts are looked at; 0: every 5 s.
	Every time.Duration
}

type keeper struct {
	cached client.Client
	log    *slog.Logger
	every  time.Duration
}

// Add hangs it into the manager; it runs where the process leads.
func Add(mgr manager.Manager, o Options) error {
	if o.Every <= 0 {
		o.Every = every
	}
	k := &keeper{mgr.GetClient(), o.Log, o.Every}
	if err := mgr.Add(manager.RunnableFunc(k.run)); err != nil {
		return fmt.Errorf("add the counts of quotas: %w", err)
	}
	return nil
}

func (k *keeper) run(ctx context.Context) error {
	tick := time.NewTicker(k.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := k.look(ctx); err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			k.log.Warn("quotas not counted; counted again soon", "err", err)
		}
	}
}

// look counts once.
func (k *keeper) look(ctx context.Context) error {
	f, err := claimfacts.Read(ctx, k.cached, client.UnsafeDisableDeepCopy)
	if err != nil {
		return err
	}
	s := survey.New(f)
	v := s.Inventory()
	var records ingot.AddressRecordList
	if len(f.Quotas) > 0 {
		if err := k.cached.List(ctx, &records, client.UnsafeDisableDeepCopy); err != nil {
			return fmt.Errorf("list the records of addresses: %w", err)
		}
	}
	uses := ledger.Uses(records.Items)
	for i := range f.Quotas {
		q := f.Quotas[i].DeepCopy()
		count(s, v, uses, q)
		if !equality.Semantic.DeepEqual(q.Status, f.Quotas[i].Status) {
			if err := k.cached.Status().Update(ctx, q); err != nil {
				return fmt.Errorf("write the status of Quota %s/%s: %w", q.Namespace, q.Name, err)
			}
		}
	}
	standings := claim.Standings(v, s.Rules())
	for i := range f.Reservations {
		r := f.Reservations[i].DeepCopy()
		stand(r, standings[r.Name])
		if !equality.Semantic.DeepEqual(r.Status, f.Reservations[i].Status) {
			if err := k.cached.Status().Update(ctx, r); err != nil {
				return fmt.Errorf("write the status of SizeReservation %s: %w", r.Name, err)
			}
		}
	}
	return nil
}

// count writes what is held into a quota's status.
func count(s *survey.Survey, v *claim.Inventory, uses map[string]ledger.Use, q *ingot.Quota) {
	used, owner := v.Used, ""
	own := uses[q.Namespace]
	if tenant, is := s.TenantsOwn(q.Namespace); is {
		used, owner = v.TenantUsed, tenant
		q.Status.Projects = s.Projects(tenant)
		for _, namespace := range q.Status.Projects {
			if namespace != q.Namespace {
				own = own.Plus(uses[namespace])
			}
		}
	} else {
		owner, _ = s.Owner(q.Namespace)
		q.Status.Projects = nil
	}
	q.Status.Used = ingot.QuotaUse{Machines: number(used(owner, claim.Machine)), Firewalls: number(used(owner, claim.Firewall)), Networks: number(own.Networks)}
	a := &q.Status.Used.Addresses
	a.IPv4, a.IPv6, a.Total = number(own.IPv4), number(own.IPv6), number(own.IPv4+own.IPv6)
	x := metav1.Condition{Type: ingot.QuotaWithinCondition, Status: metav1.ConditionTrue, Reason: "Within", ObservedGeneration: q.Generation}
	type bound struct {
		what string
		used int32
		most *int32
	}
	bounds := []bound{{"machines", q.Status.Used.Machines, q.Spec.Machines}, {"firewalls", q.Status.Used.Firewalls, q.Spec.Firewalls}, {"networks", q.Status.Used.Networks, q.Spec.Networks}}
	if most := q.Spec.Addresses; most != nil {
		bounds = append(bounds, bound{"addresses", a.Total, most.Total}, bound{"IPv4 addresses", a.IPv4, most.IPv4}, bound{"IPv6 addresses", a.IPv6, most.IPv6})
	}
	for _, b := range bounds {
		if b.most != nil && b.used > *b.most {
			x.Status, x.Reason = metav1.ConditionFalse, "Exceeded"
			x.Message += fmt.Sprintf("%d %s are held, and %d may be: what is held already is taken from nobody. ", b.used, b.what, *b.most)
		}
	}
	meta.SetStatusCondition(&q.Status.Conditions, x)
}

func number(n int) int32 {
	const most = 1 << 30
	return int32(min(n, most)) // bounded
}

// stand writes how a reservation stands.
func stand(r *ingot.SizeReservation, x claim.Standing) {
	r.Status.Used = number(x.Used)
	c := metav1.Condition{Type: ingot.ReservationServedCondition, Status: metav1.ConditionTrue, Reason: "Served", ObservedGeneration: r.Generation}
	if x.Short > 0 {
		c.Status, c.Reason = metav1.ConditionFalse, "TooFewHosts"
		c.Message = fmt.Sprintf("the reservations of size %s wait for %d hosts more than are free where they are for: add hosts, or make the reservations smaller", r.Spec.Size, x.Short)
	}
	meta.SetStatusCondition(&r.Status.Conditions, c)
}
