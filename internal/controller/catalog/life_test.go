package catalog_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	names "k8s.io/apimachinery/pkg/util/rand"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/catalog"
	"github.com/ingotmetal/ingot/internal/controller/controllertest"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/test/await"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// patience is how long a condition may take to come true on a machine whose two cores are shared.
const patience = 3 * time.Minute

type world struct {
	t     *testing.T
	admin client.Client
	// ahead is how far the controller's clock is before the real one, in nanoseconds.
	ahead atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, ingot.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	cp := controlplanetest.Shared(t)
	admin, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	role := cp.As(t, "controller", "")
	role.QPS = -1
	w := &world{t: t, admin: admin}
	now := func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }
	controllertest.Run(t, role, scheme, nil, func(_ context.Context, mgr manager.Manager, live client.Client, log *slog.Logger) error {
		return catalog.Add(mgr, catalog.Options{Live: live, Log: log, Now: now, Settle: 50 * time.Millisecond})
	})
	return w
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.admin.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func (w *world) image(os, version string, change func(*ingot.ImageSpec)) {
	w.t.Helper()
	o := &ingot.Image{ObjectMeta: metav1.ObjectMeta{Name: os + "-" + version}, Spec: ingot.ImageSpec{OS: os, Version: version, URL: "https://images.example.net/x", Digest: digest, Format: ingot.ImageRaw}}
	if change != nil {
		change(&o.Spec)
	}
	w.create(o)
}

// says waits until a condition of an object has a reason and words.
func (w *world) says(o client.Object, name, condition, reason, words string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for have := ""; ; {
		if err := w.admin.Get(ctx, client.ObjectKey{Name: name}, o); err != nil {
			have = err.Error()
		} else {
			all := conditions(o)
			c := meta.FindStatusCondition(all, condition)
			if c != nil && c.Reason == reason && c.ObservedGeneration == o.GetGeneration() && strings.Contains(c.Message, words) {
				return
			}
			have = fmt.Sprintf("%+v", all)
		}
		select {
		case <-ctx.Done():
			w.t.Fatalf("%T %s does not say %s: %s %q, but %s", o, name, condition, reason, words, have)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func conditions(o client.Object) []metav1.Condition {
	switch o := o.(type) {
	case *ingot.Image:
		return o.Status.Conditions
	case *ingot.ImageTrust:
		return o.Status.Conditions
	case *ingot.FilesystemLayout:
		return o.Status.Conditions
	}
	return nil
}

func TestImages(t *testing.T) {
	w := newWorld(t)
	os := "os" + names.String(6)
	w.image(os, "1.1", nil)
	w.image(os, "1.2", nil)
	w.image(os, "1.3", func(s *ingot.ImageSpec) { s.Classification = ingot.ImagePreview })
	w.image(os, "0.9", func(s *ingot.ImageSpec) { s.Classification = ingot.ImageDeprecated })
	w.image(os, "2.0", func(s *ingot.ImageSpec) {
		s.ExpiresAt, s.GraceDays = ptr.To(metav1.NewTime(time.Now().Add(48*time.Hour))), ptr.To(int32(2))
	})
	i := &ingot.Image{}
	w.says(i, os+"-1.1", ingot.ImageReady, "Usable", "shorthands mean newer ones")
	w.says(i, os+"-1.2", ingot.ImageReady, "Usable", "it is meant by "+os+"-1")
	w.says(i, os+"-1.3", ingot.ImageReady, "Preview", "")
	w.says(i, os+"-0.9", ingot.ImageReady, "Deprecated", "use a newer one")
	w.says(i, os+"-2.0", ingot.ImageReady, "Usable", os+", "+os+"-2")
	w.says(i, os+"-2.0", ingot.ImageExpired, "Current", "it expires at")
	w.says(i, os+"-2.0", ingot.ImageSigned, "NotAsked", "")

	// A machine has it.
	ns := "project-" + names.String(6)
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	m := &ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "m"}, Spec: ingot.MachineSpec{Size: "m1", Partition: "fra1", Image: os + "-2"}}
	w.create(m)
	m.Status.Image = &ingot.MachineImage{Name: os + "-2.0", URL: "https://images.example.net/x", Digest: digest}
	if err := w.admin.Status().Update(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	w.says(i, os+"-2.0", ingot.ImageInUse, "InUse", "1 machines have it")

	// Its time passes: first no shorthand means it, then nobody gets it; it stays, for the machine has it.
	w.ahead.Store(int64(49 * time.Hour))
	w.touch(os + "-1.1")
	w.says(i, os+"-2.0", ingot.ImageExpired, "Grace", "by its full name until")
	w.says(i, os+"-2.0", ingot.ImageReady, "Expired", "can be used until")
	w.says(i, os+"-1.2", ingot.ImageReady, "Usable", os+", "+os+"-1")
	w.ahead.Store(int64(97 * time.Hour))
	w.touch(os + "-1.2")
	w.says(i, os+"-2.0", ingot.ImageExpired, "Over", "it stays")
	w.says(i, os+"-2.0", ingot.ImageReady, "Expired", "cannot be used")
	if i.Status.Machines != 1 || len(i.Status.Shorthands) != 0 {
		t.Errorf("%+v", i.Status)
	}
	if err := w.admin.Delete(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	w.says(i, os+"-2.0", ingot.ImageInUse, "Unused", "")
}

// touch has the controller look again: a test cannot wait for its timer.
func (w *world) touch(name string) {
	w.t.Helper()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"description":"looked at again"}}`))
	if err := w.admin.Patch(w.t.Context(), &ingot.Image{ObjectMeta: metav1.ObjectMeta{Name: name}}, patch); err != nil {
		w.t.Fatal(err)
	}
}

func TestSignatures(t *testing.T) {
	w := newWorld(t)
	key, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	os := "os" + names.String(6)
	w.image(os, "1", nil)
	w.image(os, "2", func(s *ingot.ImageSpec) {
		s.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(secret, []byte(digest)))
	})
	w.image(os, "3", func(s *ingot.ImageSpec) {
		s.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(secret, []byte("something else")))
	})
	trust := &ingot.ImageTrust{ObjectMeta: metav1.ObjectMeta{Name: "trust-" + os}, Spec: ingot.ImageTrustSpec{Images: []string{os + "-*"}, Keys: []ingot.TrustedKey{
		{Name: "release", PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))},
	}}}
	w.create(trust)
	i := &ingot.Image{}
	w.says(i, os+"-1", ingot.ImageSigned, "NotSigned", "it has none")
	w.says(i, os+"-1", ingot.ImageReady, "NotSigned", "cannot be used")
	w.says(i, os+"-2", ingot.ImageSigned, "Verified", "trust-"+os+"/release")
	w.says(i, os+"-2", ingot.ImageReady, "Usable", os)
	w.says(i, os+"-3", ingot.ImageReady, "NotSigned", "by none of the keys that are trusted")
	// The counts follow the images: the first reading of the trust may have been before the last of them was known.
	await.Nil(t, "counts of the trust", func() error {
		w.says(trust, trust.Name, "Ready", "Ready", "1 keys are trusted")
		if trust.Status.Images != 3 || trust.Status.Unsigned != 2 {
			return fmt.Errorf("%+v", trust.Status)
		}
		return nil
	})

	// A key that cannot be used is told, and does not count.
	was := trust.DeepCopy()
	trust.Spec.Keys[0].PublicKey = "-----BEGIN PUBLIC KEY-----\nbm90aGluZw==\n-----END PUBLIC KEY-----\n"
	if err := w.admin.Patch(t.Context(), trust, client.MergeFrom(was)); err != nil {
		t.Fatal(err)
	}
	w.says(trust, trust.Name, "Ready", "BadKey", "spec.keys[0]: key release")
	w.says(i, os+"-2", ingot.ImageReady, "NotSigned", "")
	if err := w.admin.Delete(t.Context(), trust); err != nil {
		t.Fatal(err)
	}
	w.says(i, os+"-1", ingot.ImageSigned, "NotAsked", "")
}

func TestLayouts(t *testing.T) {
	w := newWorld(t)
	good := ingot.FilesystemLayoutSpec{
		Partitions:  []ingot.LayoutPartition{{Name: "esp", Type: "efi-system", SizeMiB: 100}, {Name: "root", Type: "linux"}},
		Filesystems: []ingot.LayoutFilesystem{{Partition: "esp", Format: "vfat", Path: "/boot/efi"}, {Partition: "root", Format: "ext4", Path: "/"}},
	}
	bad := *good.DeepCopy()
	bad.Filesystems[1].Partition = "none"
	suffix := names.String(6)
	for name, spec := range map[string]ingot.FilesystemLayoutSpec{"good-" + suffix: good, "bad-" + suffix: bad} {
		w.create(&ingot.FilesystemLayout{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec})
	}
	o := &ingot.FilesystemLayout{}
	w.says(o, "good-"+suffix, "Ready", "Ready", "by its name only")
	w.says(o, "bad-"+suffix, "Ready", "Invalid", "none")
}
