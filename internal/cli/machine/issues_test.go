package machine_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/matrix/access"
)

// A tenant's viewer, who may list no host, sees what is wrong with the machines of the project.
func TestIssues(t *testing.T) {
	cp := controlplanetest.Shared(t)
	scheme, err := session.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	if err := rbacv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	const project = "issues"
	long := metav1.NewTime(time.Now().Add(-time.Hour))
	condition := func(kind string, status metav1.ConditionStatus, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: "Said", Message: message, LastTransitionTime: long}
	}
	statuses := map[string]ingot.MachineStatus{
		"well":  {Phase: ingot.MachineReady, Conditions: []metav1.Condition{condition(ingot.MachineReadyCondition, metav1.ConditionTrue, "")}},
		"stuck": {Phase: ingot.MachineWaiting, Conditions: []metav1.Condition{condition(ingot.MachineReadyCondition, metav1.ConditionFalse, "no host is free")}},
		"lost":  {Phase: ingot.MachineLost, Conditions: []metav1.Condition{condition(ingot.MachineHostCondition, metav1.ConditionFalse, "somebody took it")}},
		"old": {Phase: ingot.MachineReady, Image: &ingot.MachineImage{Name: "issues-1.0", URL: "https://images.test/1", Digest: "sha256:" + strings.Repeat("0", 64), Format: "raw"},
			Conditions: []metav1.Condition{condition(ingot.MachineReadyCondition, metav1.ConditionTrue, ""), condition("Healthy", metav1.ConditionFalse, "fan 1")}},
	}
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: project, Labels: map[string]string{ingot.TenantLabel: "acme", ingot.ProjectLabel: project}}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: project, Name: "viewer"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: access.Role{Scope: access.Tenant, Name: "viewer"}.Object()},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "tess"}}},
		&ingot.Image{ObjectMeta: metav1.ObjectMeta{Name: "issues-1.0"}, Spec: ingot.ImageSpec{OS: "issues", Version: "1.0", URL: "https://images.test/1", Digest: "sha256:" + strings.Repeat("0", 64), Format: ingot.ImageRaw,
			Classification: ingot.ImageSupported, Features: []ingot.ImageFeature{ingot.ImageForMachine}, ExpiresAt: ptr.To(long)}},
	}
	for name := range statuses {
		objects = append(objects, &ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: project, Name: name}, Spec: ingot.MachineSpec{Size: "c1", Partition: "fra", Image: "issues-1.0"}})
	}
	for _, o := range objects {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if m, is := o.(*ingot.Machine); is {
			m.Status = statuses[m.Name]
			if err := c.Status().Update(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := program{t, cp}
	tess := func(args ...string) []string { return append(args, "--kubeconfig", asTenant(t, cp)) }
	p.says(true, []string{"forbidden"}, tess("machine", "issues", "-A")...)
	out, err := p.run(tess("machine", "issues", "-n", project, "-o", "wide")...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"critical   machine-lost", "somebody took it", "major      machine-waiting", "Said: no host is free", "minor      image-expired", "image issues-1.0 expired", "minor      machine-unwell", "fan 1", "ingot machine explain"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out, " well ") {
		t.Errorf("a machine that is well has an issue:\n%s", out)
	}
	out, err = p.run(tess("machine", "issues", "-n", project, "--severity", "major", "-o", "name")...)
	if err != nil || strings.Join(strings.Fields(out), " ") != "lost stuck" {
		t.Errorf("major ones: %v\n%s", err, out)
	}
	p.says(true, []string{`no issue "wipe-failed"`, "machine-lost"}, "machine", "issues", "-n", project, "--only", "wipe-failed")
}

// asTenant writes a kubeconfig of somebody who logged in.
func asTenant(t *testing.T, cp *controlplanetest.Server) string {
	t.Helper()
	who := cp.Client(t, "tess", access.PeopleGroup)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(api.Config{
		Clusters: map[string]*api.Cluster{"c": {Server: who.Host, CertificateAuthorityData: who.CAData}}, Contexts: map[string]*api.Context{"x": {Cluster: "c", AuthInfo: "u"}}, CurrentContext: "x",
		AuthInfos: map[string]*api.AuthInfo{"u": {ClientCertificateData: who.CertData, ClientKeyData: who.KeyData}},
	}, file); err != nil {
		t.Fatal(err)
	}
	return file
}
