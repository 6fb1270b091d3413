package keeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/mesh/coordinator"
)

var _ meshkey.Minter = (*Keeper)(nil)

// longest is how long a key may be good for, whatever an object says.
const longest = time.Hour

// Mint implements meshkey.Minter. The MeshKey is spent first: whatever fails afterwards costs a key, and never makes two.
func (k *Keeper) Mint(ctx context.Context, namespace, name string) (meshkey.Minted, error) {
	k.minting.Lock()
	defer k.minting.Unlock()
	key, expires, err := k.spend(ctx, namespace, name)
	if err != nil {
		return meshkey.Minted{}, err
	}
	id, text, err := k.Mesh.Mint(key.Spec.Ephemeral, expires)
	if err != nil {
		return meshkey.Minted{}, err
	}
	before := key.DeepCopy()
	key.Status.KeyID = id
	if err := k.Live.Status().Patch(ctx, key, client.MergeFrom(before)); err != nil {
		// A key without an object lets nobody stay.
		return meshkey.Minted{}, fmt.Errorf("write down the number of the key: %w", errors.Join(err, k.Mesh.Void(id)))
	}
	return meshkey.Minted{Key: text, Coordinator: k.URL, ExpiresAt: expires}, nil
}

// spend writes down that a MeshKey's key is made. Whoever else writes its status at the same time is let go first.
func (k *Keeper) spend(ctx context.Context, namespace, name string) (key *ingot.MeshKey, expires time.Time, err error) {
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		key = &ingot.MeshKey{}
		err := k.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, key)
		switch {
		case apierrors.IsNotFound(err) || err == nil && key.DeletionTimestamp != nil:
			return meshkey.ErrUnknown
		case err != nil:
			return fmt.Errorf("read the MeshKey: %w", err)
		case key.Status.MintedAt != nil:
			return meshkey.ErrSpent
		}
		if problem := k.unknownTag(key.Spec.Tags); problem != "" {
			return fmt.Errorf("%w: %s", meshkey.ErrRefused, problem)
		}
		// An object's times are of whole seconds: the store is told the same.
		now := k.Now().Truncate(time.Second)
		expires = now.Add(min(longest, time.Duration(cmp.Or(key.Spec.LifetimeSeconds, int32(longest/time.Second)))*time.Second))
		key.Status.State, key.Status.MintedAt, key.Status.ExpiresAt = ingot.MeshKeyMinted, &metav1.Time{Time: now}, &metav1.Time{Time: expires}
		err = k.Live.Status().Update(ctx, key)
		if apierrors.IsNotFound(err) {
			return meshkey.ErrUnknown
		}
		return err
	})
	if apierrors.IsConflict(err) {
		err = fmt.Errorf("write down that the key is made: %w", err)
	}
	return key, expires, err
}

// unknownTag says which tag nobody has in the mesh; empty where each is one of its roles.
func (k *Keeper) unknownTag(tags []string) string {
	for _, t := range tags {
		if !k.roles[matrix.Role(t)] {
			return fmt.Sprintf("the tag %q is no role of the mesh: the communication matrix has the rows between %v", t, k.roleNames())
		}
	}
	return ""
}

// tell writes down how far a key is.
func (k *Keeper) tell(ctx context.Context, key *ingot.MeshKey, nodes []coordinator.Node) error {
	if key.DeletionTimestamp != nil {
		return nil
	}
	before := key.DeepCopy()
	s := &key.Status
	ready := metav1.Condition{Type: ingot.MeshReadyCondition, Status: metav1.ConditionTrue, Reason: "Possible", Message: "the key can be asked for, once"}
	i := slices.IndexFunc(nodes, func(n coordinator.Node) bool { return s.KeyID != 0 && n.KeyID == s.KeyID })
	switch problem := k.unknownTag(key.Spec.Tags); {
	case s.Node != "" || i >= 0:
		s.State = ingot.MeshKeyUsed
		ready.Reason, ready.Message = "Used", "a node joined by the key"
		if s.Node == "" {
			s.Node, s.UsedAt = NameOf(nodes[i].MachineKey), &metav1.Time{Time: k.Now()}
		}
	case s.MintedAt != nil && s.ExpiresAt != nil && !k.Now().Before(s.ExpiresAt.Time):
		s.State = ingot.MeshKeyExpired
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "Expired", "nobody joined by the key in its time: make another MeshKey"
	case s.MintedAt != nil:
		s.State = ingot.MeshKeyMinted
		ready.Reason, ready.Message = "Minted", "the key was handed out"
	case problem != "":
		s.State = ingot.MeshKeyRefused
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "UnknownTag", problem
	default:
		s.State = ingot.MeshKeyPending
	}
	setCondition(&s.Conditions, key.Generation, ready)
	return k.patchStatus(ctx, before, key)
}
