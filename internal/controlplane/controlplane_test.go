// Package controlplane_test runs the program as users do: it does not link it.
package controlplane_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestServesKinds(t *testing.T) {
	cp := controlplanetest.Shared(t)
	client, err := kubernetes.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Namespaces().Get(t.Context(), "ingot-boot", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	list, err := client.Discovery().ServerResourcesForGroupVersion("metal3.io/v1alpha1")
	if err != nil {
		t.Fatal(err)
	}
	t.Log(len(list.APIResources))
}
