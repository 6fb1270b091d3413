package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/controller/host/bootwindow"
)

// BootIndex is the cache's field index of HostLifecycles by status.boot.id.
const BootIndex = "status.boot.id"

// ErrBootOver: the boot is not the one that its host is at. The agent must stop.
var ErrBootOver = errors.New("boot is over")

// Report takes in what an agent is at, and wakes its host when there is news. What matters of it is in the objects before another step is handed out, since only a look of the
// controller asks for one; until then the agent repeats itself.
func (r *Reconciler) Report(ctx context.Context, bootID string, at protocol.ExchangeRequest) error {
	key, err := r.hostOfBoot(ctx, bootID)
	if err != nil {
		return err
	}
	now := r.now()
	news := r.agents.Heard(at, now)
	if !news && at.Progress != nil {
		every := pace(r.config.ProgressEvery, r.agents.Working())
		r.memories.peek(key, func(m *memory) {
			if news = now.Sub(m.progressAt) >= every; news {
				m.progressAt = now
			}
		})
	}
	if news {
		r.wake(key)
	}
	return nil
}

// Wanted is what an agent should do.
type Wanted struct {
	// Over: the boot is over.
	Over bool
	// Step is nil for none; without its parameters when the agent has it already.
	Step *protocol.Step
	// Changed is closed when this may have changed.
	Changed <-chan struct{}
}

// Wanted says what is wanted of a boot's agent. A step that it does not have yet is built now, which includes the last look at the objects before something is written.
func (r *Reconciler) Wanted(ctx context.Context, bootID string) (Wanted, error) {
	key, err := r.hostOfBoot(ctx, bootID)
	if err != nil {
		return Wanted{}, err
	}
	w := r.agents.Wanted(bootID, r.now())
	out := Wanted{Over: w.Ended, Changed: w.Changed}
	if w.Ended || w.Want == nil {
		return out, nil
	}
	if w.Has {
		out.Step = &protocol.Step{ID: w.Want.ID, Kind: w.Want.Kind, Deadline: w.Want.Deadline}
		return out, nil
	}
	out.Step, err = w.Want.Build(ctx)
	if errors.Is(err, errNotNow) {
		r.log.Info("step not handed out", "machine", key.String(), "boot", bootID, "step", w.Want.ID, "err", err)
		r.agents.Withdraw(bootID, "")
		r.wakeSoon(key)
		return out, nil
	}
	return out, err
}

// hostOfBoot finds the host that is at this boot. The index may lag behind; before an agent is told that its boot is over, the API server is asked.
func (r *Reconciler) hostOfBoot(ctx context.Context, bootID string) (types.NamespacedName, error) {
	var found ingot.HostLifecycleList
	if err := r.index.List(ctx, &found, client.MatchingFields{BootIndex: bootID}); err != nil {
		return types.NamespacedName{}, fmt.Errorf("find the host of boot %s: %w", bootID, err)
	}
	if len(found.Items) == 1 {
		return keyOf(&found.Items[0]), nil
	}
	w, err := r.windows.ForAgent(ctx, r.config.Partition, bootID)
	if err != nil {
		return types.NamespacedName{}, err
	}
	if w == nil {
		return types.NamespacedName{}, ErrBootOver
	}
	l := &ingot.HostLifecycle{}
	key := types.NamespacedName{Namespace: w.Spec.Host.Namespace, Name: w.Spec.Host.Name}
	if err := r.live.Get(ctx, key, l); client.IgnoreNotFound(err) != nil {
		return key, fmt.Errorf("read HostLifecycle of boot %s: %w", bootID, err)
	}
	if l.Status.Boot == nil || l.Status.Boot.ID != bootID {
		return key, ErrBootOver
	}
	return key, nil
}

// WindowForAgent reads the window that an enrolment is judged by; nil for none.
func (r *Reconciler) WindowForAgent(ctx context.Context, bootID string) (*ingot.BootWindow, error) {
	return r.windows.ForAgent(ctx, r.config.Partition, bootID)
}

// enrolledCalls is how soon after its enrolment an agent says its first word, which wakes the host; only one that doesn't is looked at for its silence.
const enrolledCalls = 15 * time.Second

// Redeemed notes an enrolment durably.
func (r *Reconciler) Redeemed(ctx context.Context, bootID, version string, to bootwindow.Redemption) error {
	if err := r.windows.Redeem(ctx, bootID, version, to, r.now()); err != nil {
		return err
	}
	if key, err := r.hostOfBoot(ctx, bootID); err == nil {
		r.queue.add(key, enrolledCalls)
	}
	return nil
}

// RefusedAgent notes that somebody with the boot's token was not let in, and wakes the host, which shows it.
func (r *Reconciler) RefusedAgent(ctx context.Context, bootID, version, reason, endorsementKey string) error {
	news, err := r.windows.Refuse(ctx, bootID, version, reason, endorsementKey, r.now())
	if err != nil || !news {
		return err
	}
	if key, err := r.hostOfBoot(ctx, bootID); err == nil {
		r.wake(key)
	}
	return nil
}
