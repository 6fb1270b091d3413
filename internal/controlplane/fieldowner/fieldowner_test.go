package fieldowner_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/ingotmetal/ingot/internal/controlplane/fieldowner"
	"github.com/ingotmetal/ingot/internal/pki"
)

func TestOnlyTheAccountOfRolesIsLeftOut(t *testing.T) {
	entry := func(manager string, op metav1.ManagedFieldsOperationType, sub string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: op, Subresource: sub, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{}`)}
	}
	account := []metav1.ManagedFieldsEntry{
		entry("kubectl", "Apply", ""), entry("kubectl", "Update", ""), entry("ingot", "Update", ""), entry("ingot", "Update", "status"), entry("other", "Apply", "status"),
	}
	managers := func(entries []metav1.ManagedFieldsEntry) (names []string) {
		for _, e := range entries {
			names = append(names, e.Manager+" "+string(e.Operation)+" "+e.Subresource)
		}
		return names
	}
	whole := managers(account)
	for _, tt := range []struct {
		name      string
		groups    []string
		operation admission.Operation
		want      []string
	}{
		{"a role updates", []string{"system:authenticated", "ingot:partition"}, admission.Update, []string{"kubectl Apply ", "kubectl Update ", "ingot Update ", "other Apply status"}},
		{"a role creates", []string{"ingot:controller"}, admission.Create, []string{"kubectl Apply ", "other Apply status"}},
		{"a person updates", []string{"system:masters"}, admission.Update, whole},
		{"a person creates", []string{"system:authenticated"}, admission.Create, whole},
		{"a person of a group with a name like a role's", []string{"ingot:people:edit"}, admission.Create, whole},
		{"an operator", []string{pki.OperatorGroup}, admission.Create, whole},
		{"a group that only begins so", []string{"ingots", "ingot"}, admission.Create, whole},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := &unstructured.Unstructured{Object: map[string]any{}}
			o.SetManagedFields(account)
			a := admission.NewAttributesRecord(o, nil, schema.GroupVersionKind{}, "a", "b", schema.GroupVersionResource{}, "", tt.operation, nil, false, &user.DefaultInfo{Groups: tt.groups})
			if err := fieldowner.New().Admit(t.Context(), a, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, managers(o.GetManagedFields())); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("nothing to account for", func(t *testing.T) {
		a := admission.NewAttributesRecord(nil, nil, schema.GroupVersionKind{}, "a", "b", schema.GroupVersionResource{}, "", admission.Update, nil, false, &user.DefaultInfo{Groups: []string{"ingot:partition"}})
		if err := fieldowner.New().Admit(t.Context(), a, nil); err != nil {
			t.Fatal(err)
		}
	})
}
