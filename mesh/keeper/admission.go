package keeper

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/mesh"
	"github.com/ingotmetal/ingot/mesh/coordinator"
	"github.com/ingotmetal/ingot/mesh/release"
)

// lastSeenStep is how exact the time is at which a node was seen: a status that changed by the second would be written by the second.
const lastSeenStep = time.Minute

// judge says which tags a node is to have, and why.
func (k *Keeper) judge(object *ingot.MeshNode, n coordinator.Node) (tags []string, ready metav1.Condition) {
	quarantine := []string{mesh.Tag(mesh.Quarantine)}
	no := func(reason, message string) metav1.Condition {
		return metav1.Condition{Type: ingot.MeshReadyCondition, Status: metav1.ConditionFalse, Reason: reason, Message: message}
	}
	switch v, err := release.Parse(n.Version); {
	case err != nil:
		return quarantine, no("VersionUnknown", fmt.Sprintf("the node does not say which version its program has (%q): it reaches nothing until it does", n.Version))
	case v.Before(k.Minimum):
		return quarantine, no("VersionTooOld", fmt.Sprintf("the node's program has version %s, and %s is the oldest that is let in: it reaches nothing until it is updated; it needs no other key", v, k.Minimum))
	}
	if problem := k.unknownTag(object.Spec.Tags); problem != "" {
		return quarantine, no("UnknownTag", problem)
	}
	for _, t := range object.Spec.Tags {
		tags = append(tags, coordinator.Tag(t))
	}
	return tags, metav1.Condition{Type: ingot.MeshReadyCondition, Status: metav1.ConditionTrue, Reason: "Admitted", Message: "the node has its tags"}
}

func sameTags(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func setCondition(all *[]metav1.Condition, generation int64, c metav1.Condition) {
	c.ObservedGeneration = generation
	meta.SetStatusCondition(all, c)
}

// patchStatus writes what changed of an object's status.
func (k *Keeper) patchStatus(ctx context.Context, before, after client.Object) error {
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	if err := client.IgnoreNotFound(k.Live.Status().Patch(ctx, after, client.MergeFrom(before))); err != nil {
		return fmt.Errorf("write the status of %s/%s: %w", after.GetNamespace(), after.GetName(), err)
	}
	return nil
}

// rolesOf are the roles that members may have: those of the mesh's policy, without the quarantine's.
func rolesOf(m matrix.Matrix) (map[matrix.Role]bool, error) {
	text, err := mesh.Policy(m)
	if err != nil {
		return nil, fmt.Errorf("compile the mesh's policy from the communication matrix: %w", err)
	}
	var policy struct {
		TagOwners map[string]any `json:"tagOwners"`
	}
	if err := json.Unmarshal(text, &policy); err != nil {
		return nil, fmt.Errorf("read the mesh's own policy: %w", err)
	}
	roles := map[matrix.Role]bool{}
	for t := range policy.TagOwners {
		if r := matrix.Role(strings.TrimPrefix(t, "tag:")); r != mesh.Quarantine {
			roles[r] = true
		}
	}
	return roles, nil
}

func (k *Keeper) roleNames() []matrix.Role { return slices.Sorted(maps.Keys(k.roles)) }

// setPolicy has the coordinator take the matrix's policy, with assertions on the tags that nodes have now.
func (k *Keeper) setPolicy(w world, nodes []coordinator.Node) error {
	plain, err := mesh.Policy(k.Matrix)
	if err != nil {
		return err
	}
	m := k.Matrix
	m.Hosts = slices.Clone(m.Hosts)
	seen := map[string]bool{}
	for _, n := range nodes {
		object := w.node(n.MachineKey)
		if object == nil || object.DeletionTimestamp != nil || slices.Contains(n.Tags, mesh.Tag(mesh.Quarantine)) {
			continue
		}
		tags := slices.Sorted(slices.Values(object.Spec.Tags))
		name := "member-" + strings.Join(tags, "-")
		if seen[name] || k.unknownTag(tags) != "" {
			continue
		}
		seen[name] = true
		var roles []matrix.Role
		for _, t := range tags {
			roles = append(roles, matrix.Role(t))
		}
		m.Hosts = append(m.Hosts, matrix.Host{Name: name, Interfaces: []matrix.Interface{{Name: "mesh0", Zone: matrix.ZoneMesh, Roles: roles}}})
	}
	asserted, err := mesh.Policy(m)
	if err != nil {
		return err
	}
	return k.Mesh.SetPolicy(plain, asserted)
}
