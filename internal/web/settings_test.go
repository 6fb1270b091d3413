package web

import (
	"reflect"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestRightsAreMerged: what may be done alike with kinds of one group is one line, and a right by name stays apart.
func TestRightsAreMerged(t *testing.T) {
	got := merged(authorizationv1.SubjectRulesReviewStatus{
		ResourceRules: []authorizationv1.ResourceRule{
			{Verbs: []string{"list", "get"}, APIGroups: []string{"ingot.dev"}, Resources: []string{"networks"}},
			{Verbs: []string{"get", "list"}, APIGroups: []string{"ingot.dev", "metal3.io"}, Resources: []string{"firewalls"}},
			{Verbs: []string{"get", "list"}, APIGroups: []string{"ingot.dev"}, Resources: []string{"firewalls"}, ResourceNames: []string{"edge"}},
		},
		NonResourceRules: []authorizationv1.NonResourceRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/version", "/audit/*"}}},
	})
	read := []string{"get", "list"}
	want := []Grant{
		{Verbs: []string{"get"}, Things: []string{"/audit/*", "/version"}},
		{Verbs: read, Group: "ingot.dev", Things: []string{"firewalls"}, Names: []string{"edge"}},
		{Verbs: read, Group: "ingot.dev", Things: []string{"firewalls", "networks"}},
		{Verbs: read, Group: "metal3.io", Things: []string{"firewalls"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestALeadersHostIsInItsName, which begins with it; and a lease of nobody has none.
func TestALeadersHostIsInItsName(t *testing.T) {
	holder, since := "rack1-mgmt_0c1d-1-2", metav1.NewMicroTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "controller"}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, AcquireTime: &since}}
	if got, want := leader(l), (Leader{"controller", "rack1-mgmt", "2026-03-01T12:00:00Z"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := leader(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "x"}}), (Leader{Role: "x"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
