package subscription

import (
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/step"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// good is a subscription that is in force.
func good() Facts {
	o := &metal3.BMCEventSubscription{ObjectMeta: metav1.ObjectMeta{Name: "s", Namespace: "n", Finalizers: []string{metal3.BMCEventSubscriptionFinalizer}}}
	o.Spec = metal3.BMCEventSubscriptionSpec{HostName: "h", Destination: "https://receiver/events"}
	o.Status.SubscriptionID = "7"
	h := &metal3.BareMetalHost{}
	h.Spec.BMC.Address = "redfish://10.0.0.5"
	return Facts{Object: o, Host: Host{Object: h, Ours: true, Registered: true}, Seen: Seen{At: noon.Add(-time.Minute), Right: true}}
}

func deleting(f *Facts) { t := metav1.NewTime(noon); f.Object.DeletionTimestamp = &t }

func failed(kind step.FailureKind, ago time.Duration) Failed {
	return Failed{Failure: &step.Failure{Kind: kind, Message: "no"}, At: noon.Add(-ago), Count: 1}
}

func TestDecide(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Facts)
		do     Action
		error  string
		after  time.Duration
		ignore bool
	}{
		"in force":             {func(*Facts) {}, Nothing, "", 9 * time.Minute, false},
		"new":                  {func(f *Facts) { f.Object.Finalizers, f.Object.Status.SubscriptionID = nil, "" }, Hold, "", 0, false},
		"held":                 {func(f *Facts) { f.Object.Status.SubscriptionID = "" }, Subscribe, "", 0, false},
		"not looked at lately": {func(f *Facts) { f.Seen.At = noon.Add(-lookEvery) }, Look, "", 0, false},
		"never looked at":      {func(f *Facts) { f.Seen = Seen{} }, Look, "", 0, false},
		"looked at in the future, after the clock was set": {func(f *Facts) { f.Seen.At = noon.Add(time.Hour) }, Look, "", 0, false},
		"the BMC forgot it":        {func(f *Facts) { f.Seen.Right = false }, Subscribe, "", 0, false},
		"no host":                  {func(f *Facts) { f.Host = Host{} }, Nothing, "no BareMetalHost", lookEvery, false},
		"another partition's host": {func(f *Facts) { f.Host.Ours = false }, Nothing, "", 0, true},
		"paused":                   {func(f *Facts) { f.Host.Object.Annotations = map[string]string{metal3.PausedAnnotation: ""} }, Nothing, "", 0, true},
		"detached":                 {func(f *Facts) { f.Host.Detached = true }, Nothing, "detached", waitEvery, false},
		"not registered":           {func(f *Facts) { f.Host.Registered = false }, Nothing, "not reached yet", waitEvery, false},
		"no BMC":                   {func(f *Facts) { f.Host.Object.Spec.BMC.Address = "" }, Nothing, "no BMC", 0, false},
		"no headers":               {func(f *Facts) { f.HeadersProblem, f.Object.Status.SubscriptionID = "no Secret", "" }, Nothing, "no Secret", waitEvery, false},
		"headers gone later":       {func(f *Facts) { f.HeadersProblem = "no Secret" }, Nothing, "", 9 * time.Minute, false},
		"forgotten, headers gone":  {func(f *Facts) { f.HeadersProblem, f.Seen.Right = "no Secret", false }, Nothing, "no Secret", waitEvery, false},
		"bad destination":          {func(f *Facts) { f.Object.Spec.Destination = "ftp://x/" }, Nothing, "spec.destination", 0, false},
		"just failed":              {func(f *Facts) { f.Failed = failed(step.Unreachable, time.Second) }, Nothing, "no", 9 * time.Second, false},
		"failed a while ago": {func(f *Facts) {
			f.Failed, f.Object.Status.SubscriptionID = failed(step.Unreachable, time.Minute), ""
		}, Subscribe, "", 0, false},
		"cannot":               {func(f *Facts) { f.Failed = failed(step.Unsupported, time.Minute) }, Nothing, "no", 59 * time.Minute, false},
		"host is deleted":      {func(f *Facts) { t := metav1.NewTime(noon); f.Host.Object.DeletionTimestamp = &t }, Remove, "", 0, false},
		"deleted":              {deleting, Remove, "", 0, false},
		"deleted, not ours":    {func(f *Facts) { deleting(f); f.Object.Finalizers = nil }, Nothing, "", 0, true},
		"deleted without host": {func(f *Facts) { deleting(f); f.Host = Host{} }, Release, "", 0, false},
		"deleted, never made":  {func(f *Facts) { deleting(f); f.Object.Status.SubscriptionID, f.Host.Registered = "", false }, Release, "", 0, false},
		"deleted, maybe made":  {func(f *Facts) { deleting(f); f.Object.Status.SubscriptionID = "" }, Remove, "", 0, false},
		"deleted, maybe made, BMC gone": {func(f *Facts) {
			deleting(f)
			f.Object.Status.SubscriptionID, f.Failed = "", failed(step.Unreachable, 0)
		}, Release, "", 0, false},
		"deleted, BMC gone":  {func(f *Facts) { deleting(f); f.Failed = failed(step.Unreachable, 0) }, Nothing, "deletion of the host", firstRetry, false},
		"deleted, detached":  {func(f *Facts) { deleting(f); f.Host.Detached = true }, Nothing, "detached", waitEvery, false},
		"deleted, BMC taken": {func(f *Facts) { deleting(f); f.Host.Object.Spec.BMC.Address = "" }, Release, "", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := good()
			c.change(&f)
			d := Decide(f, noon)
			if d.Do != c.do || d.After != c.after || d.Ignore != c.ignore || !strings.Contains(d.Error, c.error) || c.error == "" && d.Error != "" {
				t.Errorf("%+v, want %q, error %q, after %s, ignored %v", d, c.do, c.error, c.after, c.ignore)
			}
		})
	}
}

// An object is let go only when nothing of it can be at a BMC that is ours, and never without a finalizer or a deletion.
func TestNothingIsLeftBehind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := good()
		flip := func(name string, change func()) {
			if rapid.Bool().Draw(t, name) {
				change()
			}
		}
		flip("deleting", func() { deleting(&f) })
		flip("unheld", func() { f.Object.Finalizers = nil })
		flip("no id", func() { f.Object.Status.SubscriptionID = "" })
		flip("no host", func() { f.Host = Host{} })
		flip("foreign", func() { f.Host.Ours = false })
		flip("detached", func() { f.Host.Detached = true })
		flip("unregistered", func() { f.Host.Registered = false })
		flip("failed", func() {
			f.Failed = failed(step.Unreachable, time.Duration(rapid.IntRange(0, 3600).Draw(t, "ago"))*time.Second)
		})
		flip("unseen", func() { f.Seen = Seen{} })
		flip("wrong", func() { f.Seen.Right = false })
		d := Decide(f, noon)
		isDeleted, id := !f.Object.DeletionTimestamp.IsZero(), f.Object.Status.SubscriptionID
		switch {
		case d.Do == Release && (!isDeleted || len(f.Object.Finalizers) == 0):
			t.Fatalf("released without need: %+v", d)
		case d.Do == Release && f.Host.Object != nil && id != "":
			t.Fatalf("released while the BMC has subscription %s: %+v", id, d)
		case isDeleted && (d.Do == Subscribe || d.Do == Hold || d.Do == Look):
			t.Fatalf("%s for an object that goes", d.Do)
		case d.Do == Subscribe && len(f.Object.Finalizers) == 0:
			t.Fatal("subscribed before it was held")
		case f.Host.Object != nil && (!f.Host.Ours || f.Host.Detached) && d.Do != Nothing:
			t.Fatalf("%s at a BMC that is not ours", d.Do)
		case d.After < 0:
			t.Fatalf("after %s", d.After)
		}
	})
}

func TestCheck(t *testing.T) {
	for destination, ok := range map[string]bool{
		"https://receiver/": true, "http://10.0.0.9:8080/events?rack=7": true, "https://[2001:db8::1]/": true, "https://receiver": false, "receiver": false, "": false, "/path": false,
		"ftp://receiver/": false, "https:///path": false, "https://user:secret@receiver/": false, "https://rec eiver/": false, "file:///etc/passwd": false,
	} {
		got := Check(metal3.BMCEventSubscriptionSpec{HostName: "h", Destination: destination})
		if (got == "") != ok || strings.Contains(got, "secret@") {
			t.Errorf("%q: %q", destination, got)
		}
	}
	if Check(metal3.BMCEventSubscriptionSpec{Destination: "https://receiver/"}) == "" {
		t.Error("no host is named")
	}
	o := good().Object
	for namespace, ok := range map[string]bool{"": true, "n": true, "kube-system": false} {
		o.Spec.HTTPHeadersRef = &corev1.SecretReference{Name: "x", Namespace: namespace}
		if (Foreign(o) == "") != ok {
			t.Errorf("namespace %q: %q", namespace, Foreign(o))
		}
	}
}
