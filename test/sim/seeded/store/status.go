package store

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Status implements client.Client.
func (s *Store) Status() client.SubResourceWriter { return statusWriter{s} }

type statusWriter struct{ s *Store }

// Update implements client.SubResourceWriter.
func (w statusWriter) Update(_ context.Context, o client.Object, _ ...client.SubResourceUpdateOption) error {
	if err := w.s.versioned(o); err != nil {
		return err
	}
	sent, _ := o.DeepCopyObject().(client.Object)
	return w.s.update(o, func(old client.Object) (client.Object, error) { return onlyStatus(old, sent), nil }, o.GetResourceVersion())
}

// Patch implements client.SubResourceWriter.
func (w statusWriter) Patch(_ context.Context, o client.Object, p client.Patch, _ ...client.SubResourcePatchOption) error {
	return w.s.patch(o, p, func(next, old client.Object) client.Object { return onlyStatus(old, next) })
}

// Create implements client.SubResourceWriter by refusing.
func (w statusWriter) Create(context.Context, client.Object, client.Object, ...client.SubResourceCreateOption) error {
	return fmt.Errorf("create a sub-resource: %w", errRefused)
}

// Apply implements client.SubResourceWriter by refusing.
func (w statusWriter) Apply(context.Context, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
	return fmt.Errorf("apply a sub-resource: %w", errRefused)
}

// Apply implements client.Writer by refusing.
func (s *Store) Apply(context.Context, runtime.ApplyConfiguration, ...client.ApplyOption) error {
	return fmt.Errorf("server-side apply: %w", errRefused)
}

// DeleteAllOf implements client.Writer by refusing.
func (s *Store) DeleteAllOf(context.Context, client.Object, ...client.DeleteAllOfOption) error {
	return fmt.Errorf("delete a collection: %w", errRefused)
}

// SubResource implements client.Client for none.
func (s *Store) SubResource(string) client.SubResourceClient { return nil }

// Scheme implements client.Client.
func (s *Store) Scheme() *runtime.Scheme { return s.scheme }

// RESTMapper implements client.Client; there is none.
func (s *Store) RESTMapper() meta.RESTMapper { return nil }

// GroupVersionKindFor implements client.Client.
func (s *Store) GroupVersionKindFor(o runtime.Object) (schema.GroupVersionKind, error) {
	return s.kindOf(o)
}

// IsObjectNamespaced implements client.Client.
func (s *Store) IsObjectNamespaced(runtime.Object) (bool, error) {
	return false, fmt.Errorf("scope of a kind: %w", errRefused)
}

func labelSet(o client.Object) labels.Set { return o.GetLabels() }

func encode(o client.Object) ([]byte, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", o, err)
	}
	return text, nil
}
