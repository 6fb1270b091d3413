package install_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// TestPartitionHoldsSecretsAndChangesNone: the partition role may label and hold a Secret beside a host, and may not change what it says.
func TestPartitionHoldsSecretsAndChangesNone(t *testing.T) {
	cp := controlplanetest.Shared(t)
	admin := clientset(t, cp.Admin)
	ns := namespace(t, admin)
	cp.BindHosts(t, ns)
	role := clientset(t, cp.As(t, "partition", "site1")).CoreV1().Secrets(ns)
	stored := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "bmc"}, Data: map[string][]byte{"username": []byte("u"), "password": []byte("p")}}
	if _, err := admin.CoreV1().Secrets(ns).Create(t.Context(), stored, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		edit    func(*corev1.Secret)
		refused bool
	}{
		"label and finalizer": {func(s *corev1.Secret) {
			s.Labels, s.Finalizers = map[string]string{"environment.metal3.io": "baremetal"}, []string{"baremetalhost.metal3.io/secret"}
		}, false},
		"no finalizer":  {func(s *corev1.Secret) { s.Finalizers = nil }, false},
		"a password":    {func(s *corev1.Secret) { s.Data["password"] = []byte("mine") }, true},
		"a further key": {func(s *corev1.Secret) { s.StringData = map[string]string{"x": "y"} }, true},
		"an annotation": {func(s *corev1.Secret) {
			s.Annotations = map[string]string{"kubernetes.io/service-account.name": "default"}
		}, true},
		"nothing left": {func(s *corev1.Secret) { s.Data = nil }, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := role.Get(t.Context(), "bmc", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			before := s.DeepCopy()
			c.edit(s)
			patch, err := client.MergeFrom(before).Data(s)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := role.Patch(t.Context(), "bmc", types.MergePatchType, patch, metav1.PatchOptions{}); c.refused != apierrors.IsInvalid(err) || !c.refused && err != nil {
				t.Errorf("refused %v: %v", c.refused, err)
			}
		})
	}
}
