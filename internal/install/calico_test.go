package install_test

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/install"
)

var crds = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

const foreignDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: hostendpoints.projectcalico.org}
spec:
  group: projectcalico.org
  scope: Cluster
  names: {kind: HostEndpoint, listKind: HostEndpointList, plural: hostendpoints, singular: hostendpoint}
  versions:
  - name: v3
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// TestCalicosOwnKindsStay: on a cluster that has Calico's definitions, none of ours is put over or beside them.
func TestCalicosOwnKindsStay(t *testing.T) {
	cp := controlplanetest.Start(t)
	client := dynamicClient(t, cp)
	ours := calicoDefinitions(t, client)
	if len(ours) != 9 {
		t.Fatalf("%d definitions are installed, want 9: %v", len(ours), ours)
	}
	for name := range ours {
		listable(t, client, name)
		if err := client.Resource(crds).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "our definitions to be gone", func() error {
		if left := calicoDefinitions(t, client); len(left) > 0 {
			return fmt.Errorf("%d are left", len(left))
		}
		return nil
	})
	foreign := &unstructured.Unstructured{Object: parsed(t, foreignDefinition)}
	eventually(t, "the foreign definition to be made", func() error {
		_, err := client.Resource(crds).Create(t.Context(), foreign.DeepCopy(), metav1.CreateOptions{FieldManager: "tigera-operator"})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
	before := theirs(t, client)
	if err := install.Apply(t.Context(), cp.Admin, install.Options{}); err != nil {
		t.Fatal(err)
	}
	after := theirs(t, client)
	if before.GetGeneration() != after.GetGeneration() || managed(*after) {
		t.Errorf("the foreign definition was changed from generation %d to %d", before.GetGeneration(), after.GetGeneration())
	}
	if now := calicoDefinitions(t, client); len(now) != 1 {
		t.Errorf("beside the foreign definition there are %v", now)
	}
	// Once Calico is gone, ours are installed.
	if err := client.Resource(crds).Delete(t.Context(), foreign.GetName(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "our definitions to be back", func() error {
		if err := install.Apply(t.Context(), cp.Admin, install.Options{}); err != nil {
			return err
		}
		if now := calicoDefinitions(t, client); len(now) != 9 {
			return fmt.Errorf("%d are", len(now))
		}
		return nil
	})
}

func theirs(t *testing.T, client dynamic.Interface) *unstructured.Unstructured {
	t.Helper()
	obj, err := client.Resource(crds).Get(t.Context(), "hostendpoints.projectcalico.org", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// listable waits until the objects of a definition can be listed. The API server takes a definition that is deleted before that for one whose objects it could not delete, and
// tries again only minutes later.
func listable(t *testing.T, client dynamic.Interface, definition string) {
	t.Helper()
	plural, group, _ := strings.Cut(definition, ".")
	eventually(t, definition+" to be served", func() error {
		_, err := client.Resource(schema.GroupVersionResource{Group: group, Version: "v3", Resource: plural}).List(t.Context(), metav1.ListOptions{})
		return err
	})
}

func calicoDefinitions(t *testing.T, client dynamic.Interface) map[string]bool {
	t.Helper()
	list, err := client.Resource(crds).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, obj := range list.Items {
		if strings.HasSuffix(obj.GetName(), ".projectcalico.org") {
			found[obj.GetName()] = true
		}
	}
	return found
}
