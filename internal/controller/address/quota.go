package address

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
	"github.com/ingotmetal/ingot/ipam"
)

// bound is one Quota with the namespaces that it holds for.
type bound struct {
	quota      *ingot.Quota
	namespaces map[string]bool
}

// bounds are the Quotas of a project and of its tenant.
func (b *base) bounds(ctx context.Context, namespace string) ([]bound, error) {
	var all []bound
	var quotas ingot.QuotaList
	if err := b.cached.List(ctx, &quotas, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list quotas: %w", err)
	}
	if len(quotas.Items) == 0 {
		return nil, nil
	}
	var spaces corev1.NamespaceList
	if err := b.cached.List(ctx, &spaces, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	tenants, projects := map[string]string{}, map[string]bool{}
	for i := range spaces.Items {
		ns := &spaces.Items[i]
		tenants[ns.Name] = ns.Labels[ingot.TenantLabel]
		projects[ns.Name] = ns.Labels[ingot.ProjectLabel] != ""
	}
	for i := range quotas.Items {
		q := &quotas.Items[i]
		tenant := tenants[q.Namespace]
		whole := tenant != "" && !projects[q.Namespace]
		switch {
		case whole && tenants[namespace] == tenant:
			of := map[string]bool{}
			for name, t := range tenants {
				if t == tenant {
					of[name] = true
				}
			}
			all = append(all, bound{q, of})
		case q.Namespace == namespace:
			all = append(all, bound{q, map[string]bool{namespace: true}})
		}
	}
	return all, nil
}

// addressLimits are what an IP of the namespace is held to.
func (b *base) addressLimits(ctx context.Context, namespace string) ([]ledger.Limit, error) {
	bounds, err := b.bounds(ctx, namespace)
	var all []ledger.Limit
	for _, of := range bounds {
		a := of.quota.Spec.Addresses
		if a == nil {
			continue
		}
		for _, one := range []struct {
			max    *int32
			family ipam.Family
		}{{a.Total, ipam.Any}, {a.IPv4, ipam.V4}, {a.IPv6, ipam.V6}} {
			if one.max != nil {
				all = append(all, ledger.Limit{Name: "Quota " + of.quota.Namespace + "/" + of.quota.Name, Namespaces: of.namespaces, Family: one.family, Max: int(*one.max)})
			}
		}
	}
	return all, err
}

// networkLimits are what a network of the namespace is held to.
func (b *base) networkLimits(ctx context.Context, namespace string) ([]ledger.NetworkLimit, error) {
	bounds, err := b.bounds(ctx, namespace)
	var all []ledger.NetworkLimit
	for _, of := range bounds {
		if of.quota.Spec.Networks != nil {
			all = append(all, ledger.NetworkLimit{Name: "Quota " + of.quota.Namespace + "/" + of.quota.Name, Namespaces: of.namespaces, Max: int(*of.quota.Spec.Networks)})
		}
	}
	return all, err
}
