package cli_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/events"
	"github.com/ingotmetal/ingot/internal/cli/host"
	"github.com/ingotmetal/ingot/internal/cli/partition"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/issue"
)

// operatorViews is a program with the views of the fleet.
func operatorViews(s *session.Session) *cobra.Command {
	c := &cobra.Command{Use: "ingot"}
	site := &cobra.Command{Use: "partition"}
	site.AddCommand(partition.Verbs(s)...)
	c.AddCommand(host.Command(s), site, events.Command(s))
	return c
}

// TestIssues finds through the API what hosts' objects say, each by its own field.
func TestIssues(t *testing.T) {
	k := site(t, "issues")
	old := metav1.NewTime(time.Now().Add(-time.Hour))
	boot := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ingot.BootNamespace}}
	if err := k.Create(t.Context(), boot); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	changes := map[string]func(*metal3.BareMetalHost, *ingot.HostLifecycle){
		"dead": func(_ *metal3.BareMetalHost, l *ingot.HostLifecycle) {
			l.Status.Failure = &ingot.FailureStatus{Stage: "inspecting", Kind: "Unreachable", Message: "no answer", Fix: "plug it in", Count: 4, At: old, NextAttempt: old}
		},
		"frozen": func(_ *metal3.BareMetalHost, l *ingot.HostLifecycle) {
			l.Status.Wipes = []ingot.WipeRecord{{DeviceName: "/dev/sda", SerialNumber: "S1", Method: "overwrite", Result: "failed", Message: "it is frozen", StartedAt: old, FinishedAt: old}}
		},
		"twin1": func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) {
			h.Spec.BMC.Address = "redfish-virtualmedia://10.9.9.9/redfish/v1/Systems/1"
		},
		"twin2": func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) {
			h.Spec.BMC.Address = "redfish-virtualmedia://10.9.9.9/redfish/v1/Systems/1/"
		},
		"hot": func(_ *metal3.BareMetalHost, l *ingot.HostLifecycle) {
			l.Status.Health = &ingot.HealthStatus{Level: "warning", Causes: []string{"inlet 40 Cel"}, Since: old}
		},
		"foreign": func(_ *metal3.BareMetalHost, l *ingot.HostLifecycle) {
			l.Status.Boot = &ingot.BootStatus{ID: "issues-foreign", SilentSince: &old}
		},
		"well": nil,
	}
	for name, change := range changes {
		addHost(t, k, "issues", name, metal3.StateAvailable, func(h *metal3.BareMetalHost, l *ingot.HostLifecycle) {
			h.Spec.BMC = metal3.BMCDetails{Address: "redfish-virtualmedia://10.9.0.1/" + name, CredentialsName: "bmc"}
			h.Labels = map[string]string{ingot.PartitionLabel: "views-east"}
			if change != nil {
				change(h, l)
			}
		})
	}
	run, contains := terminal(t, operatorViews)
	text, _ := run(0, "host", "issues", "-n", "issues", "-o", "json")
	var all []issue.Issue
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	got := map[string]bool{}
	for _, x := range all {
		got[fmt.Sprintf("%s %s", x.Name, x.ID)] = true
	}
	for _, want := range []string{
		"issues/dead liveliness-dead", "issues/dead crash-loop", "issues/frozen wipe-failed", "issues/twin1 bmc-shared", "issues/twin2 bmc-shared", "issues/hot health-warning", "issues/foreign agent-silent",
	} {
		if !got[want] {
			t.Errorf("%s is missing in\n%s", want, text)
		}
		delete(got, want)
	}
	for x := range got {
		// Other tests' Sizes may be there, so that a host without one is an issue.
		if !strings.HasSuffix(x, string(issue.NoSize)) {
			t.Errorf("%s is not expected", x)
		}
	}
	shown, _ := run(0, "host", "issues", "-n", "issues", "-o", "wide")
	contains(shown, "SEVERITY", "critical   liveliness-dead", "no answer", "plug it in", "HostLifecycle status.failure", "1h0m")
	shown, _ = run(0, "host", "issues", "-n", "issues", "--severity", "critical", "--omit", "bmc-shared", "--sort-by", "name")
	contains(shown, "dead", "frozen")
	if strings.Contains(shown, "twin") || strings.Contains(shown, "hot") {
		t.Errorf("not omitted:\n%s", shown)
	}
	shown, _ = run(0, "host", "issues", "-n", "issues", "--only", "health-warning", "-o", "name")
	if shown != "hot\n" {
		t.Errorf("--only: %q", shown)
	}
	_, messages := run(1, "host", "issues", "--only", "tired")
	contains(messages, `no issue "tired"`, "wipe-failed")
	_, messages = run(1, "host", "issues", "--severity", "bad")
	contains(messages, "minor, major, critical")

	p := &ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: "views-east"}}
	p.Spec.ProvisioningNetwork.DHCPMode = ingot.DHCPOff
	if err := k.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	p.Status.BMCScan = &ingot.BMCScanStatus{Problem: "the ranges overlap"}
	if err := k.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	shown, _ = run(0, "partition", "issues", "--name", "views-east")
	contains(shown, "scan-impossible", "the ranges overlap")
	shown, _ = run(0, "partition", "list")
	contains(shown, "views-east", "off")
}

func TestCapacity(t *testing.T) {
	k := site(t, "capacity")
	if err := k.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "capacity-team", Labels: map[string]string{ingot.TenantLabel: "team", ingot.ProjectLabel: "web"}}}); err != nil {
		t.Fatal(err)
	}
	now := metav1.Now()
	for name, change := range map[string]func(*metal3.BareMetalHost, *ingot.HostLifecycle){
		"free1": nil, "free2": nil, "free3": nil,
		"taken": func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) {
			h.Spec.ConsumerRef = &corev1.ObjectReference{APIVersion: "metal3.io/v1alpha1", Kind: "HostClaim", Namespace: "capacity-team", Name: "web"}
		},
		"dirty": func(_ *metal3.BareMetalHost, l *ingot.HostLifecycle) { l.Status.CleanedAt = nil },
		"cordoned": func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) {
			h.Annotations = map[string]string{ingot.CordonAnnotation: "new switch"}
		},
		"broken": func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) {
			h.Status.ErrorType, h.Status.ErrorMessage = metal3.PowerManagementError, "no power"
		},
		"sick": func(_ *metal3.BareMetalHost, l *ingot.HostLifecycle) {
			l.Status.Health = &ingot.HealthStatus{Level: "critical", Since: now}
		},
	} {
		addHost(t, k, "capacity", name, metal3.StateAvailable, func(h *metal3.BareMetalHost, l *ingot.HostLifecycle) {
			h.Labels = map[string]string{ingot.PartitionLabel: "cap-east", ingot.SizeLabel: "cap-c1"}
			l.Status.CleanedAt = &now
			if change != nil {
				change(h, l)
			}
		})
	}
	for _, r := range []*ingot.SizeReservation{
		{ObjectMeta: metav1.ObjectMeta{Name: "cap-one"}, Spec: ingot.SizeReservationSpec{Size: "cap-c1", Partitions: []string{"cap-east"}, Amount: 3, Tenant: "team", Project: "web"}},
	} {
		if err := k.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	run, contains := terminal(t, operatorViews)
	shown, _ := run(0, "partition", "capacity", "--partition", "cap-*")
	fields := strings.Fields(strings.Split(shown, "\n")[1])
	if got, want := strings.Join(fields, " "), "cap-east cap-c1 8 1 3 1 3 1 2 2"; got != want {
		t.Errorf("%q, want %q:\n%s", got, want, shown)
	}
	shown, _ = run(0, "partition", "capacity", "--size", "cap-c1", "-o", "wide")
	contains(shown, "capacity/broken (no power)", "capacity/sick (its BMC says that it is broken)", "capacity/cordoned (it is cordoned: new switch)", "capacity/dirty (the wipe of its disks is not proved)")
	shown, _ = run(0, "partition", "capacity", "-o", "template={{.partition}} {{.free}}", "--partition", "cap-east")
	if shown != "cap-east 1\n" {
		t.Errorf("%q", shown)
	}
}

func TestEvents(t *testing.T) {
	k := site(t, "events")
	for i, reason := range []string{"PowerOff", "PowerOn", "WipeFailed"} {
		e := &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: "events", Name: fmt.Sprintf("e%d", i)}, Type: []string{"Normal", "Normal", "Warning"}[i], Reason: reason, Message: "about " + reason,
			InvolvedObject: corev1.ObjectReference{Kind: []string{"BareMetalHost", "Machine", "BareMetalHost"}[i], Namespace: "events", Name: "a"},
			LastTimestamp:  metav1.NewTime(time.Now().Add(-time.Duration(30-10*i) * time.Hour)),
		}
		if err := k.Create(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	run, _ := terminal(t, operatorViews)
	for want, args := range map[string][]string{
		"PowerOff PowerOn WipeFailed": nil,
		"WipeFailed PowerOn PowerOff": {"--sort-by", "seen"},
		"PowerOff WipeFailed":         {"--kind", "baremetal*"},
		"WipeFailed":                  {"--type", "Warning"},
		"PowerOn WipeFailed":          {"--since", "25h"},
		"PowerOn":                     {"--filter", "message=*poweron*"},
	} {
		out, _ := run(0, append([]string{"events", "-n", "events", "-o", "template={{.reason}}"}, args...)...)
		if got := strings.Join(strings.Fields(out), " "); got != want {
			t.Errorf("%v: %q, want %q", args, got, want)
		}
	}
}
