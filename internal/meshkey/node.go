package meshkey

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// OwnedBy says whether a node of the mesh is that of an object, like a Machine: by the object's UID, which the node's MeshKey had. A name says nothing, since an object may be made anew under one.
func OwnedBy(n *ingot.MeshNode, uid types.UID) bool {
	return slices.ContainsFunc(n.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == uid })
}
