package partition

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/identity"
)

func TestMain(m *testing.M) { controlplanetest.Main(m) }

const patience = 5 * time.Minute

// bench is a partition with the files of its role.
type bench struct {
	t     *testing.T
	name  string
	admin client.Client
	ca    *pki.CA
	o     Options
}

func newBench(t *testing.T, name string) *bench {
	t.Helper()
	cp := controlplanetest.Shared(t)
	admin, err := client.New(cp.Admin, client.Options{Scheme: host.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.OpenCA(filepath.Join(cp.DataDir, "pki"), "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := pki.FilesIn(dir, "tls")
	if err := ca.Issue(files, pki.RoleProfile("partition", name, "127.0.0.1"), time.Now()); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "kubeconfig")
	if err := kubeconfig.WriteRole(config, kubeconfig.Cluster{Name: "test", URL: cp.URL, CA: ca.CertPEM()}, files); err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, name: name, admin: admin, ca: ca, o: Options{
		Flags:   identity.Flags{Kubeconfig: config, Partition: name, TLS: files, ProvisioningNetwork: "kernel", HealthBind: "127.0.0.1:0"},
		DataDir: filepath.Join(dir, "data"), AgentBind: "127.0.0.1:0", OperatorBind: "127.0.0.1:0", Workers: 2, BMCCallsPerSecond: 100,
	}}
	b.create(&ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: name}})
	b.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	cp.BindHosts(t, name)
	return b
}

func (b *bench) create(o client.Object) {
	b.t.Helper()
	if err := b.admin.Create(b.t.Context(), o); err != nil {
		b.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

// run starts the role. stop ends it and fails the test if that is no clean end.
func (b *bench) run() (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, b.o, slog.New(slog.DiscardHandler)) }()
	return func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				b.t.Errorf("the role ended with: %v", err)
			}
		case <-time.After(patience):
			b.t.Error("the role did not end")
		}
	}
}

func (b *bench) until(what string, holds func() bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatal("gave up waiting:", what)
		}
	}
}

// served waits for the endpoints to be published, other ones than before.
func (b *bench) served(before string) ingot.PartitionStatus {
	b.t.Helper()
	var p ingot.Partition
	b.until("the endpoints are published", func() bool {
		err := b.admin.Get(b.t.Context(), client.ObjectKey{Name: b.name}, &p)
		return err == nil && p.Status.AgentEndpoint != "" && p.Status.AgentEndpoint != before
	})
	return p.Status
}

// get asks the operator endpoint with a certificate of that profile, none for nil.
func (b *bench) get(s ingot.PartitionStatus, path string, as *pki.Profile, token string) (status int, body string) {
	b.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CABundle)
	config := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
	if as != nil {
		id, err := b.ca.NewIdentity(*as, time.Now())
		if err != nil {
			b.t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(id.CertPEM, []byte(id.KeyPEM.Reveal()))
		if err != nil {
			b.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, s.OperatorEndpoint+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: config}}).Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestOperatorsAreAskedWhoTheyAre(t *testing.T) {
	b := newBench(t, "operators")
	b.create(&metal3.BareMetalHost{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.name, Name: "a", Labels: map[string]string{ingot.PartitionLabel: b.name}},
		Spec:       metal3.BareMetalHostSpec{Online: true},
	})
	logs := filepath.Join(b.o.DataDir, "agent-logs", b.name, "a")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(logs, "boot-1.log"), []byte("1 2026-01-01T00:00:00Z INFO hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reader, nobody, admin := pki.ClientProfile("reader", time.Hour), pki.ClientProfile("nobody", time.Hour), pki.OperatorProfile("test")
	b.create(&rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.name, Name: "console"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"metal3.io"}, Resources: []string{"baremetalhosts/console"}, Verbs: []string{"get"}}},
	})
	b.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.name, Name: "console"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "console"},
		Subjects: []rbacv1.Subject{
			{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "reader"}, {Kind: rbacv1.ServiceAccountKind, Namespace: b.name, Name: "robot"},
		},
	})
	robot := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: b.name, Name: "robot"}}
	b.create(robot)
	request := &authenticationv1.TokenRequest{}
	if err := b.admin.SubResource("token").Create(t.Context(), robot, request); err != nil {
		t.Fatal(err)
	}
	defer b.run()()
	s := b.served("")
	path := "/v1/hosts/" + b.name + "/a/console-log"
	for _, c := range []struct {
		name, path, token string
		as                *pki.Profile
		status            int
		says              string
	}{
		{"nobody at all", path, "", nil, http.StatusUnauthorized, "needed"},
		{"a wrong token", path, "guess", nil, http.StatusUnauthorized, "needed"},
		{"a certificate without rights", path, "", &nobody, http.StatusForbidden, "nobody may not"},
		{"a certificate with the right", path + "?source=agent", "", &reader, http.StatusOK, "INFO hello"},
		{"a token with the right", path + "?source=agent", request.Status.Token, nil, http.StatusOK, "INFO hello"},
		{"a right in another namespace", "/v1/hosts/default/a/console-log", "", &reader, http.StatusForbidden, "default"},
		{"the agent's log where no BMC keeps one", path, "", &admin, http.StatusOK, "INFO hello"},
		{"no BMC", path + "?source=bmc", "", &admin, http.StatusNotFound, "source=agent"},
		{"no such host", "/v1/hosts/" + b.name + "/b/console-log", "", &admin, http.StatusNotFound, "no such host"},
		{"no such source", path + "?source=moon", "", &admin, http.StatusBadRequest, "source"},
		{"no name", "/v1/hosts/" + b.name + "/..%2fa/console-log", "", &admin, http.StatusBadRequest, "name"},
		{"no such path", "/v1/hosts", "", &admin, http.StatusNotFound, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := b.get(s, c.path, c.as, c.token)
			if status != c.status || !strings.Contains(body, c.says) {
				t.Errorf("%d %q, want %d and %q", status, body, c.status, c.says)
			}
		})
	}
}

func TestAgentsTrustSurvivesRestart(t *testing.T) {
	b := newBench(t, "restart")
	key := client.ObjectKey{Namespace: ingot.SystemNamespace, Name: agentTrustName(b.name)}
	stop := b.run()
	first := b.served("")
	var before, after corev1.Secret
	if err := b.admin.Get(t.Context(), key, &before); err != nil {
		t.Fatal(err)
	}
	stop()
	stop = b.run()
	b.served(first.AgentEndpoint)
	if err := b.admin.Get(t.Context(), key, &after); err != nil {
		t.Fatal(err)
	}
	stop()
	if before.UID != after.UID || !bytes.Equal(before.Data[keyCAKey], after.Data[keyCAKey]) || len(before.Data[keyFirstBoot]) < firstBootKeyBytes {
		t.Error("the agents' CA changed with a restart, or has no first-boot key")
	}
	if before.Immutable == nil || !*before.Immutable {
		t.Error("the Secret of the agents' CA can be changed")
	}
}

// Two processes of one partition: the second serves when the first has gone, and not before.
func TestOneLeads(t *testing.T) {
	b := newBench(t, "leaders")
	b.o.LeaderElect = true
	stopFirst := b.run()
	first := b.served("")
	stopSecond := b.run()
	defer stopSecond()
	// The second is waiting once it has asked for the lease, which shows in nothing of ours; what must hold is that it has not served when the first ends.
	var p ingot.Partition
	if err := b.admin.Get(t.Context(), client.ObjectKey{Name: b.name}, &p); err != nil || p.Status.AgentEndpoint != first.AgentEndpoint {
		t.Fatalf("%v; the endpoint is %s, want the first one's %s", err, p.Status.AgentEndpoint, first.AgentEndpoint)
	}
	stopFirst()
	if second := b.served(first.AgentEndpoint); second.OperatorEndpoint == first.OperatorEndpoint {
		t.Error("the second process published the first one's endpoint")
	}
}

func TestFlagsAreChecked(t *testing.T) {
	good := []string{"--kubeconfig=k", "--partition=p", "--tls-cert=c", "--tls-key=k", "--tls-ca=a", "--data-dir=d", "--agent-bind=127.0.0.1:0"}
	for i, flag := range good {
		name, _, _ := strings.Cut(flag, "=")
		t.Run(name, func(t *testing.T) {
			c := Command()
			c.SetArgs(append(append([]string{}, good[:i]...), good[i+1:]...))
			c.SilenceUsage, c.SilenceErrors = true, true
			if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("without %s: %v", name, err)
			}
		})
	}
	for flag, says := range map[string]string{"--workers=0": "workers", "--bmc-calls-per-second=0": "bmc-calls-per-second", "--agent-bind=here": "agent-bind"} {
		t.Run(flag, func(t *testing.T) {
			c := Command()
			c.SetArgs(append(append([]string{}, good...), flag))
			c.SilenceUsage, c.SilenceErrors = true, true
			if err := c.ExecuteContext(t.Context()); err == nil || (!strings.Contains(err.Error(), says) && says != "agent-bind") {
				t.Errorf("with %s: %v", flag, err)
			}
		})
	}
}
