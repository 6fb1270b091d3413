package keeper

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/mesh/coordinator"
)

// unasked is for how long a MeshKey may wait for somebody to ask for its key.
const unasked = 24 * time.Hour

// isOver says whether a MeshKey may go: nobody can join by it, nobody in the mesh has joined by it, and who made it had the time to look. The coordinator's store has a key as long as its MeshKey is there, and by the
// key a node that joined is known to be ephemeral; so the key of a member stays. What a controller made goes with the object that it was made for: its absence would mean that the machine is to be invited again.
func isOver(key *ingot.MeshKey, member bool, now time.Time, keep time.Duration) bool {
	since := func(t *metav1.Time, wait time.Duration) bool { return t != nil && !now.Before(t.Add(wait)) }
	if key.DeletionTimestamp != nil || member || metav1.GetControllerOf(key) != nil {
		return false
	}
	switch s := key.Status; s.State {
	case ingot.MeshKeyUsed:
		return since(s.UsedAt, keep)
	case ingot.MeshKeyExpired:
		return since(s.ExpiresAt, keep)
	case ingot.MeshKeyPending, ingot.MeshKeyRefused: // a role that the matrix has not yet is one for which a key is refused
		return since(&key.CreationTimestamp, unasked)
	default:
		return false
	}
}

// remove deletes the MeshKeys that are over.
func (k *Keeper) remove(ctx context.Context, w world, nodes []coordinator.Node) error {
	over := slices.DeleteFunc(slices.Clone(w.keys), func(key ingot.MeshKey) bool {
		member := slices.ContainsFunc(nodes, func(n coordinator.Node) bool { return key.Status.KeyID != 0 && n.KeyID == key.Status.KeyID }) ||
			slices.ContainsFunc(w.nodes, func(n ingot.MeshNode) bool { return n.Namespace == key.Namespace && n.Name == key.Status.Node })
		return !isOver(&key, member, k.Now(), k.KeepKeys)
	})
	return atOnce(over, func(key *ingot.MeshKey) error {
		// Of what the cache has: a key that somebody asked for since then is another one.
		err := k.Live.Delete(ctx, key, client.Preconditions{UID: &key.UID, ResourceVersion: &key.ResourceVersion})
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("delete the MeshKey %s/%s, which is over: %w", key.Namespace, key.Name, err)
		}
		k.Log.Info("a MeshKey that was over is deleted", "namespace", key.Namespace, "name", key.Name, "reason", key.Status.State)
		return nil
	})
}
