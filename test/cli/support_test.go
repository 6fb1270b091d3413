package cli_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/support"
)

// TestSupportBundle plants secrets in every place that the bundle reads from, and looks for them in it.
func TestSupportBundle(t *testing.T) {
	const canary = "pl4nted-S3cret"
	k := site(t, "support")
	plantObjects(t, k, canary)
	dataDir := plantLogs(t, canary)
	output := filepath.Join(t.TempDir(), "bundle.tar.gz")
	run, contains := terminal(t, support.Command)
	out, messages := run(0, "bundle", "--data-dir", dataDir, "--output", output)
	contains(out, output)
	files := unpack(t, output)
	for name, text := range files {
		if strings.Contains(text, canary) {
			t.Errorf("%s has a planted secret:\n%s", name, around(text, canary))
		}
	}
	for name, want := range map[string]string{
		"version.json":                     "collectedAt",
		"server-version.json":              "gitVersion",
		"metrics/apiserver.prom":           "apiserver_request_total",
		"metrics/boot.prom":                "ingot_boot_requests_total",
		"objects/baremetalhosts.metal3.io": `"name":"planted"`,
		"objects/hostlifecycles.ingot.dev": `"name":"planted"`,
		"objects/events":                   "PlantedEvent",
		"objects/secrets-names":            `"name":"planted-secret"`,
		"objects/configmaps-names":         `"name":"planted-map"`,
		"logs/boot.log":                    "boot role starts",
	} {
		found := false
		for file, text := range files {
			found = found || strings.HasPrefix(file, "ingot-support/"+name) && strings.Contains(text, want)
		}
		if !found {
			t.Errorf("%s with %q is not in the bundle; messages: %s", name, want, messages)
		}
	}
	for name := range files {
		if strings.Contains(name, "pki") || strings.Contains(name, "etcd") || strings.HasSuffix(name, "objects/secrets.jsonl") {
			t.Errorf("%s is in the bundle", name)
		}
	}
	if info, err := os.Stat(output); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the archive: %v, %v", info, err)
	}
	_, messages = run(1, "bundle", "--output", output)
	contains(messages, "--output", "file exists")
}

// TestSupportBundleWithoutAnAPIServer has what there is, and says what there is not: that is when a bundle is wanted.
func TestSupportBundleWithoutAnAPIServer(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	output := filepath.Join(t.TempDir(), "bundle.tar.gz")
	run, contains := terminal(t, support.Command)
	_, messages := run(0, "bundle", "--data-dir", plantLogs(t, "x"), "--output", output)
	contains(messages, "not in the bundle: the API server: ")
	files := unpack(t, output)
	if !strings.Contains(files["ingot-support/logs/boot.log"], "boot role starts") || !strings.Contains(files["ingot-support/problems.txt"], "the API server") {
		t.Errorf("the bundle has %d files: %v", len(files), files["ingot-support/problems.txt"])
	}
}

func plantObjects(t *testing.T, k client.Client, canary string) {
	t.Helper()
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "support", Name: name} }
	applied := map[string]string{"kubectl.kubernetes.io/last-applied-configuration": `{"stringData":{"password":"` + canary + `"}}`}
	secret := &corev1.Secret{ObjectMeta: meta("planted-secret"), StringData: map[string]string{"password": canary}}
	secret.Annotations = applied
	host := &metal3.BareMetalHost{ObjectMeta: meta("planted")}
	host.Annotations = applied
	host.Spec.Image = &metal3.Image{URL: "https://registry.example/image.raw?signature=" + canary, Checksum: "https://registry.example/image.raw.sha256"}
	life := &ingot.HostLifecycle{ObjectMeta: meta("planted")}
	event := &corev1.Event{
		ObjectMeta: meta("planted"), InvolvedObject: corev1.ObjectReference{Kind: "BareMetalHost", Namespace: "support", Name: "planted"}, Reason: "PlantedEvent", Message: "login refused: password=" + canary,
	}
	for _, o := range []client.Object{
		secret, host, life, event,
		&corev1.ConfigMap{ObjectMeta: meta("planted-map"), Data: map[string]string{"config": canary}},
	} {
		if err := k.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// plantLogs is a data directory as ingot up has it, with the health endpoint of a role that answers.
func plantLogs(t *testing.T, canary string) string {
	t.Helper()
	role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "ingot_boot_requests_total{server=\"http\",outcome=\"ok\"} 1\nx{token=\"%s\"} 1\n", canary)
	}))
	t.Cleanup(role.Close)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"logs/boot.log": `{"msg":"boot role starts"}` + "\n" + `{"msg":"health endpoint open","address":"` + role.Listener.Addr().String() + `"}` + "\n" +
			`{"msg":"login","password":"` + canary + `"}` + "\n" + `Authorization: Bearer ` + canary + "\n",
		"pki/ca.key":       canary,
		"admin.kubeconfig": canary,
		"etcd/member/wal":  canary,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(packed); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(content)
	}
}

func around(text, canary string) string {
	i := strings.Index(text, canary)
	return text[max(0, i-200):min(len(text), i+100)]
}
