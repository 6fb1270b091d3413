package store

import (
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The parts of an object are its Go fields: TypeMeta, ObjectMeta, Status, and the rest, which has a generation where there is a status.

// statusOf is the settable status; the zero Value for a kind without one.
func statusOf(o client.Object) reflect.Value { return reflect.ValueOf(o).Elem().FieldByName("Status") }

// copyStatus takes the status of another object of the kind.
func copyStatus(to, from client.Object) {
	if s := statusOf(to); s.IsValid() {
		s.Set(statusOf(from))
	}
}

// specChanged says whether anything but metadata and status differs.
func specChanged(a, b client.Object) bool {
	x, y := a.DeepCopyObject(), b.DeepCopyObject()
	for _, o := range []any{x, y} {
		v := reflect.ValueOf(o).Elem()
		for _, part := range []string{"ObjectMeta", "TypeMeta", "Status"} {
			if f := v.FieldByName(part); f.IsValid() {
				f.SetZero()
			}
		}
	}
	return !equality.Semantic.DeepEqual(x, y)
}

func same(a, b client.Object) bool { return equality.Semantic.DeepEqual(a, b) }

// keep gives a new state what no client may change.
func keep(o, old client.Object) {
	o.SetUID(old.GetUID())
	o.SetName(old.GetName())
	o.SetNamespace(old.GetNamespace())
	o.SetCreationTimestamp(old.GetCreationTimestamp())
	o.SetDeletionTimestamp(old.GetDeletionTimestamp())
	o.SetDeletionGracePeriodSeconds(old.GetDeletionGracePeriodSeconds())
	o.SetGeneration(old.GetGeneration())
	if statusOf(o).IsValid() && specChanged(old, o) {
		o.SetGeneration(old.GetGeneration() + 1)
	}
}

// fill copies an object into the one that a client holds, which is of its type.
func fill(out, from client.Object) {
	reflect.ValueOf(out).Elem().Set(reflect.ValueOf(from.DeepCopyObject()).Elem())
}

// Copy copies an object of a store into one of its type.
func Copy(out, from client.Object) error {
	if reflect.TypeOf(out) != reflect.TypeOf(from) {
		return fmt.Errorf("a %T cannot take a %T", out, from)
	}
	fill(out, from)
	return nil
}

// onlyStatus is the old object with the status of the one that was sent: all that a status write takes.
func onlyStatus(old, o client.Object) client.Object {
	out, _ := old.DeepCopyObject().(client.Object)
	copyStatus(out, o)
	return out
}
