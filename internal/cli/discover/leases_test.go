package discover_test

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

const leaseFile = `1782900000 52:54:00:0b:00:05 10.8.0.15 bmc-15 *
1782900000 52:54:00:0b:00:06 192.168.1.7 laptop *
1782900000 52:54:00:0b:00:07 10.8.0.16 * *
`

// A DHCP server's leases become finds as far as their addresses are BMCs', by the command line or by the Partition's ranges; a scan needs ranges.
func TestLeasesAndScan(t *testing.T) {
	cp := controlplanetest.Shared(t)
	o := &operator{t: t, cp: cp, dir: t.TempDir()}
	var err error
	if o.client, err = client.New(cp.Admin, client.Options{Scheme: host.Scheme()}); err != nil {
		t.Fatal(err)
	}
	p := &ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: "leased"}, Spec: ingot.PartitionSpec{ProvisioningNetwork: ingot.ProvisioningNetwork{DHCPMode: ingot.DHCPOff}}}
	for _, object := range []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "rack8"}}, p} {
		if err := o.client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = o.client.Delete(context.WithoutCancel(t.Context()), p) })
	here := func(args ...string) []string { return append(args, "-n", "rack8", "--partition", "leased") }
	file := o.file("dnsmasq.leases", leaseFile)
	o.refused(here("import", "--leases", file), "declares no ranges", "--in")
	o.refused(here("import", "--leases", file, "--in", "10.8.0.0/8"), "--in", "10.0.0.0/8 is meant")
	o.refused(here("import", "--leases", file, "--accept"), "neither --accept nor --format")
	o.refused(here("import", "--leases", o.file("x", "hello\n"), "--in", "10.8.0.0/24"), "line 1: it is no lease of dnsmasq", "nothing was imported")
	o.must("no lease is at one of the 254 addresses", here("import", "--leases", file, "--in", "10.9.0.0/24")...)
	o.must("1 machines imported", here("import", "--leases", file, "--in", "10.8.0.15")...)
	o.refused(here("scan"), "declares no ranges to be asked")

	p.Spec.Discovery = &ingot.DiscoveryPolicy{Namespace: "rack8", BMCScan: &ingot.BMCScan{Ranges: []string{"10.8.0.0/24"}}}
	if err := o.client.Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	o.must("1 machines imported, 1 were there already", here("import", "--leases", file)...)
	var all ingot.DiscoveredHostList
	if err := o.client.List(t.Context(), &all, client.InNamespace("rack8")); err != nil || len(all.Items) != 2 {
		t.Fatalf("%d finds: %v", len(all.Items), err)
	}
	for _, d := range all.Items {
		if d.Spec.Source != ingot.SourceLease || !strings.HasPrefix(d.Spec.BMCIPAddress, "10.8.0.1") || d.Spec.BMCMACAddress == "" || d.Spec.BMCAddress != "" {
			t.Errorf("%+v", d.Spec)
		}
	}
	if list := o.must("10.8.0.15", "list", "-n", "rack8"); !strings.Contains(list, "lease") {
		t.Error(list)
	}
	// No partition role runs here: the pass is asked for, and nobody begins it.
	o.must("a pass over 254 addresses is asked for", "scan", "--partition", "leased", "--timeout", "0")
	if err := o.client.Get(t.Context(), client.ObjectKeyFromObject(p), p); err != nil || p.Annotations[ingot.ScanAnnotation] == "" {
		t.Errorf("%v: %v", err, p.Annotations)
	}
	o.refused([]string{"scan", "--partition", "leased", "--timeout", "1ms"}, "it has not begun")
}
