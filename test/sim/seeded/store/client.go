package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Store is its own client, with every right.
var _ client.Client = (*Store)(nil)

// errRefused is what this server does not do. Simulated code that needs it fails its test with these words.
var errRefused = errors.New("the simulated API server does not do this")

// Get implements client.Reader.
func (s *Store) Get(_ context.Context, key client.ObjectKey, out client.Object, _ ...client.GetOption) error {
	kind, err := s.kindOf(out)
	if err != nil {
		return err
	}
	o := s.Object(ID{kind, key})
	if o == nil {
		return apierrors.NewNotFound(resource(kind), key.Name)
	}
	fill(out, o)
	return nil
}

// List implements client.Reader, by namespace, labels, and one indexed field.
func (s *Store) List(_ context.Context, out client.ObjectList, options ...client.ListOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Pick(out, s.objects, options...)
}

// Pick lists from the given objects, which may be a watcher's older ones.
func (s *Store) Pick(out client.ObjectList, from map[ID]client.Object, options ...client.ListOption) error {
	kind, err := s.kindOf(out)
	if err != nil {
		return err
	}
	kind.Kind = strings.TrimSuffix(kind.Kind, "List")
	var o client.ListOptions
	o.ApplyOptions(options)
	var found []runtime.Object
	for id, object := range from {
		if id.Kind != kind || o.Namespace != "" && id.Key.Namespace != o.Namespace {
			continue
		}
		match, err := s.matches(kind, object, &o)
		if err != nil {
			return err
		}
		if match {
			found = append(found, object.DeepCopyObject())
		}
	}
	slices.SortFunc(found, func(a, b runtime.Object) int { return strings.Compare(nameOf(a), nameOf(b)) })
	return meta.SetList(out, found)
}

func nameOf(o runtime.Object) string {
	m, err := meta.Accessor(o)
	if err != nil {
		return ""
	}
	return m.GetNamespace() + "/" + m.GetName()
}

func (s *Store) matches(kind schema.GroupVersionKind, o client.Object, l *client.ListOptions) (bool, error) {
	if l.LabelSelector != nil && !l.LabelSelector.Matches(labelSet(o)) {
		return false, nil
	}
	if l.FieldSelector == nil {
		return true, nil
	}
	for _, r := range l.FieldSelector.Requirements() {
		values, known := s.indexes[index{kind, r.Field}]
		if !known {
			return false, fmt.Errorf("%s has no index by %s", kind.Kind, r.Field)
		}
		if !slices.Contains(values(o), r.Value) {
			return false, nil
		}
	}
	return true, nil
}

// Create implements client.Writer.
func (s *Store) Create(_ context.Context, o client.Object, _ ...client.CreateOption) error {
	id, err := s.idOf(o)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[id] != nil {
		return apierrors.NewAlreadyExists(resource(id.Kind), id.Key.Name)
	}
	made, _ := o.DeepCopyObject().(client.Object)
	made.SetUID(s.uid(id))
	made.SetCreationTimestamp(metav1.NewTime(s.now()))
	made.SetDeletionTimestamp(nil)
	if status := statusOf(made); status.IsValid() {
		status.SetZero()
		made.SetGeneration(1)
	}
	if err := s.put(id, made); err != nil {
		return err
	}
	fill(o, s.objects[id])
	return nil
}

// Update implements client.Writer.
func (s *Store) Update(_ context.Context, o client.Object, _ ...client.UpdateOption) error {
	if err := s.versioned(o); err != nil {
		return err
	}
	return s.update(o, func(old client.Object) (client.Object, error) {
		next, _ := o.DeepCopyObject().(client.Object)
		copyStatus(next, old)
		keep(next, old)
		return next, nil
	}, o.GetResourceVersion())
}

// versioned refuses an update of a custom resource that says nothing of the version it was made on.
func (s *Store) versioned(o client.Object) error {
	id, err := s.idOf(o)
	if err != nil || o.GetResourceVersion() != "" || !statusOf(o).IsValid() {
		return err
	}
	missing := field.Invalid(field.NewPath("metadata", "resourceVersion"), "", "must be specified for an update")
	return apierrors.NewInvalid(id.Kind.GroupKind(), o.GetName(), field.ErrorList{missing})
}

// update changes an object that is there, under a version if one is named.
func (s *Store) update(o client.Object, change func(old client.Object) (client.Object, error), version string) error {
	id, err := s.idOf(o)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.objects[id]
	if old == nil {
		return apierrors.NewNotFound(resource(id.Kind), id.Key.Name)
	}
	if uid := o.GetUID(); uid != "" && uid != old.GetUID() {
		return apierrors.NewConflict(resource(id.Kind), id.Key.Name, fmt.Errorf("precondition failed: UID %s, not %s", old.GetUID(), uid))
	}
	if version != "" && version != old.GetResourceVersion() {
		return apierrors.NewConflict(resource(id.Kind), id.Key.Name, errors.New("the object has been modified"))
	}
	copied, _ := old.DeepCopyObject().(client.Object)
	next, err := change(copied)
	if err != nil {
		return err
	}
	if err := s.put(id, next); err != nil {
		return err
	}
	if now := s.objects[id]; now != nil {
		fill(o, now)
	}
	return nil
}

// Delete implements client.Writer. An object with finalizers gets a time of deletion, and goes with the last of them.
func (s *Store) Delete(_ context.Context, o client.Object, options ...client.DeleteOption) error {
	id, err := s.idOf(o)
	if err != nil {
		return err
	}
	var d client.DeleteOptions
	d.ApplyOptions(options)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.objects[id]
	if old == nil {
		return apierrors.NewNotFound(resource(id.Kind), id.Key.Name)
	}
	if p := d.Preconditions; p != nil && (p.UID != nil && *p.UID != old.GetUID() || p.ResourceVersion != nil && *p.ResourceVersion != old.GetResourceVersion()) {
		return apierrors.NewConflict(resource(id.Kind), id.Key.Name, errors.New("precondition failed"))
	}
	if len(old.GetFinalizers()) == 0 {
		s.remove(id)
		return nil
	}
	if old.GetDeletionTimestamp() != nil {
		return nil
	}
	next, _ := old.DeepCopyObject().(client.Object)
	at := metav1.NewTime(s.now())
	next.SetDeletionTimestamp(&at)
	next.SetDeletionGracePeriodSeconds(new(int64))
	next.SetGeneration(old.GetGeneration() + 1)
	return s.put(id, next)
}

// Patch implements client.Writer, for JSON patches (RFC 6902) and merge patches (RFC 7386).
func (s *Store) Patch(_ context.Context, o client.Object, p client.Patch, _ ...client.PatchOption) error {
	return s.patch(o, p, func(next, old client.Object) client.Object {
		copyStatus(next, old)
		keep(next, old)
		return next
	})
}

func (s *Store) patch(o client.Object, p client.Patch, finish func(next, old client.Object) client.Object) error {
	body, err := p.Data(o)
	if err != nil {
		return fmt.Errorf("make the patch: %w", err)
	}
	return s.update(o, func(old client.Object) (client.Object, error) {
		next, err := s.patched(old, p.Type(), body)
		if err != nil {
			return nil, err
		}
		if v := next.GetResourceVersion(); v != old.GetResourceVersion() {
			return nil, apierrors.NewConflict(resource(old.GetObjectKind().GroupVersionKind()), old.GetName(), errors.New("the object has been modified"))
		}
		return finish(next, old), nil
	}, "")
}

func (s *Store) patched(old client.Object, kind types.PatchType, body []byte) (client.Object, error) {
	gvk := old.GetObjectKind().GroupVersionKind()
	text, err := encode(old)
	if err != nil {
		return nil, err
	}
	switch kind {
	case types.JSONPatchType:
		decoded, err := jsonpatch.DecodePatch(body)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		if text, err = decoded.Apply(text); err != nil {
			return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
		}
	case types.MergePatchType:
		if text, err = jsonpatch.MergePatch(text, body); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	default:
		return nil, fmt.Errorf("patch of type %s: %w", kind, errRefused)
	}
	return s.fromJSON(gvk, text)
}
