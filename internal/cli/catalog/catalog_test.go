package catalog_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/catalog"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/imagebuild"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

func TestImagesFromTheCommandLine(t *testing.T) {
	cp := controlplanetest.Shared(t)
	scheme := runtime.NewScheme()
	if err := ingot.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	image := func(version string, change func(*ingot.ImageSpec)) *ingot.Image {
		o := &ingot.Image{ObjectMeta: metav1.ObjectMeta{Name: "debian-" + version}, Spec: ingot.ImageSpec{OS: "debian", Version: version, URL: "https://images.example.net/" + version, Format: ingot.ImageQCOW2,
			Digest: "sha256:" + strings.Repeat("ab", 32)}}
		if change != nil {
			change(&o.Spec)
		}
		return o
	}
	past := metav1.NewTime(time.Now().Add(-time.Hour))
	for _, o := range []client.Object{
		image("12.1", nil), image("12.2", nil), image("12.3", func(s *ingot.ImageSpec) { s.ExpiresAt = &past }), image("13.0", func(s *ingot.ImageSpec) { s.Classification = ingot.ImagePreview }),
	} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(wrong string, words []string, args ...string) {
		t.Helper()
		var out, errOut bytes.Buffer
		cmd := imagebuild.Command(&out, &errOut)
		catalog.Add(cmd, session.New(&out, &errOut))
		cmd.SetArgs(append(args, "--kubeconfig", filepath.Join(cp.DataDir, "admin.kubeconfig")))
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetOut(&out)
		cmd.SetErr(&errOut)
		err := cmd.ExecuteContext(t.Context())
		if (err != nil) != (wrong != "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%v: %v, want %q", args, err, wrong)
		}
		for _, word := range words {
			if text := out.String() + errOut.String(); !strings.Contains(text, word) {
				t.Errorf("%v: %q is not in\n%s", args, word, text)
			}
		}
	}
	holds("", []string{"debian-12.1", "debian-13.0", "preview", "never", "ago"}, "list")
	holds("", []string{"debian-12.2", "qcow2", "https://images.example.net/12.2"}, "get", "debian-12.2")
	holds("takes shorthands", nil, "get", "debian-12")
	holds("", []string{"debian-12.2", "sha256:abab"}, "resolve", "debian-12")
	holds("", []string{"name: debian-12.2"}, "resolve", "debian", "-o", "yaml")
	holds("", []string{"debian-12.3", "warning: the image debian-12.3 expired"}, "resolve", "debian-12.3")
	holds("it is preview, and had by its full name only", nil, "resolve", "debian-13")
	holds("it makes no firewall", nil, "resolve", "debian-12.2", "--role", "firewall")
	holds("--role", nil, "resolve", "debian", "--role", "switch")
	holds("not found", nil, "resolve", "debian", "--size", "none")
}
