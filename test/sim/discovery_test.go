package sim_test

import (
	"context"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
)

// TestFoundAcceptedProvisioned: a machine of a list is nobody's until an operator accepts it, by the real roles of a whole site; then it is a host like any other, and is provisioned.
func TestFoundAcceptedProvisioned(t *testing.T) {
	ctx := sitetest.Bounded(t)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: 1}})
	m := s.Lab.State().Machines[0]
	var sites ingot.PartitionList
	if err := s.Client.List(ctx, &sites); err != nil || len(sites.Items) != 1 {
		t.Fatalf("%d partitions: %v", len(sites.Items), err)
	}
	state := s.Lab.State()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name + "-bmc"}, StringData: map[string]string{"username": state.Username, "password": state.Password}}
	if err := s.Client.Create(ctx, secret); err != nil {
		t.Fatal(err)
	}
	found := &ingot.DiscoveredHost{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: "found"}}
	found.Spec = ingot.DiscoveredHostSpec{
		Partition: sites.Items[0].Name, Source: ingot.SourceList, BMCAddress: m.BMCAddress, BootMACAddress: m.MACAddress, CredentialsName: secret.Name, BootMode: "UEFI",
	}
	if err := s.Client.Create(ctx, found); err != nil {
		t.Fatal(err)
	}
	reaches(ctx, t, s, found, ingot.DiscoveryFound)
	var hosts metal3.BareMetalHostList
	if err := s.Client.List(ctx, &hosts); err != nil || len(hosts.Items) != 0 {
		t.Fatalf("%d hosts before anybody accepted: %v", len(hosts.Items), err)
	}
	base := found.DeepCopy()
	found.Spec.Accept = &ingot.DiscoveryAcceptance{Name: m.Name, Online: true}
	if err := s.Client.Patch(ctx, found, client.MergeFrom(base)); err != nil {
		t.Fatal(err)
	}
	reaches(ctx, t, s, found, ingot.DiscoveryAccepted)
	provision(ctx, t, s, m)
}

// TestScannedAcceptedProvisioned: a BMC that nobody told of is found in a range that the Partition declares, by the real partition role; accepted, with a Secret that its operator made, it is provisioned. Before that nobody logged in.
func TestScannedAcceptedProvisioned(t *testing.T) {
	ctx := sitetest.Bounded(t)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: 1}})
	m, state := s.Lab.State().Machines[0], s.Lab.State()
	var sites ingot.PartitionList
	if err := s.Client.List(ctx, &sites); err != nil || len(sites.Items) != 1 {
		t.Fatalf("%d partitions: %v", len(sites.Items), err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name + "-bmc"}, StringData: map[string]string{"username": state.Username, "password": state.Password}}
	if err := s.Client.Create(ctx, secret); err != nil {
		t.Fatal(err)
	}
	p := &sites.Items[0]
	before := p.DeepCopy()
	p.Spec.Discovery = &ingot.DiscoveryPolicy{Namespace: m.Namespace, BMCScan: &ingot.BMCScan{Ranges: []string{"127.0.0.1"}, RedfishPort: int32(m.BMCPort)}}
	if err := s.Client.Patch(ctx, p, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	var all ingot.DiscoveredHostList
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := s.Client.List(ctx, &all, client.InNamespace(m.Namespace))
		return err == nil && len(all.Items) == 1 && all.Items[0].Status.BMC != nil, err
	})
	if err != nil {
		t.Fatalf("the BMC is not found: %v; %+v", err, all.Items)
	}
	found := &all.Items[0]
	reaches(ctx, t, s, found, ingot.DiscoveryFound)
	if found.Spec.Source != ingot.SourceScan || found.Status.BMC.RedfishVersion == "" || found.Status.BMC.CertificateSHA256 == "" {
		t.Errorf("%+v, %+v", found.Spec, found.Status.BMC)
	}
	base := found.DeepCopy()
	// The certificate that it was found with is what it is known by from then on.
	found.Spec.Accept = &ingot.DiscoveryAcceptance{Name: m.Name, CredentialsName: secret.Name, BMCCertificate: "sha256:" + found.Status.BMC.CertificateSHA256, Online: true}
	if err := s.Client.Patch(ctx, found, client.MergeFrom(base)); err != nil {
		t.Fatal(err)
	}
	reaches(ctx, t, s, found, ingot.DiscoveryAccepted)
	provision(ctx, t, s, m)
}

// provision gives an accepted machine the site's image, and waits until it runs there.
func provision(ctx context.Context, t *testing.T, s *site.Site, m lab.Machine) {
	t.Helper()
	// The image is said of the host, as of any.
	h := &metal3.BareMetalHost{}
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: m.Name}, h); err != nil {
		t.Fatal(err)
	}
	before, want := h.DeepCopy(), s.Host(m)
	h.Spec.Image, h.Spec.RootDeviceHints = want.Spec.Image, want.Spec.RootDeviceHints
	if err := s.Client.Patch(ctx, h, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	if err := s.Await(ctx, m.Namespace, site.Provisioned(1)); err != nil {
		t.Fatal(err)
	}
	checkDisks(t, s)
	checkLogs(t, s)
}

// reaches waits for a phase of the object's present generation.
func reaches(ctx context.Context, t *testing.T, s *site.Site, o *ingot.DiscoveredHost, want ingot.DiscoveryPhase) {
	t.Helper()
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(o), o)
		return err == nil && o.Status.Phase == want && o.Status.ObservedGeneration == o.Generation, err
	})
	if err != nil {
		t.Fatalf("%s does not become %s: %v; it says %+v", o.Name, want, err, o.Status)
	}
}
