package install

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// calicoGroup is the one group of kinds that is not Ingot's to define: on a cluster that runs Calico its own definitions, or its own API server, stay as they are.
const calicoGroup = "projectcalico.org"

// foreignCalico says whether somebody else serves Calico's kinds. All or none of them are ours: half of each would be two meanings in one group.
func (i *installer) foreignCalico(ctx context.Context) (bool, error) {
	list, err := i.client.Resource(crdResource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, fmt.Errorf("list the definitions of kinds, to see whose %s is: %w", calicoGroup, err)
	}
	ours := false
	for _, obj := range list.Items {
		if group, _, _ := unstructured.NestedString(obj.Object, "spec", "group"); group != calicoGroup {
			continue
		}
		if !appliedByUs(obj) {
			return true, nil
		}
		ours = true
	}
	if ours {
		return false, nil
	}
	// No definition: an aggregated API server, as Calico's, serves kinds without any.
	groups, err := i.groups.ServerGroups()
	if err != nil {
		return false, fmt.Errorf("ask which groups are served, to see whose %s is: %w", calicoGroup, err)
	}
	for _, g := range groups.Groups {
		if g.Name == calicoGroup {
			return true, nil
		}
	}
	return false, nil
}

func appliedByUs(obj unstructured.Unstructured) bool {
	for _, f := range obj.GetManagedFields() {
		if f.Manager == fieldManager && f.Operation == metav1.ManagedFieldsOperationApply {
			return true
		}
	}
	return false
}
