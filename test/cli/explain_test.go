package cli_test

import (
	"encoding/json"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/catalog"
	"github.com/ingotmetal/ingot/internal/cli/explain"
	"github.com/ingotmetal/ingot/internal/cli/layout"
	"github.com/ingotmetal/ingot/internal/cli/matrix"
	"github.com/ingotmetal/ingot/internal/cli/network"
	"github.com/ingotmetal/ingot/internal/cli/partition"
	"github.com/ingotmetal/ingot/internal/cli/project"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/cli/size"
)

// explainers is a program with the nouns whose objects have no life of their own.
func explainers(s *session.Session) *cobra.Command {
	c := &cobra.Command{Use: "ingot", SilenceErrors: true}
	site, image := &cobra.Command{Use: "partition"}, &cobra.Command{Use: "image"}
	site.AddCommand(partition.Verbs(s)...)
	catalog.Add(image, s)
	c.AddCommand(site, image, network.Command(s), size.Command(s), layout.Command(s), matrix.Command(s), project.Command(s), project.QuotaCommand(s))
	return c
}

// create makes objects, with their statuses.
func create(t *testing.T, k client.Client, all ...client.Object) {
	t.Helper()
	for _, o := range all {
		status := o.DeepCopyObject().(client.Object)
		if err := k.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		status.SetResourceVersion(o.GetResourceVersion())
		status.SetUID(o.GetUID())
		if err := k.Status().Update(t.Context(), status); err != nil {
			t.Fatal(err)
		}
	}
}

// explained plants two projects: one whose network is cut from its provider's, with an address, a machine and a firewall, and a quota that is full; and hosts of two sizes.
func explained(t *testing.T, k client.Client) {
	t.Helper()
	ready := func(status metav1.ConditionStatus, reason, message string) []metav1.Condition {
		return []metav1.Condition{{Type: "Ready", Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.Now()}}
	}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "explain", Name: name} }
	create(t, k,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "explain-provider"}},
		&ingot.Network{ObjectMeta: metav1.ObjectMeta{Namespace: "explain-provider", Name: "super"}, Spec: ingot.NetworkSpec{Type: ingot.SuperNetwork, Prefixes: []string{"10.40.0.0/16"}}, Status: ingot.NetworkStatus{Prefixes: []string{"10.40.0.0/16"}, VRF: "default", Conditions: ready("True", "Allocated", "")}},
		&ingot.Network{ObjectMeta: meta("blue"), Spec: ingot.NetworkSpec{Type: ingot.ChildNetwork, Parent: &ingot.NetworkReference{Namespace: "explain-provider", Name: "super"}, DestinationPrefixes: []string{"10.99.0.0/16"}, Gateways: []string{"10.40.7.1"}},
			Status: ingot.NetworkStatus{Prefixes: []string{"10.40.7.0/30"}, VRF: "default", SizeIPv4: 1, Held: 1, Conditions: ready("True", "Allocated", "")}},
		&ingot.Network{ObjectMeta: meta("orphan"), Spec: ingot.NetworkSpec{Type: ingot.ChildNetwork, Parent: &ingot.NetworkReference{Name: "gone"}}, Status: ingot.NetworkStatus{Conditions: ready("False", "NetworkNotReady", "the parent is not there")}},
		&ingot.IP{ObjectMeta: meta("web"), Spec: ingot.IPSpec{Network: ingot.NetworkReference{Name: "blue"}}, Status: ingot.IPStatus{Address: "10.40.7.2"}},
		&ingot.Machine{ObjectMeta: meta("web"), Spec: ingot.MachineSpec{Size: "exp-c1", Partition: "exp-east", Image: "exos-1", Networks: []ingot.MachineNetwork{{Name: "blue"}}}, Status: ingot.MachineStatus{Image: &ingot.MachineImage{Name: "exos-1.2"}}},
		&ingot.Firewall{ObjectMeta: meta("edge"), Spec: ingot.FirewallSpec{Machine: ingot.FirewallMachine{Size: "exp-c1", Partition: "exp-east", Image: "exos-1"}, Networks: []ingot.FirewallNetwork{{Name: "blue"}}}},
		&ingot.Quota{ObjectMeta: meta("most"), Spec: ingot.QuotaSpec{Machines: ptr.To[int32](1), Networks: ptr.To[int32](9)}, Status: ingot.QuotaStatus{Used: ingot.QuotaUse{Machines: 1, Networks: 3},
			Conditions: []metav1.Condition{{Type: ingot.QuotaWithinCondition, Status: "True", Reason: "Within", LastTransitionTime: metav1.Now()}}}},
	)
	image := func(version string, change func(*ingot.ImageSpec)) *ingot.Image {
		o := &ingot.Image{ObjectMeta: metav1.ObjectMeta{Name: "exos-" + version}, Spec: ingot.ImageSpec{OS: "exos", Version: version, URL: "https://images.example.net/" + version, Format: ingot.ImageRaw, Digest: "sha256:" + zeros}}
		if change != nil {
			change(&o.Spec)
		}
		return o
	}
	past := metav1.NewTime(time.Now().Add(-time.Hour))
	create(t, k, image("1.2", nil), image("1.3", func(s *ingot.ImageSpec) { s.SizeConstraints = []string{"exp-c1"} }), image("1.4", func(s *ingot.ImageSpec) { s.ExpiresAt = &past }))
	amount := func(low string) *resource.Quantity { q := resource.MustParse(low); return &q }
	for name, cores := range map[string]string{"exp-c1": "8", "exp-c2": "64"} {
		create(t, k, &ingot.Size{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ingot.SizeSpec{Constraints: []ingot.SizeConstraint{
			{Type: ingot.SizeCores, Min: amount(cores), Max: amount(cores)}, {Type: ingot.SizeMemory, Min: amount("1Gi")}, {Type: ingot.SizeDisks, Min: amount("0")},
		}}})
	}
	for name, cores := range map[string]int{"small": 8, "large": 64, "odd": 12, "raw": 0} {
		addHost(t, k, "explain", name, metal3.StateAvailable, func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) {
			h.Labels = map[string]string{ingot.PartitionLabel: "exp-east"}
			if cores > 0 {
				h.Labels[ingot.SizeLabel] = map[int]string{8: "exp-c1", 64: "exp-c2"}[cores]
				h.Status.HardwareDetails = &metal3.HardwareDetails{CPU: metal3.CPU{Count: cores}, RAMMebibytes: 4096, Storage: []metal3.Storage{{Name: "/dev/sda", SizeBytes: 40 << 30, Type: metal3.SSD}}}
			}
			if name == "large" {
				h.Spec.Image = &metal3.Image{URL: "https://images.example.net/exos-1.2.tar.zst", Checksum: zeros, ChecksumType: metal3.SHA256}
			}
		})
	}
	create(t, k, &ingot.FilesystemLayout{ObjectMeta: metav1.ObjectMeta{Name: "exp-plain"}, Spec: ingot.FilesystemLayoutSpec{
		Partitions:  []ingot.LayoutPartition{{Name: "efi", Type: "efi-system", SizeMiB: 512}, {Name: "root", Type: "linux"}},
		Filesystems: []ingot.LayoutFilesystem{{Partition: "efi", Format: "vfat", Path: "/boot/efi"}, {Partition: "root", Format: "ext4", Path: "/"}},
		Constraints: &ingot.LayoutConstraints{Images: []ingot.LayoutImage{{Name: "exos", Versions: ">=1"}}},
	}})
	create(t, k, &ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: "exp-east"}, Spec: ingot.PartitionSpec{ProvisioningNetwork: ingot.ProvisioningNetwork{CIDR: "172.30.0.0/24", DHCPMode: ingot.DHCPServer, RangeStart: "172.30.0.10", RangeEnd: "172.30.0.99", BootServer: "172.30.0.1"}}})
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

// TestExplain asks of each kind, as a person does.
func TestExplain(t *testing.T) {
	k := site(t, "explain")
	n := &corev1.Namespace{}
	if err := k.Get(t.Context(), client.ObjectKey{Name: "explain"}, n); err != nil {
		t.Fatal(err)
	}
	n.Labels = map[string]string{ingot.TenantLabel: "exacme", ingot.ProjectLabel: "web"}
	if err := k.Update(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	explained(t, k)
	run, contains := terminal(t, explainers)
	ask := func(want int, args ...string) string {
		t.Helper()
		if args[0] != "partition" && args[0] != "matrix" { // which know no namespaces
			args = append(args, "-n", "explain")
		}
		out, _ := run(want, args...)
		return out
	}
	contains(ask(0, "network", "explain", "blue"), "network explain/blue", "Allocated", "10.40.7.0/30, cut from explain-provider/super (10.40.0.0/16)", "0 of 1 addresses can be given", "to 10.99.0.0/16; by 10.40.7.1",
		"10.40.7.2 of explain/web", "Machines:", "explain/edge", "every IPv4 address is held")
	super, _ := run(0, "network", "explain", "super", "-n", "explain-provider")
	contains(super, "it gives no addresses, children are cut from it", "explain/blue 10.40.7.0/30", "10.40.0.0/16, its own", "would wait for 1 networks and 0 addresses")
	contains(ask(0, "network", "explain", "orphan"), "NetworkNotReady: the parent is not there", "the parent is explain/gone: it is not there", "have explain/gone made")
	contains(ask(0, "image", "explain", "exos-1.2"), "The name exos-1:", "means exos-1.3", "it does not expire", "explain/web", "size exp-c1, size exp-c2: it can be had")
	contains(ask(0, "image", "explain", "exos-1.3"), "means this image", "- size exp-c2:", "it is for the sizes exp-c1, not for exp-c2")
	contains(ask(0, "image", "explain", "exos-1.4"), "it expired; until", "make a newer version of it")
	contains(ask(0, "size", "explain", "exp-c1"), "In partition exp-east", "+ explain/small: of this size", "explain/raw: its hardware is not known", "explain/large: ")
	contains(ask(0, "partition", "explain", "exp-east"), "no partition role serves it", "172.30.0.10 to 172.30.0.99", "Hosts:")
	contains(ask(0, "quota", "explain", "most"), "Within", "all 1 machines are held", "3 of 9 networks held, 6 left", "ingot quota set -n explain most --machines N")
	contains(ask(0, "project", "explain", "explain"), "exacme", "1: web", "2: blue, orphan", "- Quota explain/most: all 1 machines are held")
	contains(ask(0, "layout", "explain", "exp-plain"), "it can be used", "efi, root", "+ explain/large: gets it, and it fits", "it has no image, whose name counts")
	contains(ask(0, "matrix", "explain", "partition-to-bmc"), "partition@partition-management", "Redfish", "egress of ingot.partition.partition-management")
	for _, noun := range []string{"network", "image", "size", "layout", "partition", "quota", "project", "matrix"} {
		ask(session.NotThere, noun, "explain", "nothing-of-that-name")
	}
	var a explain.Answer
	if err := json.Unmarshal([]byte(ask(0, "size", "explain", "exp-c2", "-o", "json")), &a); err != nil {
		t.Fatal(err)
	}
	if a.Subject != "size exp-c2" || len(a.Verdicts) < 3 {
		t.Errorf("%+v", a)
	}
}
