package install_test

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/install"
	"github.com/ingotmetal/ingot/internal/pki"
)

var (
	policiesResource = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicies"}
	bindingsResource = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicybindings"}
)

func now() time.Time { return time.Now() }

// eventually repeats what fails until the test's time is nearly up.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	var last error
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(context.Context) (bool, error) {
		last = try()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("wait for %s: %v (last: %v)", what, err, last)
	}
}

func parsed(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func otherCA(t *testing.T) *pki.CA {
	t.Helper()
	ca, err := pki.NewCA("ingot control plane", now(), pki.CALifetime)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// TestApplyAgain applies a second time, as an administrator over the network: nothing may change, not even a resource version.
func TestApplyAgain(t *testing.T) {
	cp := controlplanetest.Start(t)
	before := versions(t, cp)
	if err := install.Apply(t.Context(), cp.Admin, install.Options{}); err != nil {
		t.Fatal(err)
	}
	after := versions(t, cp)
	if len(before) < 20 {
		t.Errorf("only %d objects are installed: %v", len(before), before)
	}
	for name, version := range before {
		if after[name] != version {
			t.Errorf("%s changed from %s to %s", name, version, after[name])
		}
	}
}

func versions(t *testing.T, cp *controlplanetest.Server) map[string]string {
	t.Helper()
	client, err := dynamic.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, gvr := range []schema.GroupVersionResource{
		{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
		{Version: "v1", Resource: "namespaces"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
		policiesResource, bindingsResource,
	} {
		list, err := client.Resource(gvr).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, obj := range list.Items {
			if managed(obj) {
				found[obj.GetKind()+"/"+obj.GetNamespace()+"/"+obj.GetName()] = obj.GetResourceVersion()
			}
		}
	}
	return found
}

func managed(obj unstructured.Unstructured) bool {
	for _, f := range obj.GetManagedFields() {
		if f.Manager == "ingot-install" {
			return true
		}
	}
	return false
}

// TestPartitionIsTheOperators: an existing Partition is not put back to what the installer was given.
func TestPartitionIsTheOperators(t *testing.T) {
	cp := controlplanetest.Shared(t)
	client, err := dynamic.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	partitions := client.Resource(ingot.GroupVersion.WithResource("partitions"))
	given := &ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: "theirs"}}
	given.Spec.ProvisioningNetwork.DHCPMode = ingot.DHCPOff
	for range 2 {
		if err := install.Apply(t.Context(), cp.Admin, install.Options{Partition: given}); err != nil {
			t.Fatal(err)
		}
		obj, err := partitions.Get(t.Context(), "theirs", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if mode, _, _ := unstructured.NestedString(obj.Object, "spec", "provisioningNetwork", "dhcpMode"); mode == "proxy" {
			return
		}
		if err := unstructured.SetNestedField(obj.Object, "proxy", "spec", "provisioningNetwork", "dhcpMode"); err != nil {
			t.Fatal(err)
		}
		if _, err := partitions.Update(t.Context(), obj, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("the installer put an operator's Partition back")
}
