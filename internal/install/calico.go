package install

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// sharedGroups are the groups of kinds that are not Ingot's to define: on a cluster that runs Calico, Metal3's address manager or Cluster API their own definitions, or their own API server, stay as they are. All
// or none of a group's are ours: half of each would be two meanings in one group.
var sharedGroups = []string{"projectcalico.org", "ipam.metal3.io", "ipam.cluster.x-k8s.io"}

// foreignGroups are those of sharedGroups that somebody else serves.
func (i *installer) foreignGroups(ctx context.Context) (map[string]bool, error) {
	list, err := i.client.Resource(crdResource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the definitions of kinds, to see whose %v are: %w", sharedGroups, err)
	}
	ours, foreign := map[string]bool{}, map[string]bool{}
	for _, obj := range list.Items {
		group, _, _ := unstructured.NestedString(obj.Object, "spec", "group")
		if !slices.Contains(sharedGroups, group) {
			continue
		}
		if appliedByUs(obj) {
			ours[group] = true
		} else {
			foreign[group] = true
		}
	}
	// No definition: an aggregated API server, as Calico's, serves kinds without any.
	groups, err := i.groups.ServerGroups()
	if err != nil {
		return nil, fmt.Errorf("ask which groups are served, to see whose %v are: %w", sharedGroups, err)
	}
	for _, g := range groups.Groups {
		if slices.Contains(sharedGroups, g.Name) && !ours[g.Name] {
			foreign[g.Name] = true
		}
	}
	return foreign, nil
}

func appliedByUs(obj unstructured.Unstructured) bool {
	for _, f := range obj.GetManagedFields() {
		if f.Manager == fieldManager && f.Operation == metav1.ManagedFieldsOperationApply {
			return true
		}
	}
	return false
}
