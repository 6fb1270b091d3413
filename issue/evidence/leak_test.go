package evidence_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/issue"
	"github.com/ingotmetal/ingot/issue/evidence"
)

func host(name, claim string, copies ...string) metal3.BareMetalHost {
	h := metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "racks", Name: name}}
	if namespace, name, held := strings.Cut(claim, "/"); held {
		h.Spec.ConsumerRef = &corev1.ObjectReference{APIVersion: metal3.GroupVersion.String(), Kind: survey.ClaimKind, Namespace: namespace, Name: name}
	}
	for _, c := range copies {
		namespace, name, _ := strings.Cut(c, "/")
		survey.Mark(&h, types.NamespacedName{Namespace: namespace, Name: name})
	}
	return h
}

func claim(name, hostNamespace, host string) metal3.HostClaim {
	c := metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	if host != "" {
		c.Status.BareMetalHost = &metal3.ObjectReference{Namespace: hostNamespace, Name: host}
	}
	return c
}

func ip(name string, kind ingot.IPType, owner types.UID) ingot.IP {
	x := ingot.IP{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: ingot.IPSpec{Type: kind}}
	if owner != "" {
		x.OwnerReferences = []metav1.OwnerReference{{APIVersion: ingot.GroupVersion.String(), Kind: "Machine", Name: "m-" + string(owner), UID: owner}}
	}
	return x
}

// What nobody holds any more is an issue, whoever finds it; what somebody holds is none.
func TestLeaks(t *testing.T) {
	o := evidence.Objects{
		Facts: survey.Facts{
			Hosts: []metal3.BareMetalHost{
				host("right", "shop/web", "shop/web"), host("lost", "shop/gone", "shop/gone"), host("second", "shop/web", "shop/web"), host("choosing", "shop/new"), host("free", ""),
				host("left", "", "shop/gone", "shop/web", "shop/far", "shop/new"), host("taken", "shop/new", "shop/new", "shop/gone"),
			},
			Claims:   []metal3.HostClaim{claim("web", "racks", "right"), claim("far", "other", "x"), claim("new", "", "")},
			Machines: []ingot.Machine{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "1"}}},
		},
		IPs: []ingot.IP{ip("of-web", ingot.EphemeralIP, "1"), ip("of-nobody", ingot.EphemeralIP, "2"), ip("stays", ingot.StaticIP, "2"), ip("free", ingot.EphemeralIP, "")},
	}
	var got []string
	for _, x := range issue.Find(evidence.Facts(o), time.Now()) {
		if slices.Contains([]issue.ID{issue.HostLeaked, issue.CopiesLeaked, issue.AddressLeaked}, x.ID) {
			got = append(got, fmt.Sprintf("%s %s %s: %s", x.Kind, x.ID, x.Name, x.Cause))
		}
	}
	const copies = "copies of the Secrets of the claim shop/%s lie in the host's namespace, "
	want := []string{
		"Host copies-leaked racks/left: " + fmt.Sprintf(copies, "far") + "where the claim has no host; " + fmt.Sprintf(copies, "gone") + "and the claim is gone; " + fmt.Sprintf(copies, "new") + "where the claim has no host",
		"Host copies-leaked racks/taken: " + fmt.Sprintf(copies, "gone") + "and the claim is gone",
		"Host host-leaked racks/lost: the host is held for the claim shop/gone, which is gone",
		"Host host-leaked racks/second: the host is held for the claim shop/web, which has host racks/right",
		"IP address-leaked shop/of-nobody: the address is held for the Machine shop/m-2, which is gone",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A mark is a set: it keeps others', and goes with its last.
func TestMarks(t *testing.T) {
	h := host("h", "shop/b", "shop/b", "shop/a", "shop/b")
	if got := h.Annotations[survey.CopiesAnnotation]; got != "shop/a,shop/b" {
		t.Errorf("it says %q", got)
	}
	if got := fmt.Sprint(survey.Strays(&h)); got != "[shop/a]" {
		t.Errorf("strays: %s", got)
	}
	survey.Unmark(&h, types.NamespacedName{Namespace: "shop", Name: "a"})
	survey.Unmark(&h, types.NamespacedName{Namespace: "shop", Name: "b"})
	if _, there := h.Annotations[survey.CopiesAnnotation]; there {
		t.Error("the annotation is left, of nobody")
	}
}

// What records and IPs say of each other is held together, where somebody could read the records.
func TestAddressesAgainstRecords(t *testing.T) {
	shows := func(name string, uid types.UID, address string) ingot.IP {
		x := ip(name, ingot.StaticIP, "")
		x.UID, x.Status.Address = uid, address
		x.Status.Conditions = []metav1.Condition{{Type: ingot.ReadyCondition, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour))}}
		return x
	}
	until := metav1.Now()
	o := evidence.Objects{
		IPs: []ingot.IP{shows("right", "1", "10.0.0.1"), shows("lost", "2", "10.0.0.2"), shows("other", "3", "10.0.0.3"), shows("made-anew", "5", "10.0.0.5"), shows("waits", "6", "")},
		AddressRecords: []ingot.AddressRecord{{Spec: ingot.AddressRecordSpec{Addresses: []ingot.RecordedAddress{
			{Address: "10.0.0.1", Claim: "IP/shop/right", UID: "1"}, {Address: "10.0.0.4", Claim: "IP/shop/other", UID: "3"}, {Address: "10.0.0.5", Claim: "IP/shop/made-anew", UID: "4"},
			{Address: "10.0.0.6", Claim: "IP/shop/waits", UID: "6"}, {Address: "10.0.0.7", Claim: "IP/shop/gone", UID: "7"}, {Address: "10.0.0.8", Claim: "IP/shop/gone", UID: "7", Until: &until},
			{Address: "10.0.0.9", Claim: "IP/shop/new", UID: "8", Pending: "x"}, {Address: "10.0.0.10", Claim: "IPClaim/shop/gone", UID: "9"},
		}}}},
	}
	find := func(o evidence.Objects) string {
		var lines []string
		for _, x := range issue.Find(evidence.Facts(o), time.Now()) {
			if x.ID == issue.AddressUnrecorded || x.ID == issue.AddressOrphaned {
				lines = append(lines, fmt.Sprintf("%s %s: %s", x.ID, x.Name, x.Cause))
			}
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	want := "address-orphaned shop/gone: 10.0.0.7 is recorded for the UID 7, which is gone\naddress-orphaned shop/made-anew: 10.0.0.5 is recorded for the UID 4, which is gone\n" +
		"address-unrecorded shop/lost: no record has 10.0.0.2 as the IP's\naddress-unrecorded shop/made-anew: no record has 10.0.0.5 as the IP's\naddress-unrecorded shop/other: no record has 10.0.0.3 as the IP's"
	if got := find(o); got != want {
		t.Errorf("found\n%s\nwant\n%s", got, want)
	}
	o.AddressRecords = nil
	if got := find(o); got != "" {
		t.Errorf("found without records:\n%s", got)
	}
}
