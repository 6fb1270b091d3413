package host_test

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/account"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/secret"
)

// ownSecret is the Secret of a host's own account; nil: there is none.
func (w *world) ownSecret(uid types.UID) *corev1.Secret {
	w.t.Helper()
	s := &corev1.Secret{}
	err := w.admin.Get(w.t.Context(), types.NamespacedName{Namespace: ingot.BMCNamespace, Name: "host-" + string(uid)}, s)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return s
}

// TestOwnAccountAtTheBMC: a registered host's BMC gets an account of Ingot's, with the role's own rights; it is used, gets a new password when that is asked for, is made again when somebody
// removes it, and goes with the host.
func TestOwnAccountAtTheBMC(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", nil)
	name := account.Name(w.namespace, "a")
	w.untilState("a", metal3.StateAvailable)
	uid := w.host("a").UID
	password := func() secret.String {
		s := w.ownSecret(uid)
		if s == nil || string(s.Data["username"]) != name || s.Labels[ingot.PartitionLabel] != w.partition {
			t.Fatalf("the Secret of the account: %+v", s)
		}
		return secret.New(string(s.Data["password"]))
	}
	first := password()
	if !m.bmc.Accounts()[name].Equal(first) {
		t.Fatal("the BMC's account has another password than is stored")
	}
	w.edit("a", func(h *metal3.BareMetalHost) {
		h.Annotations = map[string]string{ingot.RotateBMCAccountAnnotation: "after the audit"}
	})
	// A host is looked at for its account once a minute at most. Every half second of the wait is such a minute.
	polls := 0
	look := func() {
		if polls++; polls%25 == 1 {
			w.advance(time.Minute)
			w.nudge("a")
		}
	}
	w.until("there is a new password", func() bool {
		look()
		return !password().Equal(first) && m.bmc.Accounts()[name].Equal(password())
	})
	m.bmc.SetAccount(name, secret.String{})
	w.until("the account is made again", func() bool {
		look()
		return m.bmc.Accounts()[name].Equal(password())
	})
	w.edit("a", func(h *metal3.BareMetalHost) {
		h.Annotations = map[string]string{ingot.BMCAccountAnnotation: string(account.Given)}
	})
	w.until("the account is removed", func() bool { look(); return len(m.bmc.Accounts()) == 0 && w.ownSecret(uid) == nil })
	w.edit("a", func(h *metal3.BareMetalHost) { h.Annotations = nil })
	w.until("there is one again", func() bool { look(); return len(m.bmc.Accounts()) == 1 })
	if err := w.admin.Delete(t.Context(), w.host("a")); err != nil {
		t.Fatal(err)
	}
	w.untilGone("a")
	w.until("nothing is left", func() bool { return len(m.bmc.Accounts()) == 0 && w.ownSecret(uid) == nil })
}
