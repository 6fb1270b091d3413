package sim_test

import (
	"context"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
)

// TestATenantClaimsAHost: a claim of another namespace gets the machine provisioned with its image and user data by the real agent; when it is deleted the machine is wiped, and free only then.
func TestATenantClaimsAHost(t *testing.T) {
	ctx := sitetest.Bounded(t)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: 1}})
	m := s.Lab.State().Machines[0]
	want := s.Host(m).Spec.Image
	if err := s.Enrol(ctx, m, func(h *metal3.BareMetalHost) { h.Spec.Image = nil }); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKey{Namespace: "tenant", Name: "web"}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: key.Namespace}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "user"}, StringData: map[string]string{"userData": "#cloud-config\n"}},
		&metal3.HostDeployPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: "tenant"}, Spec: metal3.HostDeployPolicySpec{HostClaimNamespaces: &metal3.HostClaimNamespaces{Names: []string{key.Namespace}}}},
		&metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, Spec: metal3.HostClaimSpec{PoweredOn: true, Image: want, UserData: &corev1.SecretReference{Name: "user"}}},
	} {
		if err := s.Client.Create(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Await(ctx, m.Namespace, site.Provisioned(1)); err != nil {
		t.Fatal(err)
	}
	host, record := both(ctx, t, s, m)
	if host.Spec.ConsumerRef == nil || host.Spec.ConsumerRef.Name != key.Name || host.Status.Provisioning.Image.URL != want.URL || record.CleanedAt != nil {
		t.Errorf("provisioned for %+v with %q, clean since %v", host.Spec.ConsumerRef, host.Status.Provisioning.Image.URL, record.CleanedAt)
	}
	if n := claimCopies(ctx, t, s, m.Namespace); n != 1 {
		t.Errorf("%d Secrets of the claim are beside the host, want 1", n)
	}
	if err := s.Client.Delete(ctx, &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}); err != nil {
		t.Fatal(err)
	}
	err := wait.PollUntilContextCancel(ctx, 500*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		return apierrors.IsNotFound(s.Client.Get(ctx, key, &metal3.HostClaim{})), nil
	})
	if err != nil {
		t.Fatalf("the claim does not go: %v\n%s\n%s", err, s.Describe(context.WithoutCancel(ctx), m.Namespace), s.RoleLog("controller", 8<<10))
	}
	host, record = both(ctx, t, s, m)
	if host.Spec.ConsumerRef != nil || host.Spec.Image != nil || host.Status.Provisioning.State != metal3.StateAvailable || record.CleanedAt == nil || claimCopies(ctx, t, s, m.Namespace) != 0 {
		t.Errorf("the claim is gone and its host has %+v, %s, clean since %v", host.Spec, host.Status.Provisioning.State, record.CleanedAt)
	}
	checkLogs(t, s)
}

func claimCopies(ctx context.Context, t *testing.T, s *site.Site, namespace string) int {
	t.Helper()
	var all corev1.SecretList
	if err := s.Client.List(ctx, &all, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, x := range all.Items {
		if x.Type == "ingot.dev/hostclaim" {
			n++
		}
	}
	return n
}
