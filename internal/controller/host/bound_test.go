package host_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/identity"
)

// unbind takes the right to read Secrets from the partition role, and waits until the API server knows.
func (w *world) unbind() {
	w.t.Helper()
	binding := identity.HostNamespacesBinding(matrix.Partition, w.namespace)
	if err := w.admin.Delete(w.t.Context(), &binding); err != nil {
		w.t.Fatal(err)
	}
	role, err := client.New(w.role, client.Options{Scheme: host.Scheme()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.until("the partition role may read no Secret", func() bool {
		return apierrors.IsForbidden(role.Get(w.t.Context(), w.key("any"), &corev1.Secret{}))
	})
}

func (w *world) untilBarred(name string) {
	w.t.Helper()
	w.until("host "+name+" waits for the right", func() bool { return w.record(name).Status.Outcome.Reason == string(journey.ReasonNamespaceNotBound) })
}

// TestHostWaitsForItsNamespace: a host in a namespace where the partition role may read no Secret waits, with a reason and without an error, and goes on when it may. One that is deleted meanwhile goes.
func TestHostWaitsForItsNamespace(t *testing.T) {
	w := newWorld(t)
	w.unbind()
	w.start()
	m := w.addHost("a", nil)
	w.addHost("b", nil)
	w.untilBarred("a")
	w.untilBarred("b")
	h := w.host("a")
	if h.Status.ErrorType != "" || h.Status.ErrorCount != 0 || h.Status.TriedCredentials.Reference != nil || w.record("a").Status.Failure != nil {
		t.Errorf("status %+v", h.Status)
	}
	if n := m.bmc.FailedLogins(); n != 0 {
		t.Errorf("%d failed logins at its BMC", n)
	}
	if err := w.admin.Delete(t.Context(), w.host("b")); err != nil {
		t.Fatal(err)
	}
	w.untilGone("b")
	controlplanetest.Shared(t).BindHosts(t, w.namespace)
	w.until("its credentials are good", func() bool { return w.host("a").Status.GoodCredentials.Reference != nil })
}

// TestRightIsLost: a host whose namespace loses the right waits with all it was about to do, its deletion too, and asks its BMC nothing without credentials.
func TestRightIsLost(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", nil)
	w.until("registered", func() bool { return w.host("a").Status.GoodCredentials.Reference != nil })
	w.unbind()
	w.advance(2 * time.Minute)
	if err := w.admin.Delete(t.Context(), w.host("a")); err != nil {
		t.Fatal(err)
	}
	w.untilBarred("a")
	s := &corev1.Secret{}
	if err := w.admin.Get(t.Context(), w.key("a-bmc"), s); err != nil || len(s.Finalizers) == 0 {
		t.Errorf("the Secret of a host that waits is held by %v (%v)", s.Finalizers, err)
	}
	if n := m.bmc.FailedLogins(); n != 0 {
		t.Errorf("%d failed logins at its BMC", n)
	}
	// By hand and under another name, as an operator may do it.
	w.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "by-hand"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: identity.HostNamespacesRole(matrix.Partition)},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: identity.Group(matrix.Partition)}},
	})
	w.untilGone("a")
}
