package machine_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/machine"
	"github.com/ingotmetal/ingot/internal/cli/project"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// program runs nouns as `ingot` does.
type program struct {
	t  *testing.T
	cp *controlplanetest.Server
}

func (p program) run(args ...string) (string, error) {
	var out bytes.Buffer
	s := session.New(&out, &out)
	root := &cobra.Command{Use: "ingot", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(machine.Command(s), project.Command(s), project.QuotaCommand(s))
	if !slices.Contains(args, "--kubeconfig") {
		args = append(args, "--kubeconfig", filepath.Join(p.cp.DataDir, "admin.kubeconfig"))
	}
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(p.t.Context())
	return out.String(), err
}

// says wants words in an answer, and an error where fails is true.
func (p program) says(fails bool, words []string, args ...string) {
	p.t.Helper()
	out, err := p.run(args...)
	if fails != (err != nil) {
		p.t.Errorf("ingot %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	if err != nil {
		out += err.Error()
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			p.t.Errorf("ingot %s: %q is not in\n%s", strings.Join(args, " "), w, out)
		}
	}
}

// What a tenant types, against the real API server. No controller runs: what the program says is what the objects and the pure choice say.
func TestMachines(t *testing.T) {
	cp := controlplanetest.Shared(t)
	scheme, err := session.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	p := program{t, cp}
	p.says(false, []string{"namespace shop is project shop of tenant acme"}, "project", "create", "shop", "--tenant", "acme")
	p.says(false, []string{"shop", "acme"}, "project", "list")
	p.says(false, nil, "quota", "set", "q", "-n", "shop", "--machines", "3", "--addresses", "9")
	p.says(false, []string{"0 of 3", "0 of any", "0 of 9"}, "quota", "list", "-n", "shop")
	keys := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keys, []byte("# mine\nssh-ed25519 AAAAC3Nz me\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.says(false, []string{"is asked for"}, "machine", "create", "web", "-n", "shop", "--size", "c1", "--partition", "fra", "--image", "debian-12", "--network", "racks/internet", "--network", "own=a,b", "--ssh-key", keys,
		"--tolerate", "flaky=fan", "--placement-tag", "web", "--off")
	m := &ingot.Machine{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "web"}, m); err != nil {
		t.Fatal(err)
	}
	if n := m.Spec.Networks; len(n) != 2 || n[0].Namespace != "racks" || len(n[1].Addresses) != 2 || m.Spec.SSHPublicKeys[0] != "ssh-ed25519 AAAAC3Nz me" || *m.Spec.Online || m.Spec.Tolerations[0].Value != "fan" {
		t.Errorf("%+v", m.Spec)
	}
	private := filepath.Join(t.TempDir(), "private")
	if err := os.WriteFile(private, []byte("-----BEGIN OPENSSH PRIVATE KEY-----"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.says(true, []string{"is a private key", ".pub"}, "machine", "create", "x", "-n", "shop", "--size", "c1", "--partition", "fra", "--image", "debian-12", "--ssh-key", private)
	p.says(true, []string{"partition: name the partition"}, "machine", "create", "x", "-n", "shop", "--size", "c1", "--image", "debian-12")
	p.says(true, []string{"NAMESPACE/NAME"}, "machine", "create", "x", "-n", "shop", "--host", "h", "--image", "debian-12")
	p.says(false, []string{"web", "c1", "fra", "debian-12"}, "machine", "list", "-n", "shop")
	p.says(false, []string{"machine:    shop/web", "debian-12 (not installed yet)"}, "machine", "get", "web", "-n", "shop")
	p.says(true, []string{"ingot machine list -A"}, "machine", "get", "nobody", "-n", "shop")
	p.explained(c)
	p.says(true, []string{"--yes"}, "machine", "reinstall", "web", "-n", "shop")
	p.says(false, []string{"installed anew with debian-13"}, "machine", "reinstall", "web", "-n", "shop", "--yes", "--image", "debian-13")
	p.says(true, []string{"is not there after"}, "machine", "wait", "web", "-n", "shop", "--timeout", "100ms")
	p.says(true, []string{"wait for ready or deleted"}, "machine", "wait", "web", "-n", "shop", "--for", "ever")
	p.says(false, []string{"is being given back"}, "machine", "delete", "web", "-n", "shop", "--wait")
	p.says(true, []string{"is not in namespace"}, "machine", "wait", "web", "-n", "shop", "--for", "deleted")
}

// explained: host by host, by what the controller chooses by.
func (p program) explained(c client.Client) {
	p.t.Helper()
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "racks"}},
		&metal3.HostDeployPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "racks", Name: "p"}, Spec: metal3.HostDeployPolicySpec{HostClaimNamespaces: &metal3.HostClaimNamespaces{Names: []string{"shop"}}}},
		host("good", map[string]string{ingot.TaintLabelPrefix + "flaky": "fan"}, nil), host("cordoned", nil, map[string]string{ingot.CordonAnnotation: "new PSU"}), host("tainted", map[string]string{ingot.TaintLabelPrefix + "old": "x"}, nil),
	} {
		if err := c.Create(p.t.Context(), o); err != nil {
			p.t.Fatal(err)
		}
		if h, is := o.(*metal3.BareMetalHost); is {
			h.Status.Provisioning.State, h.Status.OperationalStatus = metal3.StateAvailable, metal3.OperationalStatusOK
			if err := c.Status().Update(p.t.Context(), h); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	p.says(false, []string{"machine shop/web: racks/good", "* racks/good: this one", "- racks/cordoned: it is cordoned: new PSU", "- racks/tainted: it has the taint old=x"}, "machine", "explain", "web", "-n", "shop")
}

func host(name string, labels, annotations map[string]string) *metal3.BareMetalHost {
	all := map[string]string{ingot.SizeLabel: "c1", ingot.PartitionLabel: "fra"}
	for k, v := range labels {
		all[k] = v
	}
	return &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "racks", Name: name, Labels: all, Annotations: annotations},
		Spec: metal3.BareMetalHostSpec{BMC: metal3.BMCDetails{Address: "redfish-virtualmedia://10.0.0.5/redfish/v1/Systems/1", CredentialsName: "bmc"}}}
}

// The example is accepted as it stands.
func TestExample(t *testing.T) {
	cp := controlplanetest.Shared(t)
	c, err := client.New(cp.Admin, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("../../../examples/machine.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	kinds := 0
	for d := yaml.NewYAMLOrJSONDecoder(f, 4096); ; {
		o := &unstructured.Unstructured{}
		if err := d.Decode(o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if err := c.Create(t.Context(), o); err != nil {
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
		}
		kinds++
	}
	if kinds != 5 {
		t.Errorf("%d objects", kinds)
	}
}
