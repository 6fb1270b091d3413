package address

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"
	clusteripam "sigs.k8s.io/cluster-api/api/ipam/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
)

// sweep holds what is recorded, and the objects that show addresses, against the claims that are there: their end was missed by a process that was not there, or was faster than one that still made the object.
func (b *base) sweep(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		for _, what := range []func(context.Context) error{b.sweepRecords, b.sweepShown, b.sweepObjects} {
			if err := what(ctx); err != nil && ctx.Err() == nil {
				b.log.Warn("addresses not held against claims", "err", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *base) sweepRecords(ctx context.Context) error {
	claims, err := b.ledger.Claims(ctx)
	if err != nil {
		return err
	}
	leaked := 0
	for _, c := range claims {
		there, err := b.there(ctx, b.cached, c)
		if err != nil {
			return err
		}
		if !there {
			leaked++
			b.wake(c.Kind, client.ObjectKey{Namespace: c.Namespace, Name: c.Name})()
		}
	}
	if leaked > 0 {
		b.log.Info("addresses of claims that are gone are given back", "count", leaked)
	}
	return nil
}

// sweepShown finds objects that show an address which is in no record as their claim's, and has the claims ask for it again. A record that somebody deletes is seen at once (lost); this is for what was missed.
func (b *base) sweepShown(ctx context.Context) error {
	shown, err := b.imports(ctx)
	if err != nil {
		return err
	}
	missing := 0
	for _, s := range shown {
		held, err := b.ledger.Holdings(ctx, s.Claim.Key())
		if err != nil {
			return err
		}
		if slices.ContainsFunc(held, func(h ledger.Holding) bool { return h.Address == s.Address && h.Claim.UID == s.Claim.UID }) {
			continue
		}
		if there, err := b.there(ctx, b.cached, s.Claim); err != nil {
			return err
		} else if there {
			missing++
			b.lost(s.Claim)
		}
	}
	if missing > 0 {
		b.log.Warn("addresses that are shown and not recorded are asked for again", "count", missing)
	}
	return nil
}

// there says whether a claim with its UID is.
func (b *base) there(ctx context.Context, from client.Reader, c ledger.Claim) (bool, error) {
	var o client.Object
	switch {
	case c.Kind == kindIP:
		o = &ingot.IP{}
	case c.Kind == kindAddressClaim:
		o = &clusteripam.IPAddressClaim{}
	case c.Kind == kindIPClaim && b.metal3:
		o = &metal3ipam.IPClaim{}
	default:
		return true, nil
	}
	err := from.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.Name}, o)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("read %s: %w", c.Key(), err)
	}
	return err == nil && string(o.GetUID()) == c.UID, nil
}

// sweepObjects takes away what shows addresses of claims that are gone and have nothing recorded any more; what is recorded goes the ordinary way.
func (b *base) sweepObjects(ctx context.Context) error {
	if b.metal3 {
		var all metal3ipam.IPAddressList
		if err := b.cached.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
			return fmt.Errorf("list Metal3's addresses: %w", err)
		}
		for i := range all.Items {
			o := &all.Items[i]
			claim := ledger.Claim{Kind: kindIPClaim, Namespace: o.Namespace, Name: o.Spec.Claim.Name, UID: ownerUID(o, kindIPClaim)}
			if err := b.orphan(ctx, o, &metal3ipam.IPAddress{}, claim, metal3ipam.IPAddressFinalizer); err != nil {
				return err
			}
		}
	}
	var all clusteripam.IPAddressList
	if err := b.cached.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list Cluster API's addresses: %w", err)
	}
	for i := range all.Items {
		o := &all.Items[i]
		if _, ours := b.poolOf(o.Namespace, o.Spec.PoolRef); !ours {
			continue
		}
		claim := ledger.Claim{Kind: kindAddressClaim, Namespace: o.Namespace, Name: o.Spec.ClaimRef.Name, UID: ownerUID(o, kindAddressClaim)}
		if err := b.orphan(ctx, o, &clusteripam.IPAddress{}, claim, protectFinalizer, metal3AddressFinalizer); err != nil {
			return err
		}
	}
	return nil
}

// orphan takes one object away, if its claim is gone, or shows another.
func (b *base) orphan(ctx context.Context, o, fresh client.Object, claim ledger.Claim, finalizers ...string) error {
	if claim.Name == "" || claim.UID == "" && len(withoutFinalizers(o, finalizers...)) == len(o.GetFinalizers()) {
		// Somebody made it by hand.
		return nil
	}
	// The cache may be behind: what it says is asked again.
	for _, from := range []client.Reader{b.cached, b.live} {
		there, err := b.there(ctx, from, claim)
		if err == nil && there {
			there, err = b.showsIt(ctx, from, claim, o.GetName())
		}
		if err != nil || there {
			return err
		}
	}
	held, err := b.ledger.Holdings(ctx, claim.Key())
	if err != nil {
		return err
	}
	for _, h := range held {
		if h.Claim.UID == claim.UID && h.Address == addressOf(o) {
			// The claim's own turn gives it back.
			b.wake(claim.Kind, client.ObjectKey{Namespace: claim.Namespace, Name: claim.Name})()
			return nil
		}
	}
	b.log.Info("the object of an address that no claim shows is taken away", "claim", claim.Key())
	return b.unclaim(ctx, fresh, client.ObjectKeyFromObject(o), claim.Kind, claim.UID, finalizers...)
}

// showsIt says whether a claim that is there may show the object. Of two processes that gave a claim of Metal3's an address each, the slower one may make its object after the other's was settled on: then the claim's
// status, which never changes, names another. Cluster API's objects have their claim's name.
func (b *base) showsIt(ctx context.Context, from client.Reader, claim ledger.Claim, name string) (bool, error) {
	if claim.Kind != kindIPClaim {
		return true, nil
	}
	c := &metal3ipam.IPClaim{}
	if err := from.Get(ctx, client.ObjectKey{Namespace: claim.Namespace, Name: claim.Name}, c); err != nil {
		return false, fmt.Errorf("read %s: %w", claim.Key(), err)
	}
	return c.Status.Address == nil || c.Status.Address.Name == name, nil
}

// addressOf is what an object shows; the zero Addr where it shows none.
func addressOf(o client.Object) netip.Addr {
	text := ""
	switch a := o.(type) {
	case *metal3ipam.IPAddress:
		text = string(a.Spec.Address)
	case *clusteripam.IPAddress:
		text = a.Spec.Address
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return address
}
