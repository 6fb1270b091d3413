package machine

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// The machine of a Firewall is told whose it is; one that only has the role, or an owner of that name, is not.
func TestOnlyAFirewallsOwnMachineIsToldWhoseItIs(t *testing.T) {
	f := &ingot.Firewall{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "edge", UID: "u"}}
	owned := []metav1.OwnerReference{*metav1.NewControllerRef(f, ingot.GroupVersion.WithKind("Firewall"))}
	foreign := []metav1.OwnerReference{*metav1.NewControllerRef(f, metav1.SchemeGroupVersion.WithKind("Firewall"))}
	const plain, told = `{"name":"edge"}`, `{"ingot-firewall":"web/edge","ingot-machine":"edge","name":"edge"}`
	for name, c := range map[string]struct {
		role   ingot.MachineRole
		owners []metav1.OwnerReference
		want   string
	}{
		"its own":             {ingot.RoleFirewall, owned, told},
		"only the role":       {ingot.RoleFirewall, nil, plain},
		"another role":        {ingot.RoleMachine, owned, plain},
		"another kind's name": {ingot.RoleFirewall, foreign, plain},
	} {
		m := &ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "edge", OwnerReferences: c.owners}, Spec: ingot.MachineSpec{Role: c.role}}
		if text, err := firewallOf(m, []byte(plain)); err != nil || string(text) != c.want {
			t.Errorf("%s: %s, %v; want %s", name, text, err, c.want)
		}
	}
}
