package host

import (
	"context"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/lifecycle"
	"github.com/ingotmetal/ingot/pace"
)

// paces are how long things usually take on hosts of this one's size, by the timelines of all hosts that may be read: of all namespaces, or of the host's own.
func paces(ctx context.Context, c client.Client, h Host) ([]pace.Pace, error) {
	var hosts metal3.BareMetalHostList
	var records ingot.HostLifecycleList
	for _, l := range []client.ObjectList{&hosts, &records} {
		err := c.List(ctx, l)
		if apierrors.IsForbidden(err) {
			err = c.List(ctx, l, client.InNamespace(h.Host.Namespace))
		}
		if apierrors.IsForbidden(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list what was done to all hosts, by which it is known how long things take: %w", err)
		}
	}
	classes := make(map[types.NamespacedName]string, len(hosts.Items))
	for i := range hosts.Items {
		classes[client.ObjectKeyFromObject(&hosts.Items[i])] = hosts.Items[i].Labels[ingot.SizeLabel]
	}
	var samples []pace.Sample
	for i := range records.Items {
		r := &records.Items[i]
		samples = append(samples, lifecycle.Samples(&r.Status, classes[client.ObjectKeyFromObject(r)])...)
	}
	return pace.Of(samples, h.Host.Labels[ingot.SizeLabel]), nil
}
