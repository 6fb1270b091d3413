// Package cli_test runs commands of the CLI against a real API server.
package cli_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/internal/cli/matrix"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/matrix/document"
)

func TestMain(m *testing.M) { controlplanetest.Main(m) }

// kubeconfig writes a client's access as a file.
func kubeconfig(t *testing.T, c *rest.Config) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(api.Config{
		Clusters:       map[string]*api.Cluster{"c": {Server: c.Host, CertificateAuthorityData: c.CAData}},
		AuthInfos:      map[string]*api.AuthInfo{"u": {ClientCertificateData: c.CertData, ClientKeyData: c.KeyData, Token: c.BearerToken}},
		Contexts:       map[string]*api.Context{"x": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "x",
	}, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestMatricesFromTheAPIServer shows a matrix that stands in two objects, and compares what hosts report with what was compiled for them.
func TestMatricesFromTheAPIServer(t *testing.T) {
	cp := controlplanetest.Shared(t)
	scheme, err := session.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	k, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/site.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := document.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if err := k.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KUBECONFIG", kubeconfig(t, cp.Admin))
	run, contains := terminal(t, matrix.Command)

	shown, _ := run(0, "show", "--name", "site")
	contains(shown, "1.1", "2.1", "2 rows")
	_, messages := run(1, "show", "--name", "site-more")
	contains(messages, "is a part: ask for --name site")
	_, messages = run(1, "show", "--name", "nowhere")
	contains(messages, "there are: site")
	names, _ := offered(t, run, "show", "--name", "")
	contains(names, "site")

	_, messages = run(2, "verify", "--cluster", "--name", "site")
	contains(messages, `no HostEndpoint was compiled from the matrix "site"`)
	h := &calico.HostEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: "web1-eth0", Labels: map[string]string{calico.MatrixLabel: "site"}, Annotations: map[string]string{calico.RevisionAnnotation: "r1"}},
		Spec:       calico.HostEndpointSpec{Node: "web1", InterfaceName: "eth0"},
	}
	if err := k.Create(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	shown, _ = run(1, "verify", "--cluster", "--name", "site")
	contains(shown, "web1/eth0", "ingot-node", "not enforced", "3 compared, 1 not as declared")
	h.Status = calico.HostEndpointStatus{Phase: calico.PhaseConfirmed, Generation: 3, Revision: "r1", Rows: []calico.RowTraffic{
		{Matrix: "site", Row: "1.1", Since: metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), Last: new(metav1.NewTime(time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC)))},
		{Matrix: "site", Row: "2.1", Since: metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))},
	}}
	if err := k.Status().Update(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	shown, _ = run(0, "verify", "--cluster")
	contains(shown, "generation 3, phase Confirmed", "seen, last 2026-03-01 13:00 UTC", "unseen since 2026-03-01 12:00 UTC", "3 compared, 0 not as declared")
}
