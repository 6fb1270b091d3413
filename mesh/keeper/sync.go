package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/mesh/coordinator"
)

// Sync brings the objects and the coordinator together once.
func (k *Keeper) Sync(ctx context.Context, nodes []coordinator.Node) error {
	w, err := readWorld(ctx, k.Cached)
	if err != nil {
		return err
	}
	var problems []error
	note := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	var orphans, overdue []coordinator.Node
	for _, n := range nodes {
		if k.overdue(n) {
			overdue = append(overdue, n)
			continue
		}
		object, key := w.node(n.MachineKey), w.key(n.KeyID)
		switch {
		case object != nil && object.DeletionTimestamp != nil:
			// expelled below
		case object != nil:
			note(k.follow(ctx, object, n))
		case key != nil:
			note(k.welcome(ctx, key, n))
		default:
			orphans = append(orphans, n)
		}
	}
	note(atOnce(overdue, func(n *coordinator.Node) error { return k.Mesh.Expel(n.ID) }))
	note(atOnce(w.nodes, func(object *ingot.MeshNode) error { return k.leave(ctx, object, nodes) }))
	for i := range w.keys {
		note(k.tell(ctx, &w.keys[i], nodes))
	}
	note(k.remove(ctx, w, nodes))
	note(k.refuse(ctx, orphans))
	note(k.void(ctx, w))
	note(k.setPolicy(w, nodes))
	return errors.Join(problems...)
}

// atOnce does what may wait for a node's farewell, for all at the same time: a rack that is given back costs one farewell and not one for each.
func atOnce[T any](all []T, do func(*T) error) error {
	problems := make([]error, len(all))
	var work sync.WaitGroup
	for i := range all {
		work.Go(func() { problems[i] = do(&all[i]) })
	}
	work.Wait()
	return errors.Join(problems...)
}

// overdue says that an ephemeral node has been away for too long. Headscale's own collector forgets what it waited for when the process ends.
func (k *Keeper) overdue(n coordinator.Node) bool {
	return n.Ephemeral && !n.Online && !n.LastSeen.IsZero() && k.Now().Sub(n.LastSeen) > k.EphemeralGrace
}

// NameOf is the name of the MeshNode of a node.
func NameOf(machineKey string) string {
	digits := strings.TrimPrefix(machineKey, "mkey:")
	return "n-" + digits[:min(16, len(digits))]
}

// welcome makes the object of a node that has just joined; it gets its tags when that is there.
func (k *Keeper) welcome(ctx context.Context, key *ingot.MeshKey, n coordinator.Node) error {
	object := &ingot.MeshNode{
		ObjectMeta: metav1.ObjectMeta{Name: NameOf(n.MachineKey), Namespace: key.Namespace, Finalizers: []string{ingot.MeshFinalizer}},
		Spec:       ingot.MeshNodeSpec{MeshMember: *key.Spec.MeshMember.DeepCopy(), MachineKey: n.MachineKey},
	}
	// What the key belonged to, like a Machine, is what the node goes with.
	for _, o := range key.OwnerReferences {
		object.OwnerReferences = append(object.OwnerReferences, metav1.OwnerReference{APIVersion: o.APIVersion, Kind: o.Kind, Name: o.Name, UID: o.UID})
	}
	if err := k.Live.Create(ctx, object); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return nil // the cache is behind, or the one before it is still being expelled
		}
		return fmt.Errorf("make the MeshNode of node %d: %w", n.ID, err)
	}
	k.Log.Info("a node joined the mesh", "namespace", object.Namespace, "name", object.Name, "key", key.Name, "version", n.Version)
	return k.follow(ctx, object, n)
}

// follow gives a node the tags that its object says, or the quarantine's, and writes down how it is.
func (k *Keeper) follow(ctx context.Context, object *ingot.MeshNode, n coordinator.Node) error {
	want, ready := k.judge(object, n)
	var problem error
	if !sameTags(n.Tags, want) {
		if problem = k.Mesh.Retag(n.ID, want); problem == nil {
			k.Log.Info("a node of the mesh has other tags", "namespace", object.Namespace, "name", object.Name, "tags", want, "reason", ready.Reason)
		}
	}
	before := object.DeepCopy()
	s := &object.Status
	addresses := make([]string, 0, len(n.Addresses))
	for _, a := range n.Addresses {
		addresses = append(addresses, a.String())
	}
	if seen := metav1.NewTime(n.LastSeen.Truncate(lastSeenStep)); !n.LastSeen.IsZero() && (s.LastSeen == nil || s.LastSeen.Before(&seen) || s.Online != n.Online) {
		s.LastSeen = &seen
	}
	s.NodeID, s.NodeKey, s.Hostname, s.Addresses, s.ClientVersion, s.Online = n.ID, n.NodeKey, n.Hostname, addresses, n.Version, n.Online
	if problem != nil {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "NotTagged", problem.Error()
	}
	setCondition(&s.Conditions, object.Generation, ready)
	return errors.Join(problem, k.patchStatus(ctx, before, object))
}

// leave lets an object go: when its node is expelled by its deletion, and when its node has left by itself.
func (k *Keeper) leave(ctx context.Context, object *ingot.MeshNode, nodes []coordinator.Node) error {
	i := slices.IndexFunc(nodes, func(n coordinator.Node) bool { return n.MachineKey == object.Spec.MachineKey })
	if object.DeletionTimestamp == nil {
		if i >= 0 || object.Status.NodeID == 0 {
			return nil
		}
		k.Log.Info("a node left the mesh", "namespace", object.Namespace, "name", object.Name)
		return client.IgnoreNotFound(k.Live.Delete(ctx, object, client.Preconditions{UID: &object.UID}))
	}
	if i >= 0 {
		if err := k.Mesh.Expel(nodes[i].ID); err != nil {
			return err
		}
		k.Log.Info("a node was expelled from the mesh", "namespace", object.Namespace, "name", object.Name)
	}
	before := object.DeepCopy()
	if !controllerutil.RemoveFinalizer(object, ingot.MeshFinalizer) {
		return nil
	}
	if err := k.Live.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("let the MeshNode %s/%s go: %w", object.Namespace, object.Name, err)
	}
	return nil
}

// refuse expels nodes that have no object: whose MeshKey is gone, and whose key was made behind our back.
func (k *Keeper) refuse(ctx context.Context, orphans []coordinator.Node) error {
	if len(orphans) == 0 {
		return nil
	}
	k.minting.Lock()
	defer k.minting.Unlock()
	live, err := readWorld(ctx, k.Live)
	if err != nil {
		return err
	}
	return atOnce(orphans, func(n *coordinator.Node) error {
		if live.node(n.MachineKey) != nil || live.key(n.KeyID) != nil {
			k.Wake()
			return nil
		}
		k.Log.Warn("a node of the mesh has neither a MeshNode nor a MeshKey, and is expelled", "node", n.NodeKey, "hostname", n.Hostname)
		return k.Mesh.Expel(n.ID)
	})
}

// void removes keys whose MeshKey is gone.
func (k *Keeper) void(ctx context.Context, w world) error {
	keys, err := k.Mesh.Keys()
	if err != nil {
		return err
	}
	gone := slices.DeleteFunc(keys, func(one coordinator.Key) bool { return w.key(one.ID) != nil })
	if len(gone) == 0 {
		return nil
	}
	k.minting.Lock()
	defer k.minting.Unlock()
	live, err := readWorld(ctx, k.Live)
	if err != nil {
		return err
	}
	var problems []error
	for _, one := range gone {
		// A node that joined by the key and has no object yet is told by the key's number whose it is.
		if live.key(one.ID) != nil {
			continue
		}
		if err := k.Mesh.Void(one.ID); err != nil {
			problems = append(problems, err)
			continue
		}
		k.Log.Info("a key of the mesh without a MeshKey is void", "key", one.ID)
	}
	return errors.Join(problems...)
}
