package claim

import (
	"bytes"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/verdict"
)

// explain says of each host what the controller would decide, and why.
func TestExplain(t *testing.T) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, metal3.AddToScheme, ingot.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	host := func(namespace, name string, state metal3.ProvisioningState) client.Object {
		return &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Status: metal3.BareMetalHostStatus{Provisioning: metal3.ProvisionStatus{State: state}}}
	}
	c := fake.NewClientBuilder().WithScheme(s).WithObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-a"}},
		&metal3.HostDeployPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "racks", Name: "p"}, Spec: metal3.HostDeployPolicySpec{HostClaimNamespaces: &metal3.HostClaimNamespaces{NameMatches: "team-."}}},
		host("racks", "a", metal3.StateAvailable), host("racks", "b", metal3.StateAvailable), host("racks", "c", metal3.StateInspecting), host("far", "d", metal3.StateAvailable),
	).Build()
	for name, words := range map[string][]string{
		"team-a":  {"claim team-a/web: racks/a: ", "* racks/a: this one", "+ racks/b: it would do", `- racks/c: it is not ready: it is "inspecting"`, "- far/d: it is in the namespace far, which has no HostDeployPolicy", "NoSecret: make it"},
		"team-a2": {"no host: ", "what helps: ", "- racks/a: it is in the namespace racks, which is not opened to team-a2"},
	} {
		if name == "team-a2" {
			if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
				t.Fatal(err)
			}
		}
		k := &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "web"}}
		k.Status.Conditions = []metav1.Condition{{Type: metal3.SynchronizedCondition, Status: metav1.ConditionFalse, Reason: "NoSecret", Message: "make it"}}
		e, err := explanation(t.Context(), c, k)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := verdict.Write(&b, "claim "+k.Namespace+"/"+k.Name, e, k.Status.Conditions); err != nil {
			t.Fatal(err)
		}
		for _, w := range words {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%q is not in\n%s", w, b.String())
			}
		}
	}
}

func TestList(t *testing.T) {
	k := metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "web"}}
	k.Status.BareMetalHost, k.Status.PoweredOn = &metal3.ObjectReference{Namespace: "racks", Name: "a"}, true
	k.Status.Conditions = []metav1.Condition{{Type: metal3.AssociatedCondition, Reason: metal3.BareMetalHostAssociatedReason}, {Type: metal3.ReadyCondition, Status: metav1.ConditionTrue}}
	var b bytes.Buffer
	if err := print.Objects(&b, print.Table, nil, []metal3.HostClaim{k}, columns(time.Now())); err != nil {
		t.Fatal(err)
	}
	_, row, _ := strings.Cut(b.String(), "\n")
	if got := strings.Join(strings.Fields(row), " "); !strings.HasPrefix(got, "web racks/a BareMetalHostAssociated") || !strings.HasSuffix(got, " on") {
		t.Errorf("%q", got)
	}
}
