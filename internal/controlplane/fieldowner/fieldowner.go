// Package fieldowner keeps the API server's account of field owners (metadata.managedFields) to those who use it.
//
// The account is there for server-side apply: two people who apply the same field are told of each other. Ingot's roles apply nothing. They are the only writers of the objects that they
// make and of the status of the others, so that the account of their writes tells nobody anything; but it is half of a BareMetalHost and is stored, decoded, copied and sent with every
// write of it. In a cache of the last minute's writes of some hundred hosts it was more than a third.
//
// It owns which entries are left out. It refuses to touch an entry of anybody else, one that was made by server-side apply, and one of a role's writes beside the status: who applies
// a field that a role wrote is still told so.
//
// It is an admission plugin of our own API server, since that is where the account is kept. On another Kubernetes everything works the same, with the account.
package fieldowner

import (
	"context"
	"io"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/identity"
)

// Plugin is the plugin's name in the API server's configuration.
const Plugin = "IngotFieldOwner"

// Register adds the plugin to plugins.
func Register(plugins *admission.Plugins) {
	plugins.Register(Plugin, func(io.Reader) (admission.Interface, error) { return New(), nil })
}

type trimmer struct{ *admission.Handler }

// New makes the plugin. It has no state.
func New() admission.MutationInterface {
	return trimmer{admission.NewHandler(admission.Create, admission.Update)}
}

// Admit leaves out what is not used. It never refuses.
func (trimmer) Admit(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	// A deletion has no object, and some requests' objects have no metadata: nothing to account for.
	object, ok := a.GetObject().(metav1.Object)
	if !ok || !ofRole(a.GetUserInfo().GetGroups()) {
		return nil
	}
	kept := keep(object.GetManagedFields(), a.GetOperation() == admission.Create)
	if len(kept) < len(object.GetManagedFields()) {
		object.SetManagedFields(kept)
	}
	return nil
}

// keep is what stays of an object's account after a write of a role: of one that the role makes, what was applied; of another, all but what was updated in its status.
func keep(account []metav1.ManagedFieldsEntry, created bool) []metav1.ManagedFieldsEntry {
	return slices.DeleteFunc(slices.Clone(account), func(e metav1.ManagedFieldsEntry) bool {
		return e.Operation == metav1.ManagedFieldsOperationUpdate && (created || e.Subresource == "status")
	})
}

// ofRole says whether a request is one of Ingot's roles that write objects. An operator's certificate has a group of the same form, and is a person's.
func ofRole(groups []string) bool {
	return slices.ContainsFunc([]matrix.Role{matrix.Partition, matrix.Controller, matrix.Boot, matrix.Node}, func(r matrix.Role) bool { return slices.Contains(groups, identity.Group(r)) })
}
