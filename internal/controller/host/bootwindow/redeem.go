package bootwindow

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// ForAgent reads the window of an agent's boot at the API server, past the cache: nil when none is open under that name for this partition. The name is a stranger's word.
func (k *Keeper) ForAgent(ctx context.Context, partition, bootID string) (*ingot.BootWindow, error) {
	if len(validation.IsDNS1123Subdomain(bootID)) > 0 {
		return nil, nil
	}
	w := &ingot.BootWindow{}
	err := k.live.Get(ctx, key(bootID), w)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read boot window %s: %w", bootID, err)
	}
	if w.Spec.Partition != partition || w.Spec.Purpose != ingot.PurposeAgent || !w.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return w, nil
}

// Redeem notes that the window's token was traded for a key, provided that the window is still the version it was judged by; otherwise the error is a conflict (apierrors.IsConflict). That
// one write decides between any number of requests and processes.
func (k *Keeper) Redeem(ctx context.Context, bootID, version, keyHash, systemUUID string, at time.Time) error {
	redeemed := metav1.NewTime(at)
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": version},
		"status":   ingot.BootWindowStatus{RedeemedAt: &redeemed, AgentKeyHash: keyHash, SystemUUID: systemUUID},
	})
	if err != nil {
		return fmt.Errorf("encode redemption of boot window %s: %w", bootID, err)
	}
	w := &ingot.BootWindow{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: bootID}}
	if err := k.cached.Status().Patch(ctx, w, client.RawPatch(types.MergePatchType, body)); err != nil {
		return fmt.Errorf("mark boot window %s as redeemed: %w", bootID, err)
	}
	return nil
}
