package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/test/sim/seeded/store"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// story is one client's doings and what came of them, in words that hold for any server.
type story struct {
	t     *testing.T
	c     client.Client
	lines []string
}

// TestContract has the real API server and the store do the same, and compares what they say and hold.
func TestContract(t *testing.T) {
	cp := controlplanetest.Shared(t)
	live, err := client.New(cp.Admin, client.Options{Scheme: host.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	want, have := &story{t: t, c: live}, &story{t: t, c: store.New(host.Scheme(), time.Now)}
	for _, s := range []*story{want, have} {
		s.do("create the namespace", func(ctx context.Context) (client.Object, error) {
			n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "contract"}}
			return nil, s.c.Create(ctx, n)
		})
		s.hosts()
		s.records()
		s.secrets()
	}
	for i := range max(len(want.lines), len(have.lines)) {
		a, b := "nothing", "nothing"
		if i < len(want.lines) {
			a = want.lines[i]
		}
		if i < len(have.lines) {
			b = have.lines[i]
		}
		if a != b {
			t.Errorf("the API server: %s\nthe store:      %s", a, b)
		}
	}
	if len(want.lines) < 30 {
		t.Errorf("only %d doings were compared", len(want.lines))
	}
}

// do notes what came of one doing: the error's reason, and the object without what differs by nature.
func (s *story) do(what string, f func(context.Context) (client.Object, error)) client.Object {
	s.t.Helper()
	o, err := f(s.t.Context())
	line := what + ": " + string(apierrors.ReasonForError(err))
	if err != nil && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown {
		line += err.Error()
	}
	if err == nil && o != nil {
		line += " " + plain(s.t, o)
	}
	s.lines = append(s.lines, line)
	return o
}

var uids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func plain(t *testing.T, o client.Object) string {
	t.Helper()
	copied, _ := o.DeepCopyObject().(client.Object)
	copied.SetResourceVersion("")
	copied.SetManagedFields(nil)
	copied.SetCreationTimestamp(metav1.Time{})
	copied.GetObjectKind().SetGroupVersionKind(metal3.GroupVersion.WithKind(""))
	if at := copied.GetDeletionTimestamp(); at != nil {
		copied.SetDeletionTimestamp(&metav1.Time{})
	}
	text, err := json.Marshal(copied)
	if err != nil {
		t.Fatal(err)
	}
	return uids.ReplaceAllString(string(text), "UID")
}

func contractHost() *metal3.BareMetalHost {
	return &metal3.BareMetalHost{
		ObjectMeta: metav1.ObjectMeta{Namespace: "contract", Name: "h", Labels: map[string]string{"a": "b"}},
		Spec:       metal3.BareMetalHostSpec{Online: true, AutomatedCleaningMode: metal3.CleaningModeMetadata},
		Status:     metal3.BareMetalHostStatus{ErrorMessage: "is dropped on creation"},
	}
}

func (s *story) read() *metal3.BareMetalHost {
	s.t.Helper()
	h := &metal3.BareMetalHost{}
	if err := s.c.Get(s.t.Context(), types.NamespacedName{Namespace: "contract", Name: "h"}, h); err != nil {
		s.t.Fatal(err)
	}
	return h
}

func (s *story) patch(what, body string, kind types.PatchType) {
	s.t.Helper()
	s.do(what, func(ctx context.Context) (client.Object, error) {
		h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "contract", Name: "h"}}
		return h, s.c.Patch(ctx, h, client.RawPatch(kind, []byte(body)))
	})
}

func (s *story) hosts() {
	s.do("read what is not there", func(ctx context.Context) (client.Object, error) {
		h := &metal3.BareMetalHost{}
		return h, s.c.Get(ctx, types.NamespacedName{Namespace: "contract", Name: "h"}, h)
	})
	s.do("create", func(ctx context.Context) (client.Object, error) { h := contractHost(); return h, s.c.Create(ctx, h) })
	s.do("create again", func(ctx context.Context) (client.Object, error) { h := contractHost(); return h, s.c.Create(ctx, h) })
	old := s.read()
	s.do("update", func(ctx context.Context) (client.Object, error) {
		h := s.read()
		h.Spec.Online, h.Status.ErrorMessage, h.Finalizers = false, "is not taken here", []string{metal3.BareMetalHostFinalizer}
		return h, s.c.Update(ctx, h)
	})
	s.do("update what is old", func(ctx context.Context) (client.Object, error) { return old, s.c.Update(ctx, old) })
	s.do("update without a version", func(ctx context.Context) (client.Object, error) {
		h := s.read()
		h.ResourceVersion, h.Labels = "", nil
		return h, s.c.Update(ctx, h)
	})
	s.do("status", func(ctx context.Context) (client.Object, error) {
		h := s.read()
		h.Spec.Online, h.Status.ErrorMessage, h.Status.PoweredOn, h.Labels = true, "said", true, map[string]string{"x": "y"}
		return h, s.c.Status().Update(ctx, h)
	})
	s.do("status of what is old", func(ctx context.Context) (client.Object, error) { return old, s.c.Status().Update(ctx, old) })
	before := s.read().ResourceVersion
	s.do("status as it is", func(ctx context.Context) (client.Object, error) {
		h := s.read()
		err := s.c.Status().Update(ctx, h)
		if h.ResourceVersion != before {
			err = fmt.Errorf("a write of nothing has version %s after %s", h.ResourceVersion, before)
		}
		return h, err
	})
	s.patches()
	s.deletion()
}

func (s *story) patches() {
	s.patch("add by JSON patch", `[{"op":"add","path":"/metadata/annotations","value":{"k":"v"}}]`, types.JSONPatchType)
	s.patch("test that holds", `[{"op":"test","path":"/metadata/annotations/k","value":"v"},{"op":"replace","path":"/metadata/annotations/k","value":"w"}]`, types.JSONPatchType)
	s.patch("test that fails", `[{"op":"test","path":"/metadata/annotations/k","value":"v"},{"op":"remove","path":"/metadata/annotations/k"}]`, types.JSONPatchType)
	s.patch("test of what is absent", `[{"op":"test","path":"/metadata/labels","value":null},{"op":"add","path":"/metadata/labels","value":{"l":"1"}}]`, types.JSONPatchType)
	s.patch("status by the wrong way", `{"status":{"errorMessage":"no"}}`, types.MergePatchType)
	s.patch("merge", `{"spec":{"online":true,"image":{"url":"https://images.test/x","checksum":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","checksumType":"sha256"}}}`, types.MergePatchType)
	s.patch("merge away", `{"spec":{"image":null}}`, types.MergePatchType)
	s.patch("merge under an old version", `{"metadata":{"resourceVersion":"1"},"spec":{"online":false}}`, types.MergePatchType)
	s.do("status by merge patch", func(ctx context.Context) (client.Object, error) {
		h := s.read()
		return h, s.c.Status().Patch(ctx, h, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"online":false},"status":{"errorMessage":"again","poweredOn":false}}`)))
	})
	s.do("status by an old version", func(ctx context.Context) (client.Object, error) {
		h := s.read()
		return h, s.c.Status().Patch(ctx, h, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"resourceVersion":"1"},"status":{"errorMessage":"never"}}`)))
	})
	// The controller reads a failed test in the error's words.
	for _, path := range []string{"/metadata/uid", "/metadata/annotations/k", "/metadata/finalizers", "/metadata/resourceVersion", "/metadata/labels/none"} {
		h := s.read()
		err := s.c.Patch(s.t.Context(), h, client.RawPatch(types.JSONPatchType, fmt.Appendf(nil, `[{"op":"test","path":%q,"value":"x"}]`, path)))
		var status apierrors.APIStatus
		if !errors.As(err, &status) || status.Status().Details == nil {
			s.t.Fatalf("a failed test of %s: %v", path, err)
		}
		for _, cause := range status.Status().Details.Causes {
			s.lines = append(s.lines, fmt.Sprintf("a failed test of %s: %s %s, testing: %v", path, status.Status().Reason, cause.Type, strings.Contains(cause.Message, "testing")))
		}
	}
}

func (s *story) deletion() {
	uid := types.UID("00000000-0000-0000-0000-000000000000")
	s.do("delete another's", func(ctx context.Context) (client.Object, error) {
		return nil, s.c.Delete(ctx, s.read(), client.Preconditions{UID: &uid})
	})
	s.do("delete", func(ctx context.Context) (client.Object, error) { return nil, s.c.Delete(ctx, s.read()) })
	s.do("what is deleted stays for its finalizer", func(context.Context) (client.Object, error) { return s.read(), nil })
	s.do("delete again", func(ctx context.Context) (client.Object, error) { return nil, s.c.Delete(ctx, s.read()) })
	s.do("take the finalizer", func(ctx context.Context) (client.Object, error) {
		h := s.read()
		h.Finalizers = nil
		return nil, s.c.Update(ctx, h)
	})
	s.do("read what is gone", func(ctx context.Context) (client.Object, error) {
		h := &metal3.BareMetalHost{}
		return h, s.c.Get(ctx, types.NamespacedName{Namespace: "contract", Name: "h"}, h)
	})
	s.do("delete what is gone", func(ctx context.Context) (client.Object, error) { return nil, s.c.Delete(ctx, contractHost()) })
	s.do("write to what is gone", func(ctx context.Context) (client.Object, error) {
		h := contractHost()
		h.ResourceVersion = "1"
		return nil, s.c.Status().Update(ctx, h)
	})
}

// records are our own kind, whose times and empty parts go through JSON.
func (s *story) records() {
	l := &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{Namespace: "contract", Name: "r", Labels: map[string]string{"app": "x"}}}
	s.do("create a record", func(ctx context.Context) (client.Object, error) { return l, s.c.Create(ctx, l) })
	s.do("its status", func(ctx context.Context) (client.Object, error) {
		at := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC))
		l.Status.Stage, l.Status.CleanedAt, l.Status.Timeline = "available", &at, []ingot.TimelineEntry{}
		return l, s.c.Status().Update(ctx, l)
	})
	for _, value := range []string{"x", "y"} {
		s.do("list those of app "+value, func(ctx context.Context) (client.Object, error) {
			var all ingot.HostLifecycleList
			err := s.c.List(ctx, &all, client.InNamespace("contract"), client.MatchingLabels{"app": value})
			return &ingot.HostLifecycle{Status: ingot.HostLifecycleStatus{Stage: fmt.Sprint(len(all.Items))}}, err
		})
	}
}

func (s *story) secrets() {
	secret := func() *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "contract", Name: "s"}, Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"k": []byte("v")}}
	}
	s.do("create a Secret", func(ctx context.Context) (client.Object, error) { o := secret(); return o, s.c.Create(ctx, o) })
	s.do("change it", func(ctx context.Context) (client.Object, error) {
		o := secret()
		o.Data["k"] = []byte("w")
		return o, s.c.Update(ctx, o)
	})
	s.do("delete it", func(ctx context.Context) (client.Object, error) { return nil, s.c.Delete(ctx, secret()) })
}
