package sim_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
)

// TestFirmwareIsUpdatedOnTheWay: over real Redfish, one machine gets a new BMC, which is gone for its restart, and a new BIOS before its image; another one's update fails, and says so until it is corrected.
// Then the first is serviced at a reboot, with its system left as it is.
func TestFirmwareIsUpdatedOnTheWay(t *testing.T) {
	ctx := sitetest.Bounded(t)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: 2}})
	machines := s.Lab.State().Machines
	good, bad := machines[0], machines[1]
	s.Lab.BMC(good.Name).SetFaults(bmcsim.Faults{BMCRestartMilliseconds: 3000})
	s.Lab.BMC(bad.Name).SetFaults(bmcsim.Faults{UpdateFailure: true})
	bmcURL, biosURL, nicURL := offer(t, s, "bmc", "9.9"), offer(t, s, "bios", "8.8"), offer(t, s, "nic:NIC1", "23.1")
	askUpdates(t, ctx, s, good, metal3.FirmwareUpdate{Component: "bmc", URL: bmcURL}, metal3.FirmwareUpdate{Component: "bios", URL: biosURL})
	askUpdates(t, ctx, s, bad, metal3.FirmwareUpdate{Component: "bios", URL: biosURL})
	for _, m := range machines {
		if err := s.Enrol(ctx, m, nil); err != nil {
			t.Fatal(err)
		}
	}
	await(t, ctx, s, "the failed update is an error of its host", func(hosts map[string]*metal3.BareMetalHost) bool {
		h := hosts[bad.Name]
		return h.Status.ErrorType == metal3.PreparationError && strings.Contains(h.Status.ErrorMessage, "could not be verified (simulated fault)")
	})
	s.Lab.BMC(bad.Name).SetFaults(bmcsim.Faults{})
	// This time the partition role fetches the image, holds it against its digest, and sends it to the BMC.
	askUpdates(t, ctx, s, bad, metal3.FirmwareUpdate{Component: "bios", URL: biosURL + "?again#sha256=" + digest(t, "bios", "8.8") + "&push"})
	if err := s.Await(ctx, "default", site.Provisioned(len(machines))); err != nil {
		t.Fatal(err)
	}
	wantVersions(t, ctx, s, good, map[string]string{"bmc": "9.9", "bios": "8.8", "nic:NIC1": "22.31.6"})
	wantVersions(t, ctx, s, bad, map[string]string{"bmc": "1.0", "bios": "8.8", "nic:NIC1": "22.31.6"})
	if asked := s.Lab.BMC(good.Name).FirmwareAsked(); len(asked) != 2 {
		t.Errorf("the BMC was asked for %v", asked)
	}
	if sent := s.Lab.BMC(bad.Name).FirmwarePushed(); len(sent) != 1 || sent[0].SHA256 != digest(t, "bios", "8.8") || sent[0].File != "bios.fw" {
		t.Errorf("the BMC was sent %+v", sent)
	}

	if err := s.Client.Create(ctx, &metal3.HostUpdatePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: good.Namespace, Name: good.Name},
		Spec: metal3.HostUpdatePolicySpec{FirmwareSettings: metal3.HostUpdatePolicyOnReboot, FirmwareUpdates: metal3.HostUpdatePolicyOnReboot}}); err != nil {
		t.Fatal(err)
	}
	askUpdates(t, ctx, s, good, metal3.FirmwareUpdate{Component: "nic:NIC1", URL: nicURL})
	askSetting(t, ctx, s, good, "BootRetries", 7)
	host := &metal3.BareMetalHost{}
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: good.Namespace, Name: good.Name}, host); err != nil {
		t.Fatal(err)
	}
	before := host.DeepCopy()
	host.Annotations = map[string]string{metal3.RebootAnnotationPrefix: `{"mode":"hard"}`}
	if err := s.Client.Patch(ctx, host, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, s, "the machine is serviced and runs", func(hosts map[string]*metal3.BareMetalHost) bool {
		h := hosts[good.Name]
		return s.Lab.BMC(good.Name).FirmwareVersion("nic:NIC1") == "23.1" && s.Lab.BMC(good.Name).BIOSSettings()["BootRetries"] == "7" && !serviced(ctx, t, s, good) &&
			h.Status.Provisioning.State == metal3.StateProvisioned && h.Status.PoweredOn && h.Status.OperationalStatus == metal3.OperationalStatusOK
	})
	wantVersions(t, ctx, s, good, map[string]string{"bmc": "9.9", "bios": "8.8", "nic:NIC1": "23.1"})
	checkDisks(t, s)
	checkLogs(t, s)
}

// offer puts an image of firmware on the lab's image server.
func offer(t *testing.T, s *site.Site, component, version string) string {
	t.Helper()
	image, err := bmcsim.FirmwareImage(component, version)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ReplaceAll(component, ":", "-") + ".fw"
	if err := s.WriteImageFile(name, image); err != nil {
		t.Fatal(err)
	}
	return s.Lab.State().ImageURL + "/" + name
}

// digest is that of an image for a component.
func digest(t *testing.T, component, version string) string {
	t.Helper()
	image, err := bmcsim.FirmwareImage(component, version)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(image)
	return hex.EncodeToString(sum[:])
}

// askUpdates makes the host's HostFirmwareComponents, or changes its spec.
func askUpdates(t *testing.T, ctx context.Context, s *site.Site, m lab.Machine, updates ...metal3.FirmwareUpdate) {
	t.Helper()
	o := &metal3.HostFirmwareComponents{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name}}
	err := s.Client.Get(ctx, client.ObjectKeyFromObject(o), o)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	missing, before := err != nil, o.DeepCopy()
	o.Spec.Updates = updates
	if missing {
		err = s.Client.Create(ctx, o)
	} else {
		err = s.Client.Patch(ctx, o, client.MergeFrom(before))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func askSetting(t *testing.T, ctx context.Context, s *site.Site, m lab.Machine, name string, value int32) {
	t.Helper()
	o := &metal3.HostFirmwareSettings{}
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: m.Name}, o); err != nil {
		t.Fatal(err)
	}
	before := o.DeepCopy()
	o.Spec.Settings = metal3.DesiredSettingsMap{name: intstr.FromInt32(value)}
	if err := s.Client.Patch(ctx, o, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// await waits for what the hosts show, by name.
func await(t *testing.T, ctx context.Context, s *site.Site, what string, holds func(map[string]*metal3.BareMetalHost) bool) {
	t.Helper()
	err := s.Await(ctx, "default", func(hosts []metal3.BareMetalHost) bool {
		byName := map[string]*metal3.BareMetalHost{}
		for i := range hosts {
			byName[hosts[i].Name] = &hosts[i]
		}
		return len(byName) == len(s.Lab.State().Machines) && holds(byName)
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func serviced(ctx context.Context, t *testing.T, s *site.Site, m lab.Machine) bool {
	t.Helper()
	l := &ingot.HostLifecycle{}
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: m.Name}, l); err != nil {
		t.Fatal(err)
	}
	return l.Status.Servicing != nil
}

// wantVersions holds the BMC's own versions and the object's status against what they should be.
func wantVersions(t *testing.T, ctx context.Context, s *site.Site, m lab.Machine, want map[string]string) {
	t.Helper()
	o := &metal3.HostFirmwareComponents{}
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: m.Name}, o); err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, c := range o.Status.Components {
		shown[c.Component] = c.CurrentVersion
	}
	for component, version := range want {
		if has := s.Lab.BMC(m.Name).FirmwareVersion(component); has != version || shown[component] != version {
			t.Errorf("%s of %s is %s, and the status says %s; want %s", component, m.Name, has, shown[component], version)
		}
	}
	if len(o.Status.Updates) != len(o.Spec.Updates) {
		t.Errorf("of %v the status says that %v were done", o.Spec.Updates, o.Status.Updates)
	}
}
