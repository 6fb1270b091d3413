package install

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/internal/pki"
)

func (i *installer) permissions(ctx context.Context) error {
	binding := &rbacv1.ClusterRoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: pki.OperatorGroup},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: pki.OperatorGroup}},
	}
	return i.applyTyped(ctx, rbacv1.SchemeGroupVersion.WithResource("clusterrolebindings"), binding)
}

func (i *installer) policies(context.Context) error { return nil }
