package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/host"
	"github.com/ingotmetal/ingot/internal/cli/table"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// The list says the same whether the API server makes tables with our columns or whole objects must be read, as from a cluster whose BareMetalHost is Metal3's own.
func TestTablesSayWhatObjectsSay(t *testing.T) {
	k := site(t, "tables")
	long := metav1.NewTime(time.Now().Add(-50 * time.Hour))
	addHost(t, k, "tables", "bare", metal3.StateRegistering, nil)
	addHost(t, k, "tables", "busy", metal3.StateProvisioning, func(h *metal3.BareMetalHost, l *ingot.HostLifecycle) {
		h.Labels = map[string]string{ingot.PartitionLabel: "east"}
		h.Spec.BMC = metal3.BMCDetails{Address: "redfish-virtualmedia://10.0.0.1/redfish/v1/Systems/1", CredentialsName: "bmc"}
		h.Spec.ConsumerRef = &corev1.ObjectReference{Kind: "Machine", Namespace: "team-a", Name: "web"}
		h.Status.PoweredOn, h.Status.ErrorType = true, metal3.ProvisioningError
		h.Status.HardwareDetails = &metal3.HardwareDetails{RAMMebibytes: 4096, CPU: metal3.CPU{Count: 16}, SystemVendor: metal3.HardwareSystemVendor{Manufacturer: `A "C" ü`, ProductName: "X\t1"}}
		l.Labels = map[string]string{ingot.PartitionLabel: "east"}
		l.Status.Outcome = ingot.OutcomeStatus{Kind: "step", Reason: "Writing", Since: &long}
		l.Status.Health = &ingot.HealthStatus{Level: "warning", Since: long}
		l.Status.Step = &ingot.StepStatus{Kind: "write-image", StartedAt: long, Progress: &ingot.Progress{Phase: "writing", DoneBytes: 1 << 30, TotalBytes: 4 << 30, BytesPerSecond: 1 << 20, SecondsLeft: 90, UpdatedAt: long}}
	})
	addHost(t, k, "tables", "taken", metal3.StateAvailable, func(_ *metal3.BareMetalHost, l *ingot.HostLifecycle) {
		l.Labels = map[string]string{ingot.PartitionLabel: "west"}
		l.Status.Outcome = ingot.OutcomeStatus{Kind: "wait", Reason: "Available", Since: &long}
	})
	run, contains := terminal(t, host.Command)
	ways := [][]string{{"-o", "wide"}, {}, {"--health", "warning"}, {"--partition", "west"}, {"--sort-by", "-hardware"}, {"-o", "name"}, {"--project", "team-a"}, {"-A", "-n", "", "--filter", "namespace=tables"}}
	ask := func() (all []string) {
		for _, way := range ways {
			out, _ := run(0, append([]string{"list", "-n", "tables"}, way...)...)
			all = append(all, withoutAge(out))
		}
		return all
	}
	if !tabled(t) {
		t.Fatal("the API server's table of hosts lacks a column of ours: run make generate")
	}
	quick := ask()
	contains(quick[0], "write-image writing, 25% of 4.0 GiB", `16 CPU, 4.0 GiB, A "C" ü X 1`, "web", "2d2h", "provisioning error", "warning", "west")
	withoutColumn(t, "Powered")
	for i, whole := range ask() {
		if whole != quick[i] {
			t.Errorf("host list %s by tables:\n%s\nby objects:\n%s", strings.Join(ways[i], " "), quick[i], whole)
		}
	}
}

// withoutAge cuts the last column of a wide table, in which time goes on.
func withoutAge(text string) string {
	lines := strings.Split(text, "\n")
	at := strings.Index(lines[0], "AGE")
	for i, l := range lines {
		if runes := []rune(l); at > 0 && len(runes) > at {
			lines[i] = string(runes[:at])
		}
	}
	return strings.Join(lines, "\n")
}

func tabled(t *testing.T) bool {
	t.Helper()
	r, err := table.New(controlplanetest.Shared(t).Admin)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.List(t.Context(), metal3.GroupVersion.WithResource("baremetalhosts"), client.ListOptions{Namespace: "tables"}, table.Name, "Powered")
	return err == nil
}

// withoutColumn takes a column from the definition of hosts until the test ends.
func withoutColumn(t *testing.T, name string) {
	t.Helper()
	k, err := apiextensionsclient.NewForConfig(controlplanetest.Shared(t).Admin)
	if err != nil {
		t.Fatal(err)
	}
	definitions := k.ApiextensionsV1().CustomResourceDefinitions()
	change := func(ctx context.Context, columns []apiextensions.CustomResourceColumnDefinition) error {
		patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec/versions/0/additionalPrinterColumns", "value": columns}})
		if err != nil {
			return err
		}
		_, err = definitions.Patch(ctx, "baremetalhosts.metal3.io", types.JSONPatchType, patch, metav1.PatchOptions{})
		return err
	}
	until := func(ctx context.Context, want bool) error {
		return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 2*time.Minute, true, func(context.Context) (bool, error) { return tabled(t) == want, nil })
	}
	d, err := definitions.Get(t.Context(), "baremetalhosts.metal3.io", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := d.Spec.Versions[0].AdditionalPrinterColumns
	after := slices.DeleteFunc(slices.Clone(before), func(c apiextensions.CustomResourceColumnDefinition) bool { return c.Name == name })
	if err := change(t.Context(), after); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := change(context.Background(), before); err != nil {
			t.Error(err)
		}
	})
	if err := until(t.Context(), false); err != nil {
		t.Fatal(fmt.Errorf("wait until the column %s is gone: %w", name, err))
	}
}
