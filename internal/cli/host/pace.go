package host

import (
	"context"
	"fmt"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/lifecycle"
	"github.com/ingotmetal/ingot/pace"
)

// fresh is how long paces are good for: they are of many hosts, and one more changes little.
const fresh = time.Minute

// Paces remembers how long things usually take, for a program that tells of hosts again and again to one and the same person. Its zero value remembers nothing yet.
type Paces struct {
	mu sync.Mutex
	by map[kind]kept
}

// kind is what paces are of: hosts of a size, told to somebody who may read the timelines of this namespace at least.
type kind struct{ size, namespace string }

type kept struct {
	at    time.Time
	paces []pace.Pace
}

// of gives those for a host.
func (p *Paces) of(ctx context.Context, c client.Client, h Host, now time.Time) ([]pace.Pace, error) {
	k := kind{h.Host.Labels[ingot.SizeLabel], h.Host.Namespace}
	p.mu.Lock()
	defer p.mu.Unlock()
	if was, ok := p.by[k]; ok && len(was.paces) > 0 && now.Sub(was.at) < fresh {
		return was.paces, nil
	}
	all, err := paces(ctx, c, h)
	if err != nil {
		return nil, err
	}
	if p.by == nil {
		p.by = map[kind]kept{}
	}
	p.by[k] = kept{now, all}
	return all, nil
}

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
