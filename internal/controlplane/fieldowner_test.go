package controlplane_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// TestAccountOfFieldOwnersIsPeoples writes a host as a person and its status as the partition role does, and looks at what the API server keeps account of.
func TestAccountOfFieldOwnersIsPeoples(t *testing.T) {
	cp := controlplanetest.Shared(t)
	ns := namespace(t, clientset(t, cp.Admin))
	people := dynamicClient(t, cp.Admin).Resource(hosts).Namespace(ns)
	role := dynamicClient(t, cp.As(t, "partition", "site"))
	made, err := people.Create(t.Context(), host("accounted"), metav1.CreateOptions{FieldManager: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(made.GetManagedFields()); got != 1 {
		t.Fatalf("a person's host has %d entries, want one", got)
	}
	if err := unstructured.SetNestedField(made.Object, "OK", "status", "operationalStatus"); err != nil {
		t.Fatal(err)
	}
	// Required by the schema of the status.
	for field, value := range map[string]any{"errorMessage": "", "poweredOn": false, "provisioning": map[string]any{"ID": "", "state": "registering", "image": map[string]any{"url": ""}}} {
		if err := unstructured.SetNestedField(made.Object, value, "status", field); err != nil {
			t.Fatal(err)
		}
	}
	told, err := role.Resource(hosts).Namespace(ns).UpdateStatus(t.Context(), made, metav1.UpdateOptions{FieldManager: "ingot"})
	if err != nil {
		t.Fatal(err)
	}
	if got := told.GetManagedFields(); len(got) != 1 || got[0].Manager != "somebody" {
		t.Errorf("after the role's write of the status the account is %v, want that of somebody alone", got)
	}
	stored, err := people.Get(t.Context(), "accounted", metav1.GetOptions{})
	if err != nil || len(stored.GetManagedFields()) != 1 {
		t.Errorf("stored is an account of %d entries, want one (%v)", len(stored.GetManagedFields()), err)
	}
	details := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "metal3.io/v1alpha1", "kind": "HardwareData", "metadata": map[string]any{"name": "accounted"}, "spec": map[string]any{},
	}}
	facts, err := role.Resource(hardware).Namespace(ns).Create(t.Context(), details, metav1.CreateOptions{FieldManager: "ingot"})
	if err != nil {
		t.Fatal(err)
	}
	if got := facts.GetManagedFields(); len(got) != 0 {
		t.Errorf("the role's HardwareData has the account %v, want none", got)
	}
	// Who applies a field that a role wrote is told so: the account begins with the first apply.
	if _, err := people.Apply(t.Context(), "accounted", &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "metal3.io/v1alpha1", "kind": "BareMetalHost", "metadata": map[string]any{"name": "accounted"}, "spec": map[string]any{"description": "applied"},
	}}, metav1.ApplyOptions{FieldManager: "gitops"}); err != nil {
		t.Errorf("apply a field that nobody wrote: %v", err)
	}
}
