package bootwindow

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/attest"
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
func (k *Keeper) Redeem(ctx context.Context, bootID, version string, r Redemption, at time.Time) error {
	redeemed := metav1.NewTime(at)
	err := k.patchStatus(ctx, bootID, version, ingot.BootWindowStatus{RedeemedAt: &redeemed, AgentKeyHash: r.KeyHash, SystemUUID: r.SystemUUID, TPM: evidence(r.TPM)})
	if err != nil {
		return fmt.Errorf("mark boot window %s as redeemed: %w", bootID, err)
	}
	return nil
}

// Redemption is what a token was traded for.
type Redemption struct {
	// KeyHash is of the agent's key, SystemUUID its word about its machine, which may be empty.
	KeyHash, SystemUUID string
	// TPM is what was proved of the machine's TPM, nil for nothing.
	TPM *attest.Evidence
}

// evidence is what was proved, as the API has it.
func evidence(e *attest.Evidence) *ingot.TPMEvidence {
	if e == nil {
		return nil
	}
	out := &ingot.TPMEvidence{EndorsementKey: e.EndorsementKey, Algorithm: e.Algorithm, ProvedAt: metav1.NewTime(e.At)}
	if c := e.Certificate; c != nil {
		out.Certificate = &ingot.TPMCertificate{Issuer: c.Issuer, SerialNumber: c.SerialNumber, SHA256: c.SHA256}
	}
	for _, r := range e.PCRs {
		out.PCRs = append(out.PCRs, ingot.PCRValue{Index: int32(r.Index), SHA256: r.SHA256}) // there are 24 of them
	}
	return out
}

// maxRefusal bounds the reason that is kept, as the CRD does.
const maxRefusal = 1024

// Refuse notes that an agent with the window's token was not let in. What is noted already is not written again; one that was let in meanwhile is not spoilt by it, since the version must be
// the one that was judged.
func (k *Keeper) Refuse(ctx context.Context, bootID, version, reason, endorsementKey string, at time.Time) (news bool, err error) {
	if len(reason) > maxRefusal {
		reason = strings.ToValidUTF8(reason[:maxRefusal], "")
	}
	w := &ingot.BootWindow{}
	if err := k.live.Get(ctx, key(bootID), w); err != nil {
		return false, fmt.Errorf("read boot window %s: %w", bootID, err)
	}
	if r := w.Status.Refusal; r != nil && r.Message == reason {
		return false, nil
	}
	refusal := &ingot.AgentRefusal{At: metav1.NewTime(at), Message: reason, EndorsementKey: endorsementKey}
	if err := k.patchStatus(ctx, bootID, version, ingot.BootWindowStatus{Refusal: refusal}); err != nil {
		return false, fmt.Errorf("note a refused agent in boot window %s: %w", bootID, err)
	}
	return true, nil
}

// patchStatus merges into the status of a window that is still of this version.
func (k *Keeper) patchStatus(ctx context.Context, bootID, version string, status ingot.BootWindowStatus) error {
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": version}, "status": status})
	if err != nil {
		return fmt.Errorf("encode the status: %w", err)
	}
	w := &ingot.BootWindow{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: bootID}}
	return k.cached.Status().Patch(ctx, w, client.RawPatch(types.MergePatchType, body))
}
