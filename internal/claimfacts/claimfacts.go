// Package claimfacts reads what a choice of a host rests on.
//
// It owns which objects those are, all of each kind. It refuses to make sense of them, which is package survey's. The controller reads its watches by it and the programs the API, so that
// `explain` tells of the same facts that the controller chooses by.
//
// Invariant: a list that could not be read is an error and never an empty one: without its quotas a project would be unbounded.
package claimfacts

import (
	"context"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim/survey"
)

// Read lists hosts, claims, Machines, namespaces, policies, quotas and reservations.
func Read(ctx context.Context, c client.Reader, o ...client.ListOption) (survey.Facts, error) {
	var (
		hosts        metal3.BareMetalHostList
		claims       metal3.HostClaimList
		policies     metal3.HostDeployPolicyList
		machines     ingot.MachineList
		quotas       ingot.QuotaList
		reservations ingot.SizeReservationList
		namespaces   corev1.NamespaceList
	)
	for _, x := range []struct {
		what string
		list client.ObjectList
	}{
		{"hosts", &hosts}, {"claims", &claims}, {"HostDeployPolicies", &policies}, {"Machines", &machines}, {"Quotas", &quotas}, {"SizeReservations", &reservations}, {"namespaces", &namespaces},
	} {
		if err := c.List(ctx, x.list, o...); err != nil {
			return survey.Facts{}, fmt.Errorf("list %s: %w", x.what, err)
		}
	}
	return survey.Facts{Hosts: hosts.Items, Claims: claims.Items, Machines: machines.Items, Namespaces: namespaces.Items, Policies: policies.Items, Quotas: quotas.Items, Reservations: reservations.Items}, nil
}
