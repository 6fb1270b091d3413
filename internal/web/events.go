package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clievents "github.com/ingotmetal/ingot/internal/cli/events"
)

// Event is one of the API's.
type Event struct {
	At      string `json:"at"`
	Kind    string `json:"kind"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Count   int32  `json:"count"`
}

// mostEvents bounds what a page tells, readEvents what it reads: the API server gives them in no order of time, and forgets them after an hour or so.
const (
	mostEvents = 50
	readEvents = 1000
)

// events are those on an object, asked for anew with each change of it: a watch tells events by their namespace only.
func events(ctx context.Context, c *reader, kind, namespace, name string) ([]Event, error) {
	var list corev1.EventList
	err := c.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{"involvedObject.kind": kind, "involvedObject.name": name}, client.Limit(readEvents))
	switch {
	case apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("list the events of %s %s/%s: %w", kind, namespace, name, err)
	}
	return latest(list.Items), nil
}

// latest sorts events of either API (core's and events.k8s.io's, which fill other fields), and keeps the last ones.
func latest(all []corev1.Event) []Event {
	slices.SortStableFunc(all, func(x, y corev1.Event) int {
		return cmp.Or(clievents.Seen(y).Compare(clievents.Seen(x)), cmp.Compare(x.Name, y.Name))
	})
	var out []Event
	for _, e := range all[:min(len(all), mostEvents)] {
		n := max(e.Count, 1)
		if e.Series != nil {
			n = max(n, e.Series.Count)
		}
		out = append(out, Event{at(&metav1.Time{Time: clievents.Seen(e)}), e.Type, e.Reason, e.Message, n})
	}
	return out
}

// components are the firmware versions of the host's parts.
func components(ctx context.Context, c *reader, h metal3.BareMetalHost) ([]metal3.FirmwareComponentStatus, error) {
	var f metal3.HostFirmwareComponents
	err := c.Get(ctx, client.ObjectKeyFromObject(&h), &f)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the firmware components of host %s/%s: %w", h.Namespace, h.Name, err)
	}
	return f.Status.Components, nil
}
