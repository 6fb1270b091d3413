package layout_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/layout"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// An operator sees disk by disk whether a layout fits, and which one a host gets.
func TestTryAndMatch(t *testing.T) {
	cp := controlplanetest.Shared(t)
	c, err := client.New(cp.Admin, client.Options{Scheme: host.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web1"}}
	h.Spec.BMC = metal3.BMCDetails{Address: "redfish-virtualmedia://10.0.0.5", CredentialsName: "bmc"}
	h.Spec.RootDeviceHints = &metal3.RootDeviceHints{SerialNumber: "BIG"}
	h.Spec.Image = &metal3.Image{URL: "https://images.example.net/debian-12.4.tar.zst", Checksum: strings.Repeat("a", 64), ChecksumType: metal3.SHA256}
	spec := func(name, versions string) *ingot.FilesystemLayout {
		return &ingot.FilesystemLayout{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ingot.FilesystemLayoutSpec{
			Partitions:  []ingot.LayoutPartition{{Name: "esp", Type: "efi-system", SizeMiB: 100}, {Name: "root", Type: "linux", SizeMiB: 20480}, {Name: "data", Type: "linux"}},
			Filesystems: []ingot.LayoutFilesystem{{Partition: "esp", Format: "vfat", Path: "/boot/efi"}, {Partition: "root", Format: "ext4", Path: "/"}, {Partition: "data", Format: "xfs", Path: "/srv"}},
			Constraints: &ingot.LayoutConstraints{Images: []ingot.LayoutImage{{Name: "debian", Versions: versions}}},
		}}
	}
	for _, o := range []client.Object{h, spec("new", ">=12"), spec("old", "<12")} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (string, error) {
		var a, b bytes.Buffer
		cmd := layout.Command(session.New(&a, &b))
		cmd.SetArgs(append([]string{"--kubeconfig", filepath.Join(cp.DataDir, "admin.kubeconfig"), "-n", "default"}, args...))
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetOut(&a)
		cmd.SetErr(&b)
		err := cmd.ExecuteContext(t.Context())
		return a.String() + b.String(), err
	}
	holds := func(wrong string, words []string, args ...string) {
		t.Helper()
		out, err := run(args...)
		if (err != nil) != (wrong != "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%v: %v, want %q\n%s", args, err, wrong, out)
		}
		for _, word := range words {
			if !strings.Contains(out, word) {
				t.Errorf("%v: %q is not in\n%s", args, word, out)
			}
		}
	}
	holds("disks are not known yet", nil, "try", "new", "web1")
	holds("", []string{"the host gets the layout new", "no: the image is debian 12.4, not <12"}, "match", "web1")
	h.Status.HardwareDetails = &metal3.HardwareDetails{Storage: []metal3.Storage{{Name: "/dev/sda", SerialNumber: "SMALL", SizeBytes: 10 << 30}, {Name: "/dev/sdb", SerialNumber: "BIG", SizeBytes: 100 << 30}}}
	if err := c.Status().Update(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	holds("", []string{"/dev/sda", "/dev/sdb", "fits: esp 100 MiB, root 20480 MiB, data", "mean this one", "it is for this host and image"}, "try", "new", "web1")
	holds("", []string{"it is not for this host and image: the image is debian 12.4"}, "try", "old", "web1")
	holds("", []string{`"meant": true`, `"sizeBytes": 107374182400`}, "try", "new", "web1", "-o", "json")
	holds("not found", nil, "try", "none", "web1")
	holds("not found", nil, "match", "nobody")
	if err := c.Create(t.Context(), spec("twin", "12")); err != nil {
		t.Fatal(err)
	}
	holds("new, twin are all for this host", []string{"twin"}, "match", "web1")
	before := h.DeepCopy()
	h.Annotations = map[string]string{ingot.LayoutAnnotation: "old"}
	h.Spec.RootDeviceHints = &metal3.RootDeviceHints{SerialNumber: "SMALL"}
	if err := c.Patch(t.Context(), h, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	holds("", []string{"names the layout old itself"}, "match", "web1")
	bootable := spec("bootable", "12")
	bootable.Spec.Constraints = nil
	bootable.Spec.Filesystems = append(bootable.Spec.Filesystems[:2:2], ingot.LayoutFilesystem{Partition: "data", Format: "xfs", Path: "/boot"})
	if err := c.Create(t.Context(), bootable); err != nil {
		t.Fatal(err)
	}
	archived := h.DeepCopy()
	h.Annotations, h.Spec.CustomDeploy = nil, &metal3.CustomDeploy{Method: ingot.DeployPartitionImage}
	if err := c.Patch(t.Context(), h, client.MergeFrom(archived)); err != nil {
		t.Fatal(err)
	}
	holds("", []string{"gets the standard one"}, "match", "web1")
	holds("none for the host's partition image", nil, "try", "bootable", "web1")
	holds("the layout new can't be used for this host", []string{"/dev/sda"}, "try", "new", "web1")
}
