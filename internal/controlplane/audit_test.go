package controlplane_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/trail"
)

// recorded reads the trail and gives what a filter chooses.
func recorded(t *testing.T, dir string, f audit.Filter) []audit.Record {
	t.Helper()
	r := trail.NewReader(dir, 0)
	defer func() { _ = r.Close() }()
	var all []audit.Record
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		record, _, err := audit.Parse(line.Text)
		if err != nil {
			t.Fatalf("%s:%d: %v", line.File, line.Number, err)
		}
		if f.Match(record) {
			all = append(all, record)
		}
	}
}

// eventuallyRecorded waits for an entry: it is written after the answer.
func eventuallyRecorded(t *testing.T, dir, what string, f audit.Filter) audit.Request {
	t.Helper()
	var found audit.Request
	eventually(t, what+" in the trail", func(context.Context) error {
		all := recorded(t, dir, f)
		if len(all) == 0 {
			return fmt.Errorf("no record for %+v", f)
		}
		found = *all[len(all)-1].Request
		return nil
	})
	return found
}

// verified verifies the trail with the installation's public key.
func verified(t *testing.T, cp *controlplanetest.Server, dir string) audit.Report {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(cp.DataDir, "pki", "audit.pub"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := audit.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	keys := audit.Keys{}
	keys.Add(key)
	report, err := trail.Verify(dir, &audit.Verifier{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Fault != audit.Torn { // a line that is just being written
			t.Errorf("verification: %s", f)
		}
	}
	return report
}

func makeSecret(t *testing.T, client kubernetes.Interface, ns, name, password string) error {
	t.Helper()
	_, err := client.CoreV1().Secrets(ns).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{"password": password}}, metav1.CreateOptions{})
	return err
}

func TestAuditLog(t *testing.T) {
	cp := controlplanetest.Shared(t)
	dir := filepath.Join(cp.DataDir, "audit")
	client := clientset(t, cp.Admin)
	ns := namespace(t, client)
	const password = "audited-password"
	if err := makeSecret(t, client, ns, "audited-secret", password); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Secrets(ns).Get(t.Context(), "audited-secret", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	watch, err := client.CoreV1().Secrets(ns).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	made := host("audited-host")
	if err := unstructured.SetNestedField(made.Object, "https://user:"+password+"@images.example/x.raw?sig="+password, "spec", "image", "url"); err != nil {
		t.Fatal(err)
	}
	if _, err := dynamicClient(t, cp.Admin).Resource(hosts).Namespace(ns).Create(t.Context(), made, metav1.CreateOptions{}); err != nil && !apierrors.IsInvalid(err) {
		t.Fatal(err)
	}
	patch := []byte("apiVersion: metal3.io/v1alpha1\nkind: BareMetalHost\nmetadata: {name: applied-host}\nspec: {online: true, description: from-a-patch}\n")
	force := true
	if _, err := dynamicClient(t, cp.Admin).Resource(hosts).Namespace(ns).Patch(t.Context(), "applied-host", types.ApplyPatchType, patch, metav1.PatchOptions{FieldManager: "test", Force: &force}); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"create", "get", "list", "watch"} {
		r := eventuallyRecorded(t, dir, "the "+verb+" of a Secret", audit.Filter{Kind: "secrets", Namespace: ns, Verb: verb})
		if r.User != "ingot:operator:admin" || r.Credential == "" || r.From != "127.0.0.1" || r.Code/100 != 2 || len(r.Change) > 0 {
			t.Errorf("%s: entry %+v", verb, r)
		}
		intents := recorded(t, dir, audit.Filter{Request: r.ID})
		if intents[0].Request.Stage != audit.StageIntent || intents[0].Request.Code != 0 {
			t.Errorf("%s: the first entry of the request is %+v", verb, intents[0].Request)
		}
	}
	r := eventuallyRecorded(t, dir, "the host", audit.Filter{Kind: "baremetalhosts.metal3.io", Name: "audited-host", Namespace: ns})
	if !strings.Contains(string(r.Change), `"online":true`) || !strings.Contains(string(r.Change), "https://withheld@images.example/x.raw?withheld") {
		t.Errorf("the host's body is kept as %s", r.Change)
	}
	r = eventuallyRecorded(t, dir, "the applied host", audit.Filter{Kind: "baremetalhosts", Name: "applied-host", Namespace: ns, Verb: "patch"})
	if !strings.Contains(string(r.Change), `"description":"from-a-patch"`) {
		t.Errorf("the applied body is kept as %s", r.Change)
	}
	if left := recorded(t, dir, audit.Filter{Kind: "leases"}); len(left) > 0 {
		t.Errorf("%d writes of leases are kept", len(left))
	}
	searchTrail(t, dir, password, "YXVkaXRlZC1wYXNzd29yZA")
	verified(t, cp, dir)
}

func searchTrail(t *testing.T, dir string, texts ...string) {
	t.Helper()
	files, err := trail.Files(dir)
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if i := strings.Index(string(content), text); i >= 0 {
				t.Errorf("the trail holds %q: …%s…", text, content[max(0, i-200):i])
			}
		}
	}
}

// TestAuditOfRefusals: who may not, who is nobody, and who acts for somebody else.
func TestAuditOfRefusals(t *testing.T) {
	cp := controlplanetest.Shared(t)
	dir := filepath.Join(cp.DataDir, "audit")
	ns := namespace(t, clientset(t, cp.Admin))
	mallory := clientset(t, cp.Client(t, "mallory-"+ns))
	if _, err := mallory.CoreV1().Secrets(ns).Get(t.Context(), "x", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("without rights: %v", err)
	}
	r := eventuallyRecorded(t, dir, "the refusal", audit.Filter{User: "mallory-" + ns, Failed: true, SecretReads: true})
	if r.Code != http.StatusForbidden || r.Reason != "Forbidden" || r.Message == "" || r.Object.Name != "x" {
		t.Errorf("entry %+v", r)
	}
	if n := len(recorded(t, dir, audit.Filter{Request: r.ID})); n != 1 {
		t.Errorf("%d entries: who has no right must not bring an entry of intent about", n)
	}
	if _, err := mallory.CoreV1().ConfigMaps(ns).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("without rights: %v", err)
	}
	eventuallyRecorded(t, dir, "a refused read of anything", audit.Filter{User: "mallory-" + ns, Failed: true, Kind: "configmaps"})

	as := rest.CopyConfig(cp.Admin)
	as.Impersonate = rest.ImpersonationConfig{UserName: "tenant-" + ns, Groups: []string{"ingot:operator"}}
	if err := makeSecret(t, clientset(t, as), ns, "for-another", "x"); err != nil {
		t.Fatal(err)
	}
	r = eventuallyRecorded(t, dir, "what was done for another", audit.Filter{Kind: "secrets", Name: "for-another", Namespace: ns, Verb: "create"})
	if r.User != "tenant-"+ns || r.ImpersonatedBy != "ingot:operator:admin" {
		t.Errorf("done by %s for %s", r.ImpersonatedBy, r.User)
	}
	for _, record := range recorded(t, dir, audit.Filter{Request: r.ID}) {
		if record.Request.User != "tenant-"+ns || record.Request.ImpersonatedBy != "ingot:operator:admin" {
			t.Errorf("stage %s is by %s for %s", record.Request.Stage, record.Request.ImpersonatedBy, record.Request.User)
		}
	}

	transport, err := rest.TransportFor(&rest.Config{Host: cp.URL, TLSClientConfig: rest.TLSClientConfig{CAData: cp.Admin.CAData}})
	if err != nil {
		t.Fatal(err)
	}
	unknown := audit.Filter{Namespace: ns, Kind: "secrets", Verb: "list", Failed: true}
	// So many a second are kept: a slow machine must ask from several sides, and for longer, until the trail itself says that some were not.
	eventually(t, "requests of nobody that are not kept, lest they push all others out", func(context.Context) error {
		var asking sync.WaitGroup
		for range 10 {
			asking.Go(func() {
				for range 20 {
					response, err := get(t, &http.Client{Transport: transport}, cp.URL+"/api/v1/namespaces/"+ns+"/secrets")
					if err != nil {
						t.Error(err)
						return
					}
					_ = response.Body.Close()
				}
			})
		}
		asking.Wait()
		all := recorded(t, dir, unknown)
		for _, r := range all {
			if strings.Contains(fmt.Sprint(r.Request.Annotations), "more were not kept") {
				return nil
			}
		}
		return fmt.Errorf("%d are kept, and none says that others were not", len(all))
	})
}

// TestAuditOutlivesKill: what was answered is in the trail after kill -9, and the chain goes on.
func TestAuditOutlivesKill(t *testing.T) {
	cp := controlplanetest.Start(t)
	dir := filepath.Join(cp.DataDir, "audit")
	ns := namespace(t, clientset(t, cp.Admin))
	const lives = 3
	for life := range lives {
		for i := range 5 {
			if err := makeSecret(t, clientset(t, cp.Admin), ns, fmt.Sprintf("s-%d-%d", life, i), "x"); err != nil {
				t.Fatal(err)
			}
		}
		cp.Kill(t)
		if n := len(recorded(t, dir, audit.Filter{Kind: "secrets", Namespace: ns, Verb: "create", Intents: true})); n < 5*(life+1) {
			t.Errorf("life %d: %d entries of %d creations", life, n, 5*(life+1))
		}
		cp.Restart(t)
	}
	verified(t, cp, dir)
	starts := 0
	for _, r := range recorded(t, dir, audit.Filter{All: true}) {
		if r.Kind == audit.KindStart {
			starts++
		}
	}
	if starts != lives+1 {
		t.Errorf("%d starts are told, want %d", starts, lives+1)
	}
}

// TestRefusedWhenItCannotBeRecorded fills the disk of the trail.
func TestRefusedWhenItCannotBeRecorded(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatalf("mount a small disk (root is needed): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	cp := controlplanetest.Start(t, "--audit-dir", dir)
	client := clientset(t, cp.Admin)
	ns := namespace(t, client)
	if err := makeSecret(t, client, ns, "before", "x"); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)

	refused := map[string]string{}
	for what, try := range map[string]func(name string) error{
		"a Secret": func(name string) error { return makeSecret(t, client, ns, name, "x") },
		"a Secret's read": func(string) error {
			_, err := client.CoreV1().Secrets(ns).Get(t.Context(), "before", metav1.GetOptions{})
			return err
		},
		"a role": func(name string) error {
			_, err := client.RbacV1().Roles(ns).Create(t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
			return err
		},
		"a host": func(name string) error {
			_, err := dynamicClient(t, cp.Admin).Resource(hosts).Namespace(ns).Create(t.Context(), host(name), metav1.CreateOptions{})
			return err
		},
	} {
		// The file's last page has some room left, for a few entries at most.
		var err error
		for n := range 20 {
			refused[what] = fmt.Sprint("refused-", n)
			if err = try(refused[what]); err != nil {
				break
			}
		}
		if !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "only once it is recorded") {
			t.Errorf("%s on a full disk: %v, want it refused", what, err)
		}
	}
	// What the policy lets pass is done, and counted.
	for n := range 20 {
		if _, err := client.CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("passed-", n)}}, metav1.CreateOptions{}); err != nil {
			t.Errorf("a ConfigMap on a full disk: %v", err)
		}
	}
	// Refusals and what was lost are counted where somebody looks.
	metrics := scrape(t, cp)
	if metrics["ingot_audit_refused_requests_total"] < float64(len(refused)) || metrics[`ingot_audit_failures_total{sink="file"}`] < float64(len(refused)) {
		t.Errorf("on a full disk the metrics say %v", metrics)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"before": true, refused["a Secret"]: false} {
		if _, err := client.CoreV1().Secrets(ns).Get(t.Context(), name, metav1.GetOptions{}); (err == nil) != want || !want && !apierrors.IsNotFound(err) {
			t.Errorf("Secret %s afterwards: %v", name, err)
		}
	}
	if err := makeSecret(t, client, ns, "after", "x"); err != nil {
		t.Errorf("with room again: %v", err)
	}
	eventuallyRecorded(t, dir, "the last Secret", audit.Filter{Kind: "secrets", Name: "after", Namespace: ns})
	if r := verified(t, cp, dir); r.Lost == 0 {
		t.Errorf("the trail tells of %d lost entries", r.Lost)
	}
}

// fill writes until nothing more fits.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// scrape reads the metrics of the audit trail as Prometheus does.
func scrape(t *testing.T, cp *controlplanetest.Server) map[string]float64 {
	t.Helper()
	text, err := clientset(t, cp.Admin).Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(name, "ingot_audit_") {
			continue
		}
		if all[name], err = strconv.ParseFloat(value, 64); err != nil {
			t.Errorf("%q is no sample: %v", line, err)
		}
	}
	return all
}

// TestAuditMetrics: what is written, what an archive has and has yet to take.
func TestAuditMetrics(t *testing.T) {
	cp := controlplanetest.Start(t)
	dir := filepath.Join(cp.DataDir, "audit")
	client := clientset(t, cp.Admin)
	ns := namespace(t, client)
	before := scrape(t, cp)
	const secrets, behind, failures = 5, 3, 7
	for i := range secrets {
		if err := makeSecret(t, client, ns, fmt.Sprint("metered-", i), "x"); err != nil {
			t.Fatal(err)
		}
	}
	after := scrape(t, cp)
	records, last := `ingot_audit_records_total{sink="file"}`, `ingot_audit_last_record_timestamp_seconds{sink="file"}`
	if got := after[records] - before[records]; got < secrets {
		t.Errorf("%v records more after %d Secrets", got, secrets)
	}
	if after[last] < before[last] || after[last] == 0 {
		t.Errorf("the last record was at %v and then at %v", before[last], after[last])
	}
	for _, name := range []string{`ingot_audit_failures_total{sink="file"}`, `ingot_audit_queue_records{sink="file"}`, "ingot_audit_refused_requests_total"} {
		value, there := after[name]
		if !there || value < 0 || name != `ingot_audit_queue_records{sink="file"}` && value != 0 {
			t.Errorf("%s is %v (%v)", name, value, there)
		}
	}
	at := time.Unix(1_700_000_000, 0)
	if err := trail.WritePosition(dir, "archive", trail.Position{Seq: uint64(after[records]) - behind, Hash: "x", Time: at, Failures: failures}); err != nil {
		t.Fatal(err)
	}
	sent := scrape(t, cp)
	for name, want := range map[string]float64{
		`ingot_audit_records_total{sink="archive"}`:                 after[records] - behind,
		`ingot_audit_queue_records{sink="archive"}`:                 sent[records] - after[records] + behind,
		`ingot_audit_failures_total{sink="archive"}`:                failures,
		`ingot_audit_last_record_timestamp_seconds{sink="archive"}`: float64(at.Unix()),
	} {
		if sent[name] != want {
			t.Errorf("%s is %v, want %v", name, sent[name], want)
		}
	}
}

// TestAuditIsReadByRight reads the trail through the server.
func TestAuditIsReadByRight(t *testing.T) {
	cp := controlplanetest.Shared(t)
	dir := filepath.Join(cp.DataDir, "audit")
	admin := clientset(t, cp.Admin)
	ns := namespace(t, admin)
	if err := makeSecret(t, admin, ns, "read-by-right", "x"); err != nil {
		t.Fatal(err)
	}
	eventuallyRecorded(t, dir, "the Secret", audit.Filter{Name: "read-by-right", Namespace: ns})
	ask := func(client kubernetes.Interface, query string) ([]byte, error) {
		return client.Discovery().RESTClient().Get().RequestURI("/audit/records" + query).DoRaw(t.Context())
	}
	text, err := ask(admin, "?name=read-by-right&namespace="+ns)
	if err != nil {
		t.Fatal(err)
	}
	if record, _, err := audit.Parse([]byte(strings.TrimSpace(string(text)))); err != nil || record.Request.Object.Name != "read-by-right" {
		t.Errorf("the record is %s: %v", text, err)
	}
	if _, err := ask(admin, "?colour=red"); !apierrors.IsBadRequest(err) {
		t.Errorf("a filter that is none: %v", err)
	}
	auditor := clientset(t, cp.Client(t, "auditor-"+ns))
	if _, err := ask(auditor, ""); !apierrors.IsForbidden(err) {
		t.Errorf("without the right: %v", err)
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "auditor-" + ns}, Rules: []rbacv1.PolicyRule{{NonResourceURLs: []string{"/audit/*"}, Verbs: []string{"get"}}}}
	if _, err := admin.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "auditor-" + ns}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "auditor-" + ns}},
	}
	if _, err := admin.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the right to hold", func(context.Context) error { _, err := ask(auditor, "?name=read-by-right"); return err })
	if r := eventuallyRecorded(t, dir, "the reading itself", audit.Filter{User: "auditor-" + ns}); r.Path != "/audit/records" {
		t.Errorf("entry %+v", r)
	}
	followed(t, auditor, admin, ns)
}

// followed holds a stream open and looks that an entry comes over it.
func followed(t *testing.T, auditor, admin kubernetes.Interface, ns string) {
	t.Helper()
	stream, err := auditor.Discovery().RESTClient().Get().RequestURI("/audit/records?follow=true&name=followed&namespace=" + ns).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := makeSecret(t, admin, ns, "followed", "x"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stream).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	if record, _, err := audit.Parse(line[:len(line)-1]); err != nil || record.Request.Object.Name != "followed" {
		t.Errorf("the stream says %s: %v", line, err)
	}
}
