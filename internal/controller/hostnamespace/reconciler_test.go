package hostnamespace_test

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// TestSecretsWhereHostsAre: the partition role's identity reads no Secret in a namespace without hosts, reads it in one with, and no longer once the last host went.
func TestSecretsWhereHostsAre(t *testing.T) {
	w := newWorld(t)
	w.start()
	racks, other := w.namespace(), w.namespace()
	if w.reads(racks) || w.reads(other) {
		t.Fatal("the partition role reads a Secret where no host is")
	}
	a, b := host(racks, "a"), host(racks, "b")
	w.create(a)
	w.create(b)
	w.until("the partition role may read where hosts are", func() bool { return w.reads(racks) })
	if w.reads(other) {
		t.Error("a host gave the right in another namespace than its own")
	}
	w.delete(a)
	// What the controller does about a it has done when a namespace that came later is bound.
	w.create(host(other, "c"))
	w.until("the other namespace is bound", func() bool { return w.reads(other) })
	if !w.reads(racks) || w.binding(racks).DeletionTimestamp != nil {
		t.Error("the right went while a host was there")
	}
	w.delete(b)
	w.until("the right goes with the last host", func() bool { return !w.reads(racks) })
	w.until("the binding is gone", func() bool { return w.binding(racks) == nil })
	w.create(host(racks, "d"))
	w.until("the right comes back", func() bool { return w.reads(racks) })
}

// TestWhileAway: what happened while no controller ran is made good by the next one.
func TestWhileAway(t *testing.T) {
	w := newWorld(t)
	empty, full := w.namespace(), w.namespace()
	stop := w.start()
	last := host(empty, "last")
	w.create(last)
	w.until("bound", func() bool { return w.reads(empty) })
	stop()
	w.delete(last)
	w.create(host(full, "first"))
	if w.reads(full) || !w.reads(empty) {
		t.Fatal("somebody else binds")
	}
	w.start()
	w.until("both are made good", func() bool { return w.reads(full) && !w.reads(empty) })
}

// TestNamespaceThatGoes: a namespace that is deleted with a host in it keeps the right until the host was let go, since its machine is cleaned with the BMC's credentials; then it goes.
func TestNamespaceThatGoes(t *testing.T) {
	w := newWorld(t)
	w.start()
	racks := w.namespace()
	h := host(racks, "a")
	h.Finalizers = []string{metal3.BareMetalHostFinalizer}
	w.create(h)
	// The host's Secret is held too, as the partition role does it.
	s := &corev1.Secret{}
	if err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: racks, Name: "bmc"}, s); err != nil {
		t.Fatal(err)
	}
	s.Finalizers = []string{metal3.BareMetalHostFinalizer + "/secret"}
	if err := w.admin.Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	w.until("bound", func() bool { return w.reads(racks) })
	w.delete(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: racks}})
	w.until("the namespace's objects are deleted", func() bool {
		err := w.admin.Get(t.Context(), client.ObjectKeyFromObject(h), h)
		b := w.binding(racks)
		return err == nil && h.DeletionTimestamp != nil && b != nil && b.DeletionTimestamp != nil
	})
	if !w.reads(racks) {
		t.Fatal("a host that is to be cleaned lost its credentials")
	}
	if err := w.partition.Patch(t.Context(), s, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		t.Fatalf("let go of the Secret: %v", err)
	}
	if err := w.partition.Patch(t.Context(), h, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		t.Fatalf("let go of the host: %v", err)
	}
	w.until("the namespace goes", func() bool {
		return apierrors.IsNotFound(w.admin.Get(t.Context(), client.ObjectKey{Name: racks}, &corev1.Namespace{}))
	})
}

// TestAcceptedFind: an operator's accept gives the right before there is a host, and the partition role makes none where it does not have it.
func TestAcceptedFind(t *testing.T) {
	w := newWorld(t)
	w.start()
	racks := w.namespace()
	found := func(name string) *ingot.DiscoveredHost {
		return &ingot.DiscoveredHost{
			ObjectMeta: metav1.ObjectMeta{Namespace: racks, Name: name},
			Spec:       ingot.DiscoveredHostSpec{Partition: "site1", Source: "netboot", BootMACAddress: "52:54:00:00:00:01"},
		}
	}
	made := func(name string) *metal3.BareMetalHost {
		h := host(racks, name)
		h.Annotations = map[string]string{ingot.DiscoveredFromAnnotation: "a-uid"}
		return h
	}
	// A partition that was taken over: it records a find, says that it was accepted, and makes a host of it.
	stray := found("stray")
	if err := w.partition.Create(t.Context(), stray); err != nil {
		t.Fatal(err)
	}
	stray.Spec.Accept = &ingot.DiscoveryAcceptance{}
	if err := w.partition.Update(t.Context(), stray); !apierrors.IsForbidden(err) {
		t.Errorf("the partition role accepts a find: %v", err)
	}
	if err := w.partition.Create(t.Context(), made("stray")); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "may read Secrets") {
		t.Errorf("the partition role makes a host where nobody wants one: %v", err)
	}
	accepted := found("accepted")
	accepted.Spec.Accept = &ingot.DiscoveryAcceptance{CredentialsName: "bmc"}
	w.create(accepted)
	w.until("the right comes with the accept", func() bool { return w.reads(racks) })
	if err := w.partition.Create(t.Context(), made("accepted")); err != nil {
		t.Fatalf("make the host of an accepted find: %v", err)
	}
	h := made("accepted")
	accepted.Status.Host = &ingot.HostReference{Namespace: racks, Name: h.Name, UID: "a-uid"}
	if err := w.partition.Status().Patch(t.Context(), accepted, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"host":{"namespace":"`+racks+`","name":"accepted","uid":"a-uid"}}}`))); err != nil {
		t.Fatal(err)
	}
	w.delete(h)
	w.until("the right goes with the host", func() bool { return !w.reads(racks) })
}

// TestBindingsOfPeople: a binding that somebody else made under the name is left alone, and one of ours that somebody changed is put back.
func TestBindingsOfPeople(t *testing.T) {
	w := newWorld(t)
	byHand, ours := w.namespace(), w.namespace()
	// kubectl create rolebinding, as the documentation has it.
	w.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: byHand, Name: bindingName},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: bindingName},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "ingot:partition"}},
	})
	w.until("the binding by hand is in force", func() bool { return w.reads(byHand) })
	w.start()
	h := host(byHand, "a")
	w.create(h)
	w.delete(h)
	w.create(host(ours, "b"))
	w.until("ours is bound", func() bool { return w.reads(ours) })
	if b := w.binding(byHand); b == nil || len(b.Finalizers) > 0 || !w.reads(byHand) {
		t.Errorf("the binding by hand is now %v", b)
	}
	b := w.binding(ours)
	b.Subjects = nil
	if err := w.admin.Update(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	w.until("its subject is put back", func() bool { return w.reads(ours) && len(w.binding(ours).Subjects) == 1 })
	w.delete(w.binding(ours))
	if b := w.binding(ours); b == nil || !w.reads(ours) {
		t.Error("a binding that is deleted while a host is there must stay in force")
	}
}

// TestControllerBindsNothingElse tries what a controller role that was taken over could try.
func TestControllerBindsNothingElse(t *testing.T) {
	w := newWorld(t)
	racks := w.namespace()
	for name, edit := range map[string]func(*rbacv1.RoleBinding){
		"itself": func(b *rbacv1.RoleBinding) { b.Subjects[0].Name = "ingot:controller" },
		"somebody more": func(b *rbacv1.RoleBinding) {
			b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "mallory"})
		},
		"a user":         func(b *rbacv1.RoleBinding) { b.Subjects[0].Kind = rbacv1.UserKind },
		"another role":   func(b *rbacv1.RoleBinding) { b.RoleRef.Name = "ingot:partition" },
		"administration": func(b *rbacv1.RoleBinding) { b.RoleRef.Name = "cluster-admin" },
		"another name":   func(b *rbacv1.RoleBinding) { b.Name = "mine" },
	} {
		b := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: racks, Name: bindingName},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: bindingName},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "ingot:partition"}},
		}
		edit(b)
		if err := w.controller.Create(t.Context(), b); !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			t.Errorf("the controller role binds %s: %v", name, err)
		}
	}
	all := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: racks},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: bindingName},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "ingot:partition"}},
	}
	if err := w.controller.Create(t.Context(), all); !apierrors.IsForbidden(err) {
		t.Errorf("the controller role binds everywhere: %v", err)
	}
	if err := w.partition.Create(t.Context(), all); !apierrors.IsForbidden(err) {
		t.Errorf("the partition role binds itself: %v", err)
	}
}
