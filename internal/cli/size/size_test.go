package size_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/apply"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/cli/size"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// site is a control plane with one inspected host and two sizes.
func site(t *testing.T) (client.Client, func(args ...string) (string, string, error)) {
	t.Helper()
	cp := controlplanetest.Shared(t)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{metal3.AddToScheme, ingot.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c, func(args ...string) (string, string, error) {
		var out, errOut bytes.Buffer
		s := session.New(&out, &errOut)
		cmd := size.Command(s)
		if args[0] == "apply" {
			cmd, args = apply.Command(s), args[1:]
		}
		cmd.SetArgs(append([]string{"--kubeconfig", filepath.Join(cp.DataDir, "admin.kubeconfig")}, args...))
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetOut(&out)
		cmd.SetErr(&errOut)
		err := cmd.ExecuteContext(t.Context())
		return out.String(), errOut.String(), err
	}
}

func TestSizesFromTheCommandLine(t *testing.T) {
	c, run := site(t)
	gib := func(n int64) *resource.Quantity { return resource.NewQuantity(n<<30, resource.BinarySI) }
	of := func(name string, least, most int64) *ingot.Size {
		return &ingot.Size{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ingot.SizeSpec{Description: "of a test", Constraints: []ingot.SizeConstraint{
			{Type: ingot.SizeCores, Min: resource.NewQuantity(8, resource.DecimalSI)}, {Type: ingot.SizeMemory, Min: gib(least), Max: gib(most)}, {Type: ingot.SizeDisks, Medium: "SSD"}}}}
	}
	details := &metal3.HardwareDetails{CPU: metal3.CPU{Count: 16, Model: "EPYC"}, RAMMebibytes: 32 << 10, Storage: []metal3.Storage{{Name: "/dev/sda", Type: metal3.SSD, SizeBytes: 480e9}}}
	record := &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web1"}}
	for _, o := range []client.Object{of("m1", 31, 32), of("m2", 63, 64), record,
		&metal3.HardwareData{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web1"}, Spec: metal3.HardwareDataSpec{HardwareDetails: details}},
		&metal3.HardwareData{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "new"}, Spec: metal3.HardwareDataSpec{}}} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(wrong string, words []string, args ...string) (out string) {
		t.Helper()
		out, errOut, err := run(args...)
		if (err != nil) != (wrong != "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%v: %v, want %q\n%s", args, err, wrong, out)
		}
		for _, word := range words {
			if !strings.Contains(out+errOut, word) {
				t.Errorf("%v: %q is not in\n%s%s", args, word, out, errOut)
			}
		}
		return out
	}
	holds("", []string{"m1", "m2", "31Gi to 32Gi", "8 or more"}, "list")
	holds("", []string{"m1", "SSD", "of a test"}, "get", "m1")
	holds("not found", nil, "get", "m9")
	holds("", []string{"it is of the size m1", "m2", "it has 32 GiB of memory, at least 63 GiB"}, "match", "web1")
	holds("", []string{`"name": "m1"`}, "match", "web1", "-o", "json")
	holds("is not known", nil, "match", "new")
	holds("not found", nil, "match", "nobody")

	// What is suggested can be applied, and then matches, which the command says before.
	out := holds("", []string{"kind: Size", "name: m3", "the host matches it: 16 cores EPYC", "it is of the size m1 already", "it would overlap with m1"}, "suggest", "web1", "--name", "m3")
	file := filepath.Join(t.TempDir(), "size.yaml")
	write(t, file, out)
	holds("", []string{"Size/m3 applied"}, "apply", "-f", file)
	holds("the sizes m1, m3 all match this machine", nil, "match", "web1")

	// A GPU that nobody asked for is a reason against every size.
	record.Status.Hardware = &ingot.HardwareStatus{InspectedAt: metav1.Now(), GPUs: []ingot.GPU{{Model: "NVIDIA 10de:20b0"}}}
	if err := c.Status().Update(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	holds("no size matches this machine", []string{"no constraint covers its GPU NVIDIA 10de:20b0"}, "match", "web1")
	holds("", []string{"identifier: NVIDIA 10de:20b0", "name: size-of-web1"}, "suggest", "web1")
}
