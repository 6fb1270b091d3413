package web

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/test/await"
	"github.com/ingotmetal/ingot/test/sim/site"
)

// flows applies the example's matrix, and writes for one of its two hosts what its ingot-node would; the other has none. The environment has a token of who may write on, as hosts do.
func flows(ctx context.Context, t *testing.T, s *site.Site, k kubernetes.Interface) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "examples", "host-firewall", "matrix.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := document.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := session.Scheme() // the site's own client does not know Calico's kinds
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(s.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if err := c.Create(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	h := &calico.HostEndpoint{}
	await.Nil(t, "report of the host web1", func() error {
		if err := c.Get(ctx, client.ObjectKey{Name: "web1.eth0"}, h); err != nil {
			return err
		}
		revision := h.Annotations[calico.RevisionAnnotation]
		if revision == "" {
			return fmt.Errorf("the host endpoint has no revision yet")
		}
		since, last := metav1.NewTime(time.Now().Add(-50*time.Hour)), metav1.NewTime(time.Now().Add(-5*time.Minute))
		h.Status = calico.HostEndpointStatus{
			Phase: calico.PhaseConfirmed, Generation: 3, Revision: revision, Drift: []calico.Drift{{Kind: "Listener", What: "row 2.1 (bastion-to-dmz) is for tcp port 22, and nothing listens there", Row: "2.1"}},
			Rows: []calico.RowTraffic{
				{Matrix: "shop", Row: "1.1", Since: since, Last: &last}, {Matrix: "shop", Row: "1.2", Since: since}, {Matrix: "shop", Row: "1.3", Since: since, Last: &last},
				{Matrix: "shop", Row: "2.1", Since: since}, {Matrix: "shop", Row: "2.3", Since: since, Last: &last},
			},
		}
		return c.Status().Update(ctx, h)
	})
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "web-test-hosts"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{calico.GroupVersion.Group}, Resources: []string{"hostendpoints/status"}, Verbs: []string{"patch"}},
	}}
	if _, err := k.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return []string{"INGOT_WEB_HOST_TOKEN=" + token(ctx, t, k, "host", role.Name)}
}
