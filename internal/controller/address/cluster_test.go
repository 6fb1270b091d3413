package address_test

import (
	"errors"
	"fmt"
	"testing"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	clusteripam "sigs.k8s.io/cluster-api/api/ipam/v1beta2"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// serveClusters gives the API server Cluster API's Cluster, as far as a provider of addresses reads it.
func (w *world) serveClusters() {
	w.t.Helper()
	k, err := apiextensionsclient.NewForConfig(controlplanetest.Shared(w.t).Admin)
	if err != nil {
		w.t.Fatal(err)
	}
	const plural, group = "clusters", "cluster.x-k8s.io"
	open := &apiextensions.JSONSchemaProps{Type: "object", XPreserveUnknownFields: ptr.To(true)}
	d := &apiextensions.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: plural + "." + group, Annotations: map[string]string{"api-approved.kubernetes.io": "unapproved, of a test"}},
		Spec: apiextensions.CustomResourceDefinitionSpec{
			Group: group, Scope: apiextensions.NamespaceScoped, Names: apiextensions.CustomResourceDefinitionNames{Plural: plural, Singular: "cluster", Kind: "Cluster", ListKind: "ClusterList"},
			Versions: []apiextensions.CustomResourceDefinitionVersion{{Name: "v1beta2", Served: true, Storage: true, Schema: &apiextensions.CustomResourceValidation{OpenAPIV3Schema: open}}},
		},
	}
	if _, err := k.ApiextensionsV1().CustomResourceDefinitions().Create(w.t.Context(), d, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		w.t.Fatal(err)
	}
	probe := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": group + "/v1beta2", "kind": "ClusterList"}}
	w.until("clusters are served", func() error { return w.admin.List(w.t.Context(), probe) })
}

func (w *world) cluster(name string, paused bool, annotations map[string]string) *unstructured.Unstructured {
	w.t.Helper()
	c := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster", "spec": map[string]any{"paused": paused}}}
	c.SetNamespace(w.namespace)
	c.SetName(name)
	c.SetAnnotations(annotations)
	w.create(c)
	return c
}

// claimOf makes a claim of a cluster's.
func (w *world) claimOf(name string, edit func(*clusteripam.IPAddressClaim)) {
	w.t.Helper()
	c := &clusteripam.IPAddressClaim{ObjectMeta: w.meta(name)}
	c.Spec.PoolRef = clusteripam.IPPoolReference{APIGroup: metal3Group, Kind: "IPPool", Name: "pool"}
	edit(c)
	w.create(c)
}

// A claim of a cluster that is paused, by its field or its annotation, or that is not there, is left alone until that changes: no address, no condition, as Cluster API's own provider does it. One that is being deleted
// goes even if its cluster is gone already.
func TestClaimsOfClusters(t *testing.T) {
	w := newWorld(t)
	w.serveClusters()
	w.start()
	w.pool("pool", "10.7.0.10", "10.7.0.30", nil)
	byField, byAnnotation := w.cluster("by-field", true, nil), w.cluster("by-annotation", false, map[string]string{"cluster.x-k8s.io/paused": ""})
	running := w.cluster("running", false, nil)
	named := func(cluster string) func(*clusteripam.IPAddressClaim) {
		return func(c *clusteripam.IPAddressClaim) { c.Spec.ClusterName = cluster }
	}
	w.claimOf("field", named("by-field"))
	w.claimOf("annotation", func(c *clusteripam.IPAddressClaim) {
		c.Labels = map[string]string{"cluster.x-k8s.io/cluster-name": "by-annotation"}
	})
	w.claimOf("missing", named("later"))
	w.claimOf("served", func(c *clusteripam.IPAddressClaim) {
		named("running")(c)
		c.Finalizers = []string{"ipam.metal3.io/ipaddressclaim"} // of Metal3's provider, which had it before
	})
	served := w.bound("served")
	// Claims that come after those that are left alone were served, so that those had their turn.
	w.claimOf("witness", named("running"))
	w.bound("witness")
	alone := []string{"field", "annotation", "missing"}
	c := &clusteripam.IPAddressClaim{}
	for _, name := range alone {
		if err := w.get(c, name); err != nil || c.Status.AddressRef.Name != "" || len(c.Status.Conditions) > 0 {
			t.Errorf("%s: %v %+v", name, err, c.Status)
		}
	}
	if err := unstructured.SetNestedField(byField.Object, false, "spec", "paused"); err != nil {
		t.Fatal(err)
	}
	byAnnotation.SetAnnotations(nil)
	for _, o := range []*unstructured.Unstructured{byField, byAnnotation} {
		if err := w.admin.Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	w.cluster("later", false, nil)
	for _, name := range alone {
		w.bound(name)
	}
	if err := w.admin.Delete(t.Context(), running); err != nil {
		t.Fatal(err)
	}
	w.until("the cluster is gone", func() error {
		if err := w.get(running, "running"); !apierrors.IsNotFound(err) {
			return errors.Join(errThere, err)
		}
		return nil
	})
	w.delete(&clusteripam.IPAddressClaim{}, "served")
	w.until("the claim goes after its cluster", func() error {
		if err := w.get(c, "served"); !apierrors.IsNotFound(err) {
			return fmt.Errorf("finalizers %v: %w", c.Finalizers, errors.Join(errThere, err))
		}
		return nil
	})
	w.freed("its address is free", served.Spec.Address)
}
