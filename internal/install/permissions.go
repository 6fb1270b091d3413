package install

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
)

// permissions gives each role what the matrix says it may do, by the group in its certificates.
func (i *installer) permissions(ctx context.Context) error {
	for _, p := range matrix.Permissions(matrix.Builtin()) {
		if err := i.permission(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// permission applies one permission as RBAC objects. All are called like the role's group.
func (i *installer) permission(ctx context.Context, p matrix.Permission) error {
	version := rbacv1.SchemeGroupVersion
	name := pki.RoleGroup(string(p.Role))
	meta := metav1.ObjectMeta{Name: name, Namespace: p.Namespace, Labels: map[string]string{"app.kubernetes.io/managed-by": "ingot"}}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: name}}
	if p.Namespace == "" {
		role := &rbacv1.ClusterRole{TypeMeta: metav1.TypeMeta{APIVersion: version.String(), Kind: "ClusterRole"}, ObjectMeta: meta, Rules: rules(p.Rights)}
		if err := i.applyTyped(ctx, version.WithResource("clusterroles"), role); err != nil {
			return err
		}
		binding := &rbacv1.ClusterRoleBinding{
			TypeMeta: metav1.TypeMeta{APIVersion: version.String(), Kind: "ClusterRoleBinding"}, ObjectMeta: meta,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}, Subjects: subjects,
		}
		return i.applyTyped(ctx, version.WithResource("clusterrolebindings"), binding)
	}
	role := &rbacv1.Role{TypeMeta: metav1.TypeMeta{APIVersion: version.String(), Kind: "Role"}, ObjectMeta: meta, Rules: rules(p.Rights)}
	if err := i.applyTyped(ctx, version.WithResource("roles"), role); err != nil {
		return err
	}
	binding := &rbacv1.RoleBinding{
		TypeMeta: metav1.TypeMeta{APIVersion: version.String(), Kind: "RoleBinding"}, ObjectMeta: meta,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}, Subjects: subjects,
	}
	return i.applyTyped(ctx, version.WithResource("rolebindings"), binding)
}

func rules(rights []matrix.Right) []rbacv1.PolicyRule {
	var out []rbacv1.PolicyRule
	for _, r := range rights {
		if len(r.Paths) > 0 {
			out = append(out, rbacv1.PolicyRule{NonResourceURLs: r.Paths, Verbs: r.Verbs})
			continue
		}
		out = append(out, rbacv1.PolicyRule{APIGroups: []string{r.Group}, Resources: r.Resources, Verbs: r.Verbs})
	}
	return out
}
