package matrix_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// site is a small matrix: two hosts, operators outside, a web server and its database. NAME is replaced: names of matrices and hosts are the cluster's.
const site = `
apiVersion: ingot.dev/v1alpha1
kind: CommunicationMatrix
metadata: {name: NAME}
spec:
  title: A small site
  zones:
  - {name: dmz}
  - {name: data}
  - {name: office, outside: true, networks: [192.0.2.0/24]}
  roles:
  - {name: web}
  - {name: database}
  - {name: operator, outside: true, networks: [192.0.2.0/26]}
  hosts:
  - name: NAME-web
    interfaces: [{name: eth0, zone: dmz, roles: [web], addresses: [10.1.0.1]}]
  - name: NAME-db
    interfaces: [{name: eth0, zone: data, roles: [database], addresses: [10.2.0.1]}]
  flows:
  - {id: "1", name: office-to-web, from: "*@office", to: web@dmz, protocol: tcp, ports: [443], application: HTTPS, confidential: {state: Holds, how: TLS}, integrity: {state: Holds, how: TLS}, authenticated: {state: Holds, how: OIDC}, trusted: {state: Holds, how: office}}
  - {id: "2", name: web-to-database, from: web@dmz, to: database@data, protocol: tcp, ports: [5432], application: Postgres, confidential: {state: Holds, how: TLS}, integrity: {state: Holds, how: TLS}, authenticated: {state: Holds, how: password}, trusted: {state: Holds, how: own}}
  - {id: "3", name: operator-to-web, from: operator@office, to: "*@dmz", protocol: tcp, ports: [22], application: SSH, management: true, confidential: {state: Holds, how: SSH}, integrity: {state: Holds, how: SSH}, authenticated: {state: Holds, how: SSH}, trusted: {state: Holds, how: office}}
  - {id: "4", name: operator-to-db, from: operator@office, to: "*@data", protocol: tcp, ports: [22], application: SSH, management: true, confidential: {state: Holds, how: SSH}, integrity: {state: Holds, how: SSH}, authenticated: {state: Holds, how: SSH}, trusted: {state: Holds, how: office}}
`

func siteText(name string) string { return strings.ReplaceAll(site, "NAME", name) }

func TestPoliciesFollowTheMatrix(t *testing.T) {
	w := newWorld(t, controlplanetest.Shared(t))
	w.start(false)
	w.apply(siteText("follow"))
	w.condition("follow", "Accepted", metav1.ConditionTrue, "Accepted")
	w.condition("follow", "Compiled", metav1.ConditionTrue, "Compiled")
	w.condition("follow", "Enforced", metav1.ConditionFalse, "Waiting")
	before := w.made("follow")
	for kind, least := range map[string]int{"GlobalNetworkPolicy": 3, "GlobalNetworkSet": 1, "HostEndpoint": 2} {
		found := 0
		for name, obj := range before {
			if strings.HasPrefix(name, kind+"/") {
				found++
			}
			if o := obj.GetOwnerReferences(); len(o) != 1 || o[0].Name != "follow" || o[0].Kind != "CommunicationMatrix" {
				t.Errorf("%s belongs to %v", name, o)
			}
		}
		if found < least {
			t.Errorf("%d of kind %s, want at least %d: %v", found, kind, least, before)
		}
	}
	if got := w.matrix("follow").Status.Counts; got.Flows != 4 || got.Hosts != 2 || got.Roles != 3 || got.Zones != 3 {
		t.Errorf("counts %+v", got)
	}

	// One row changes: the policies of its two ends do, and no other object.
	w.apply(strings.Replace(siteText("follow"), "5432", "6432", 1))
	w.condition("follow", "Compiled", metav1.ConditionTrue, "Compiled")
	var changed []string
	for name, obj := range w.made("follow") {
		if old := before[name]; old == nil || old.GetGeneration() != obj.GetGeneration() {
			changed = append(changed, name)
		}
	}
	if len(changed) != 2 || slices.ContainsFunc(changed, func(n string) bool { return !strings.HasPrefix(n, "GlobalNetworkPolicy/") }) {
		t.Errorf("a change of one row changed %v, want the policies of its two ends", changed)
	}

	// A row goes: what stood for it alone goes too.
	lines := strings.SplitAfter(siteText("follow"), "\n")
	w.apply(strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, `{id: "2"`) }), ""))
	w.condition("follow", "Compiled", metav1.ConditionTrue, "Compiled")
	if left := w.made("follow"); len(left) >= len(before) {
		t.Errorf("%d objects were there, and %d are without the only row of the database", len(before), len(left))
	}

	// The matrix goes: everything goes.
	if err := w.admin.Delete(t.Context(), w.matrix("follow")); err != nil {
		t.Fatal(err)
	}
	w.eventually("the garbage collector", func() error {
		if left := w.made("follow"); len(left) > 0 {
			return fmt.Errorf("%d objects are left", len(left))
		}
		return nil
	})
}

func TestEditsAreRepaired(t *testing.T) {
	w := newWorld(t, controlplanetest.Shared(t))
	w.start(false)
	w.apply(siteText("repair"))
	w.condition("repair", "Compiled", metav1.ConditionTrue, "Compiled")
	original := w.made("repair")
	policy := one[*api.GlobalNetworkPolicy](t, original)
	spec := policy.Spec.DeepCopy()

	// Fields that we say, and one that we do not: it would widen the policy all the same.
	edited := policy.DeepCopy()
	edited.Spec.Ingress = append(edited.Spec.Ingress, api.Rule{Action: "Allow"})
	edited.Spec.ApplyOnForward = true
	if err := w.admin.Update(t.Context(), edited); err != nil {
		t.Fatal(err)
	}
	w.eventually("the policy to be as compiled", func() error {
		got := &api.GlobalNetworkPolicy{}
		if err := w.admin.Get(t.Context(), client.ObjectKeyFromObject(policy), got); err != nil {
			return err
		}
		if got.Spec.ApplyOnForward || len(got.Spec.Ingress) != len(spec.Ingress) {
			return fmt.Errorf("it has %d rules, applyOnForward %v", len(got.Spec.Ingress), got.Spec.ApplyOnForward)
		}
		return nil
	})
	w.event("Repaired", policy.Name)

	if err := w.admin.Delete(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	unlabelled := one[*api.HostEndpoint](t, original)
	if err := w.admin.Patch(t.Context(), unlabelled.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"ownerReferences":null}}`))); err != nil {
		t.Fatal(err)
	}
	w.eventually("everything to be back", func() error {
		now := w.made("repair")
		var problems []error
		for name := range original {
			if now[name] == nil || len(now[name].GetOwnerReferences()) != 1 {
				problems = append(problems, fmt.Errorf("%s: %v", name, now[name]))
			}
		}
		return errors.Join(problems...)
	})
}

func one[T client.Object](t *testing.T, all map[string]client.Object) T {
	t.Helper()
	for _, obj := range all {
		if o, ok := obj.(T); ok {
			return o
		}
	}
	t.Fatal("there is none")
	panic("unreachable")
}

// TestNoMeaningNoChange: what cannot be compiled leaves what was.
func TestNoMeaningNoChange(t *testing.T) {
	w := newWorld(t, controlplanetest.Shared(t))
	w.start(false)
	w.apply(siteText("keep"))
	w.condition("keep", "Compiled", metav1.ConditionTrue, "Compiled")
	before := w.made("keep")

	bad := w.matrix("keep")
	bad.Spec.Flows[1].To = "database@nowhere"
	w.put(bad)
	w.condition("keep", "Accepted", metav1.ConditionFalse, "Refused")
	w.condition("keep", "Compiled", metav1.ConditionFalse, "KeptLastGood")
	w.event("Refused", "keep")
	if message := conditionMessage(w.matrix("keep"), "Accepted"); !strings.Contains(message, "nowhere") {
		t.Errorf("the condition does not name the zone: %s", message)
	}
	after := w.made("keep")
	for name, obj := range before {
		if after[name] == nil || after[name].GetResourceVersion() != obj.GetResourceVersion() {
			t.Errorf("%s was touched", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d objects became %d", len(before), len(after))
	}
}

// TestNoManagementNoChange: a host without a management row could confirm nothing.
func TestNoManagementNoChange(t *testing.T) {
	w := newWorld(t, controlplanetest.Shared(t))
	w.start(false)
	w.apply(strings.ReplaceAll(siteText("lockout"), "management: true, ", ""))
	w.condition("lockout", "Accepted", metav1.ConditionFalse, "Refused")
	if message := conditionMessage(w.matrix("lockout"), "Accepted"); !strings.Contains(message, "no-management-row") {
		t.Errorf("the condition does not say why: %s", message)
	}
	if made := w.made("lockout"); len(made) > 0 {
		t.Errorf("%d objects were made", len(made))
	}
	if m := w.matrix("lockout"); m.Status.Counts.Findings == 0 || len(m.Status.Findings) == 0 {
		t.Errorf("no findings in the status: %+v", m.Status)
	}
	w.apply(siteText("lockout"))
	w.condition("lockout", "Compiled", metav1.ConditionTrue, "Compiled")
}

func conditionMessage(m *ingot.CommunicationMatrix, kind string) string {
	for _, c := range m.Status.Conditions {
		if c.Type == kind {
			return c.Message
		}
	}
	return ""
}

// TestParts: a matrix may stand in several objects.
func TestParts(t *testing.T) {
	w := newWorld(t, controlplanetest.Shared(t))
	w.start(false)
	part := `
apiVersion: ingot.dev/v1alpha1
kind: CommunicationMatrix
metadata: {name: parts-more}
spec:
  extends: parts
  flows:
  - {id: "9", name: office-ping, from: "*@office", to: web@dmz, protocol: icmp}
`
	// document.Read wants the whole before its parts; the API takes them in any order.
	more := &ingot.CommunicationMatrix{ObjectMeta: metav1.ObjectMeta{Name: "parts-more"}}
	more.Spec.Extends = "parts"
	more.Spec.Flows = []ingot.MatrixFlow{{ID: "9", Name: "office-ping", From: "*@office", To: "web@dmz", Protocol: "icmp"}}
	w.put(more)
	w.condition("parts-more", "Accepted", metav1.ConditionFalse, "NoSuchMatrix")
	w.apply(siteText("parts") + "---" + part)
	w.condition("parts-more", "Accepted", metav1.ConditionTrue, "Part")
	w.eventually("the part's row", func() error {
		if got := w.matrix("parts").Status.Counts.Flows; got != 5 {
			return fmt.Errorf("%d rows", got)
		}
		return nil
	})
	if err := w.admin.Delete(t.Context(), w.matrix("parts-more")); err != nil {
		t.Fatal(err)
	}
	w.eventually("the part's row to go", func() error {
		if got := w.matrix("parts").Status.Counts.Flows; got != 4 {
			return fmt.Errorf("%d rows", got)
		}
		return nil
	})
}

// TestForeignObjectsAreLeftAlone: an object of the same name that somebody else made is a conflict, not ours.
func TestForeignObjectsAreLeftAlone(t *testing.T) {
	w := newWorld(t, controlplanetest.Shared(t))
	stop := w.start(false)
	w.apply(siteText("foreign"))
	w.condition("foreign", "Compiled", metav1.ConditionTrue, "Compiled")
	mine := one[*api.HostEndpoint](t, w.made("foreign")).DeepCopy()
	stop()
	w.remove("foreign")
	theirs := &api.HostEndpoint{ObjectMeta: metav1.ObjectMeta{Name: mine.Name}, Spec: api.HostEndpointSpec{Node: "theirs", InterfaceName: "eth9"}}
	if err := w.admin.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	w.start(false)
	w.apply(siteText("foreign"))
	w.condition("foreign", "Compiled", metav1.ConditionFalse, "Conflict")
	got := &api.HostEndpoint{}
	if err := w.admin.Get(t.Context(), client.ObjectKeyFromObject(theirs), got); err != nil || got.Spec.Node != "theirs" {
		t.Errorf("somebody else's endpoint is now %+v, %v", got.Spec, err)
	}
	if err := w.admin.Delete(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	w.condition("foreign", "Compiled", metav1.ConditionTrue, "Compiled")
}

// remove deletes a matrix and waits until nothing of it is left.
func (w *world) remove(name string) {
	w.t.Helper()
	if err := w.admin.Delete(w.t.Context(), w.matrix(name)); err != nil {
		w.t.Fatal(err)
	}
	w.eventually("matrix "+name+" to be gone", func() error {
		if left := w.made(name); len(left) > 0 {
			return fmt.Errorf("%d objects are left", len(left))
		}
		return nil
	})
}

// TestEnforcedCountsHosts: a host counts once it has confirmed the rules that follow from the matrix as it is now.
func TestEnforcedCountsHosts(t *testing.T) {
	w := newWorld(t, controlplanetest.Shared(t))
	w.start(false)
	w.apply(siteText("enforce"))
	w.condition("enforce", "Compiled", metav1.ConditionTrue, "Compiled")
	confirm := func() {
		for _, obj := range w.made("enforce") {
			if e, ok := obj.(*api.HostEndpoint); ok {
				e.Status.Phase, e.Status.Generation, e.Status.Revision = api.PhaseConfirmed, e.Status.Generation+1, e.Annotations[api.RevisionAnnotation]
				if err := w.admin.Status().Update(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	confirm()
	w.condition("enforce", "Enforced", metav1.ConditionTrue, "Enforced")
	if got := w.matrix("enforce").Status.HostsEnforced; got != 2 {
		t.Errorf("%d hosts enforce it, want 2", got)
	}
	// A row of the web server alone: the database's host has nothing to do.
	w.apply(strings.Replace(siteText("enforce"), "ports: [443]", "ports: [8443]", 1))
	w.condition("enforce", "Enforced", metav1.ConditionFalse, "Waiting")
	if got := w.matrix("enforce").Status.HostsEnforced; got != 1 {
		t.Errorf("%d hosts enforce it behind a change for one of two, want 1", got)
	}
	confirm()
	w.condition("enforce", "Enforced", metav1.ConditionTrue, "Enforced")
}
