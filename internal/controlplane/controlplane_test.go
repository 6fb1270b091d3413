// Package controlplane_test runs the program as users do: it does not link it.
package controlplane_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) { controlplanetest.Main(m) }

var (
	hosts    = schema.GroupVersionResource{Group: "metal3.io", Version: "v1alpha1", Resource: "baremetalhosts"}
	hardware = schema.GroupVersionResource{Group: "metal3.io", Version: "v1alpha1", Resource: "hardwaredata"}
)

func clientset(t testing.TB, cfg *rest.Config) *kubernetes.Clientset {
	t.Helper()
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func dynamicClient(t testing.TB, cfg *rest.Config) *dynamic.DynamicClient {
	t.Helper()
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func namespace(t testing.TB, client kubernetes.Interface) string {
	t.Helper()
	ns, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

func eventually(t testing.TB, what string, try func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	var last error
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		last = try(ctx)
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("wait for %s: %v: %v", what, err, last)
	}
}

func host(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "metal3.io/v1alpha1", "kind": "BareMetalHost",
		"metadata": map[string]any{"name": name},
		"spec":     map[string]any{"online": true},
	}}
}

// TestRestartKeepsData stops it, and kills it, and looks whether everything is there; and that a Secret is in none of its files as it was written.
func TestRestartKeepsData(t *testing.T) {
	cp := controlplanetest.Start(t)
	const password = "a-password-that-is-nowhere-else"
	client := clientset(t, cp.Admin)
	ns := namespace(t, client)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "bmc"}, StringData: map[string]string{"password": password}}
	if _, err := client.CoreV1().Secrets(ns).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	made, err := dynamicClient(t, cp.Admin).Resource(hosts).Namespace(ns).Create(t.Context(), host("kept"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := cp.URL
	for _, end := range []func(testing.TB){cp.Kill, cp.Stop, cp.Kill} {
		end(t)
		searchFiles(t, cp.DataDir, password)
		cp.Restart(t)
		if cp.URL != before {
			t.Errorf("the restart moved it from %s to %s", before, cp.URL)
		}
		got, err := clientset(t, cp.Admin).CoreV1().Secrets(ns).Get(t.Context(), "bmc", metav1.GetOptions{})
		if err != nil || string(got.Data["password"]) != password {
			t.Errorf("the Secret is %q (%v)", got.Data["password"], err)
		}
		kept, err := dynamicClient(t, cp.Admin).Resource(hosts).Namespace(ns).Get(t.Context(), "kept", metav1.GetOptions{})
		if err != nil || kept.GetUID() != made.GetUID() {
			t.Errorf("the host is another or gone: %v", err)
		}
	}
}

// searchFiles looks for a secret text in every file below a folder.
func searchFiles(t *testing.T, dir, text string) {
	t.Helper()
	searched := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		searched += len(content)
		if strings.Contains(string(content), text) {
			t.Errorf("%s holds a Secret in plain text", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if searched < 1<<20 {
		t.Errorf("only %d bytes were searched: the store is elsewhere", searched)
	}
}

// TestNobodyIsAnonymous asks for everything that Kubernetes gives to anonymous users by default.
// The API server's metrics list its listener, to be compared with the matrix.
func TestMetricsShowTheListener(t *testing.T) {
	cp := controlplanetest.Shared(t)
	text, err := clientset(t, cp.Admin).RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`ingot_listener_info{address=%q,flow="operator-to-apiserver",protocol="tcp"} 1`, strings.TrimPrefix(cp.URL, "https://"))
	if !strings.Contains(string(text), want) {
		t.Errorf("the metrics lack %s", want)
	}
}

func TestNobodyIsAnonymous(t *testing.T) {
	cp := controlplanetest.Shared(t)
	transport, err := rest.TransportFor(&rest.Config{Host: cp.URL, TLSClientConfig: rest.TLSClientConfig{CAData: cp.Admin.CAData}})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: transport}
	for _, path := range []string{"/", "/api", "/apis", "/api/v1/namespaces", "/version", "/healthz", "/livez", "/readyz", "/metrics", "/openapi/v2", "/openid/v1/jwks"} {
		response, err := get(t, client, cp.URL+path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s answers %s to nobody", path, response.Status)
		}
	}
	plain, err := get(t, http.DefaultClient, "http://"+strings.TrimPrefix(cp.URL, "https://")+"/version")
	if err != nil {
		return // refused on the connection is as good
	}
	defer plain.Body.Close()
	if plain.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP answers %s", plain.Status)
	}
}

func get(t *testing.T, client *http.Client, url string) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return client.Do(request)
}

func TestOwnedObjectsGo(t *testing.T) {
	cp := controlplanetest.Shared(t)
	ns := namespace(t, clientset(t, cp.Admin))
	client := dynamicClient(t, cp.Admin)
	owner, err := client.Resource(hosts).Namespace(ns).Create(t.Context(), host("owner"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"owned", "free"} {
		obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "metal3.io/v1alpha1", "kind": "HardwareData", "metadata": map[string]any{"name": name}, "spec": map[string]any{}}}
		if name == "owned" {
			obj.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: owner.GetAPIVersion(), Kind: owner.GetKind(), Name: owner.GetName(), UID: owner.GetUID()}})
		}
		if _, err := client.Resource(hardware).Namespace(ns).Create(t.Context(), obj, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Resource(hosts).Namespace(ns).Delete(t.Context(), "owner", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the owned object to go", func(ctx context.Context) error {
		_, err := client.Resource(hardware).Namespace(ns).Get(ctx, "owned", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("still there: %w", err)
	})
	if _, err := client.Resource(hardware).Namespace(ns).Get(t.Context(), "free", metav1.GetOptions{}); err != nil {
		t.Errorf("an object without an owner: %v", err)
	}
}

func TestNamespacesGoWithWhatIsInThem(t *testing.T) {
	cp := controlplanetest.Shared(t)
	client := clientset(t, cp.Admin)
	ns := namespace(t, client)
	eventually(t, "the namespace's service account and CA", func(ctx context.Context) error {
		_, account := client.CoreV1().ServiceAccounts(ns).Get(ctx, "default", metav1.GetOptions{})
		_, ca := client.CoreV1().ConfigMaps(ns).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		return errors.Join(account, ca)
	})
	if _, err := dynamicClient(t, cp.Admin).Resource(hosts).Namespace(ns).Create(t.Context(), host("inside"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := client.CoreV1().Namespaces().Delete(t.Context(), ns, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace to go", func(ctx context.Context) error {
		_, err := client.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("still there: %w", err)
	})
}

// TestStopsWithWatchersOpen: a client that watches must not hold up the end, and gets to know of it.
func TestStopsWithWatchersOpen(t *testing.T) {
	cp := controlplanetest.Start(t)
	watch, err := dynamicClient(t, cp.Admin).Resource(hosts).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	cp.Stop(t)
	for range watch.ResultChan() { // drained until the server closes it
	}
}

// TestSecondProcessIsRefused, and leaves the first one alone.
func TestSecondProcessIsRefused(t *testing.T) {
	cp := controlplanetest.Shared(t)
	err := runProgram(t, "--data-dir", cp.DataDir, "--bind", "127.0.0.1:0")
	if !strings.Contains(err, "in use by another ingot-apiserver") {
		t.Errorf("want it refused, have %q", err)
	}
	if _, err := clientset(t, cp.Admin).CoreV1().Namespaces().Get(t.Context(), "default", metav1.GetOptions{}); err != nil {
		t.Errorf("the first one suffered: %v", err)
	}
}

func TestLostEncryptionKey(t *testing.T) {
	cp := controlplanetest.Start(t)
	cp.Stop(t)
	if err := os.Remove(filepath.Join(cp.DataDir, "pki", "encryption.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := runProgram(t, "--data-dir", cp.DataDir, "--bind", "127.0.0.1:0"); !strings.Contains(err, "encryption key is gone") {
		t.Errorf("want the start refused, have %q", err)
	}
}

func TestBadFlags(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	for want, args := range map[string][]string{
		"too long for a Unix socket":  {"--data-dir", long, "--bind", "127.0.0.1:0"},
		"--bind":                      {"--data-dir", t.TempDir(), "--bind", "localhost:0"},
		"name: operator-to-apiserver": {"--data-dir", t.TempDir(), "--bind", "0.0.0.0:7443"},
		"no-such-policy":              {"--data-dir", t.TempDir(), "--bind", "127.0.0.1:0", "--audit-policy", "/no-such-policy.yaml"},
		"no-such-matrix":              {"--data-dir", t.TempDir(), "--bind", "127.0.0.1:0", "--matrix", "/no-such-matrix.yaml"},
		`"data-dir" not set`:          nil,
	} {
		if err := runProgram(t, args...); !strings.Contains(err, want) {
			t.Errorf("%v: want %q, have %q", args, want, err)
		}
	}
}

// runProgram runs the program, which must fail, and gives what it said.
func runProgram(t *testing.T, args ...string) string {
	t.Helper()
	program, err := controlplanetest.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err == nil {
		t.Errorf("%v: it ran", args)
	}
	return string(out)
}
