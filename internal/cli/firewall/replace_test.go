package firewall

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func TestAReplacementIsAskedFor(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	sized := func() *ingot.Firewall {
		return &ingot.Firewall{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "edge"}, Spec: ingot.FirewallSpec{Machine: ingot.FirewallMachine{Size: "c1", Image: "debian-12"}}}
	}
	hosted := sized()
	hosted.Spec.Machine.Size, hosted.Spec.Machine.Host = "", &ingot.MachineHost{Namespace: "racks", Name: "a"}
	hosted.Status.Host = hosted.Spec.Machine.Host
	under := func(phase string) *ingot.Firewall {
		f := sized()
		f.Status.Replacement = &ingot.FirewallReplacement{Machine: "edge-x7k2p", Phase: phase, Began: metav1.NewTime(now.Add(-time.Minute))}
		return f
	}
	for name, c := range map[string]struct {
		o    Replacing
		f    *ingot.Firewall
		want func(f *ingot.Firewall) bool
		says string
	}{
		"as it is": {Replacing{}, sized(), func(f *ingot.Firewall) bool {
			return f.Spec.ReplaceRequest == "2026-01-01T12:00:00Z" && f.Spec.Machine.Image == "debian-12"
		}, ""},
		"another image": {Replacing{Image: "debian-13", Reason: "new kernel"}, sized(), func(f *ingot.Firewall) bool {
			return f.Spec.ReplaceRequest == "2026-01-01T12:00:00Z new kernel" && f.Spec.Machine.Image == "debian-13"
		}, ""},
		"another size": {Replacing{Size: "c2"}, hosted.DeepCopy(), func(f *ingot.Firewall) bool { return f.Spec.Machine.Size == "c2" && f.Spec.Machine.Host == nil }, ""},
		"another host": {Replacing{Host: "racks/b"}, hosted.DeepCopy(), func(f *ingot.Firewall) bool { return f.Spec.Machine.Host.Name == "b" }, ""},
		"its own host": {Replacing{}, hosted.DeepCopy(), nil, "--host"},
		"no such host": {Replacing{Host: "b"}, hosted.DeepCopy(), nil, "NAMESPACE/NAME"},
		"both":         {Replacing{Host: "racks/b", Size: "c2"}, sized(), nil, "not both"},
		"twice":        {Replacing{}, under("Preparing"), nil, "since 2026-01-01T11:59:00Z"},
		"cancelled": {Replacing{Cancel: true}, under("Fencing"), func(f *ingot.Firewall) bool {
			return f.Spec.CancelReplacement == "edge-x7k2p" && f.Spec.ReplaceRequest == ""
		}, ""},
		"too late":        {Replacing{Cancel: true}, under("Releasing"), nil, "too late"},
		"nothing to stop": {Replacing{Cancel: true}, sized(), nil, "no replacement"},
		"cancelled for":   {Replacing{Cancel: true, Image: "x"}, under("Fencing"), nil, "no other flag"},
	} {
		err := c.o.Change(c.f, now)
		if (err == nil) != (c.want != nil) || err != nil && !strings.Contains(err.Error(), c.says) || c.want != nil && !c.want(c.f) {
			t.Errorf("%s: %v, %+v", name, err, c.f.Spec)
		}
	}
	if got := replacement(*under("Preparing"), now); got != "Preparing by edge-x7k2p since 1m0s" {
		t.Errorf("in the list stands %q", got)
	}
	f := under("Releasing")
	f.Spec.ReplaceRequest = "r"
	goal := replacing{}.goal("r")
	if done, _ := goal(f); done {
		t.Error("it is done while the earlier machine is wiped")
	}
	f.Status.Replacement, f.Status.ReplaceRequest = nil, "r"
	if done, _ := goal(f); !done {
		t.Error("it is not done")
	}
	f.Status.ReplaceRequest = ""
	f.Status.Conditions = []metav1.Condition{{Type: ingot.FirewallReplacedCondition, Status: metav1.ConditionFalse, Reason: "GivenUp", Message: "edge-x7k2p: was given up"}}
	if done, why := goal(f); done || !strings.Contains(why, "given up") {
		t.Errorf("it was given up: %v, %q", done, why)
	}
}
