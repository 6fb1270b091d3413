package matrix

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// fieldManager is whose fields our objects' are.
const fieldManager = "ingot-controller"

// requests at once, while a matrix is applied. The API server answers one in some milliseconds; more of them than its cores win nothing.
const requests = 8

// outcome is what applying came to.
type outcome struct {
	applied, removed, repaired int
	// conflicts are objects of somebody else in the place of ours.
	conflicts []string
}

// apply makes the API's objects those of a compilation, in the order that the package's comment gives. It goes on after a failure with what does not depend on it.
func (r *Reconciler) apply(ctx context.Context, root *ingot.CommunicationMatrix, c *compilation) (outcome, error) {
	var out outcome
	there := map[string]map[string]client.Object{}
	for _, k := range kinds() {
		found, err := r.there(ctx, k)
		if err != nil {
			return out, err
		}
		there[k.name] = found
		if err := r.applyKind(ctx, root, k, c, found, &out); err != nil {
			return out, err
		}
	}
	for _, k := range slices.Backward(kinds()) {
		if err := r.prune(ctx, root, k, c, there[k.name], &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// there are the API's objects of a kind by name, as the cache has them: not to be changed.
func (r *Reconciler) there(ctx context.Context, k kind) (map[string]client.Object, error) {
	list := k.list()
	if err := r.cached.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the %ss: %w", k.name, err)
	}
	found := map[string]client.Object{}
	err := meta.EachListItem(list, func(o runtime.Object) error {
		obj := o.(client.Object)
		found[obj.GetName()] = obj
		return nil
	})
	return found, err
}

func (r *Reconciler) applyKind(ctx context.Context, root *ingot.CommunicationMatrix, k kind, c *compilation, there map[string]client.Object, out *outcome) error {
	var group errgroup.Group
	group.SetLimit(requests)
	for _, id := range slices.SortedFunc(maps.Keys(c.objects), func(a, b key) int { return strings.Compare(a.name, b.name) }) {
		w := c.objects[id]
		if id.kind != k.name {
			continue
		}
		live, found := there[id.name]
		if found && !k.shared && live.GetLabels()[api.MatrixLabel] != root.Name {
			out.conflicts = append(out.conflicts, id.String()+ownedBy(live))
			continue
		}
		if found && r.settled(w, live, root) {
			continue
		}
		if found && live.GetAnnotations()[DigestAnnotation] == w.digest && !sameSpec(live, w.typed) {
			out.repaired++
			r.events.Eventf(live, root, corev1.EventTypeWarning, "Repaired", "Repair", "somebody changed it; matrix %s says otherwise: change the matrix", root.Name)
		}
		out.applied++
		group.Go(func() error { return r.write(ctx, k, w) })
	}
	return group.Wait()
}

func ownedBy(live client.Object) string {
	if other := live.GetLabels()[api.MatrixLabel]; other != "" {
		return " (matrix " + other + " has it)"
	}
	return " (somebody made it by hand)"
}

// settled says whether an object is as it has to be.
func (r *Reconciler) settled(w *wanted, live client.Object, root *ingot.CommunicationMatrix) bool {
	labels, annotations := live.GetLabels(), live.GetAnnotations()
	for name, value := range w.content.GetLabels() {
		if labels[name] != value {
			return false
		}
	}
	for name, value := range w.content.GetAnnotations() {
		if annotations[name] != value {
			return false
		}
	}
	owned := false
	for _, o := range live.GetOwnerReferences() {
		owned = owned || o.UID == root.UID
	}
	return owned && (sameSpec(live, w.typed) || r.accepted.is(live))
}

// write applies an object, and takes away what somebody else added to its spec: server-side apply leaves fields alone that are another's.
func (r *Reconciler) write(ctx context.Context, k kind, w *wanted) error {
	// Apply fills its argument with the server's answer.
	content := w.content.DeepCopy()
	err := r.live.Apply(ctx, client.ApplyConfigurationFromUnstructured(content), client.FieldOwner(fieldManager), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("apply %s: %w", w.key, err)
	}
	stored := k.make()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content.Object, stored); err != nil {
		return fmt.Errorf("read the stored %s: %w", w.key, err)
	}
	if sameSpec(stored, w.typed) {
		return nil
	}
	setSpec(stored, w.typed)
	if err := r.live.Update(ctx, stored, client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("replace %s: %w", w.key, err)
	}
	if !sameSpec(stored, w.typed) {
		// The server fills in something that we do not know. It is what it makes of our object.
		r.accepted.add(stored)
	}
	return nil
}

// prune deletes what belongs to the matrix and no row stands for.
func (r *Reconciler) prune(ctx context.Context, root *ingot.CommunicationMatrix, k kind, c *compilation, there map[string]client.Object, out *outcome) error {
	if k.shared {
		return nil
	}
	var group errgroup.Group
	group.SetLimit(requests)
	for name, live := range there {
		if live.GetLabels()[api.MatrixLabel] != root.Name || !live.GetDeletionTimestamp().IsZero() || c.objects[key{k.name, name}] != nil {
			continue
		}
		uid := live.GetUID()
		out.removed++
		group.Go(func() error {
			gone := k.make()
			gone.SetName(name)
			err := r.live.Delete(ctx, gone, client.Preconditions{UID: &uid})
			if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
				return fmt.Errorf("delete %s %s, which matrix %s has no row for: %w", k.name, name, root.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}
