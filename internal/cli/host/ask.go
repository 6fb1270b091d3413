package host

import (
	"context"
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/lifecycle"
	"github.com/ingotmetal/ingot/pace"
)

// What follows is for other views of hosts than the commands: the web page tells the same story, and asks for the same changes.

// All reads hosts with their life cycles.
func All(ctx context.Context, c client.Client, opts ...client.ListOption) ([]*Host, error) {
	return loadAll(ctx, c, opts...)
}

// One reads a host with its life cycle.
func One(ctx context.Context, c client.Client, key client.ObjectKey) (Host, error) {
	return read(ctx, c, key)
}

// Told is what `explain` and `plan` say of a host, and how long its stages and steps usually take.
type Told struct {
	Explanation lifecycle.Explanation
	Plan        []lifecycle.PlannedStep
	Paces       []pace.Pace
}

// Story tells of a host, with paces that are remembered.
func Story(ctx context.Context, c client.Client, h Host, remembered *Paces, now time.Time) (Told, error) {
	f, err := facts(ctx, c, h)
	if err != nil {
		return Told{}, err
	}
	paces, err := remembered.of(ctx, c, h, now)
	if err != nil {
		return Told{}, err
	}
	t := Told{lifecycle.Explain(f, now), lifecycle.Plan(f, now), paces}
	t.Explanation.Usual = lifecycle.Usual(&f.Record, paces, now)
	return t, nil
}

// Events are what was said of a host, oldest first.
func Events(ctx context.Context, c client.Client, h Host) ([]corev1.Event, error) {
	return eventsOf(ctx, c, h)
}

// Activity is what the host does now, in one line.
func (h Host) Activity() string { return activity(&h) }

// Partition is the one that serves the host.
func (h Host) Partition() string { return partition(&h) }

// Hardware is the host's hardware in one line, empty before it was inspected.
func (h Host) Hardware() string { return hardware(&h) }

// AskPower writes the wish for another power to the host: on, off or reboot; hard is for a reboot without asking the operating system first.
func AskPower(ctx context.Context, c client.Client, h Host, wish string, hard bool) error {
	changed := h.Host.DeepCopy()
	switch wish {
	case powerOn, powerOff:
		changed.Spec.Online = wish == powerOn
	case powerReboot:
		if changed.Annotations == nil {
			changed.Annotations = map[string]string{}
		}
		mode := metal3.RebootModeSoft
		if hard {
			mode = metal3.RebootModeHard
		}
		changed.Annotations[metal3.RebootAnnotationPrefix] = fmt.Sprintf(`{"mode":%q}`, mode)
	default:
		return fmt.Errorf("power %q is not known: use on, off or reboot", wish)
	}
	if err := c.Patch(ctx, changed, client.MergeFrom(&h.Host)); err != nil {
		return fmt.Errorf("ask host %s/%s for power %s: %w", h.Host.Namespace, h.Host.Name, wish, err)
	}
	return nil
}

// TakeImage takes the image off a host and turns it off: its disks are wiped.
func TakeImage(ctx context.Context, c client.Client, h Host) error {
	if h.Host.Spec.Image == nil {
		return fmt.Errorf("host %s/%s has no image to take off", h.Host.Namespace, h.Host.Name)
	}
	changed := h.Host.DeepCopy()
	changed.Spec.Image = nil
	changed.Spec.Online = false
	if err := c.Patch(ctx, changed, client.MergeFrom(&h.Host)); err != nil {
		return fmt.Errorf("take the image off host %s/%s: %w", h.Host.Namespace, h.Host.Name, err)
	}
	return nil
}
