package install

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/access"
)

// permissions gives each role what the matrix says it may do, by the group in its certificates, and makes the roles for people.
func (i *installer) permissions(ctx context.Context) error {
	version := rbacv1.SchemeGroupVersion
	objects := access.Objects(matrix.Own())
	objects.ClusterRoleBindings = append(objects.ClusterRoleBindings, access.Bindings(i.people)...)
	for n := range objects.ClusterRoles {
		if err := i.applyTyped(ctx, version.WithResource("clusterroles"), &objects.ClusterRoles[n]); err != nil {
			return err
		}
	}
	for n := range objects.ClusterRoleBindings {
		if err := i.applyTyped(ctx, version.WithResource("clusterrolebindings"), &objects.ClusterRoleBindings[n]); err != nil {
			return err
		}
	}
	for n := range objects.Roles {
		if err := i.applyTyped(ctx, version.WithResource("roles"), &objects.Roles[n]); err != nil {
			return err
		}
	}
	for n := range objects.RoleBindings {
		if err := i.applyTyped(ctx, version.WithResource("rolebindings"), &objects.RoleBindings[n]); err != nil {
			return err
		}
	}
	return nil
}
