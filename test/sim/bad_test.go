package sim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
)

// badCase is something bad that the API lets through, since it shows only in the world. (What the API refuses, with the field, is internal/install's table.)
type badCase struct {
	name string
	// host changes the good host; secrets are made beside it, by key; bmcSecret replaces the BMC's.
	host      func(*world, *metal3.BareMetalHost)
	secrets   map[string]map[string]string
	bmcSecret map[string]string
	faults    bmcsim.Faults
	// says are texts, all of which the object must show: in the host's error, or in its record's outcome. errorType is the host's, empty where it must have none.
	errorType metal3.ErrorType
	says      []string
}

// world is the site with what the bad cases need of it.
type world struct {
	*site.Site
	images *badImages
	bmcs   *badBMCs
}

func image(name string) func(*world, *metal3.BareMetalHost) {
	return func(w *world, h *metal3.BareMetalHost) { *h.Spec.Image = w.images.spec(name) }
}

func hints(r metal3.RootDeviceHints) func(*world, *metal3.BareMetalHost) {
	return func(_ *world, h *metal3.BareMetalHost) { h.Spec.RootDeviceHints = &r }
}

func address(change func(w *world, address string) string) func(*world, *metal3.BareMetalHost) {
	return func(w *world, h *metal3.BareMetalHost) { h.Spec.BMC.Address = change(w, h.Spec.BMC.Address) }
}

// serves points the host at a BMC of badBMCs, whose certificate nobody signed.
func serves(name string) func(*world, *metal3.BareMetalHost) {
	return func(w *world, h *metal3.BareMetalHost) {
		h.Spec.BMC.Address = "redfish-virtualmedia+" + w.bmcs.url(name) + "/redfish/v1/Systems/1"
		h.Spec.BMC.DisableCertificateVerification = true
	}
}

func badHosts() []badCase {
	const provisioning, registration, inspection = metal3.ProvisioningError, metal3.RegistrationError, metal3.InspectionError
	userData := func(_ *world, h *metal3.BareMetalHost) {
		h.Spec.UserData = &corev1.SecretReference{Name: h.Name + "-x"}
	}
	networkData := func(_ *world, h *metal3.BareMetalHost) {
		h.Spec.NetworkData = &corev1.SecretReference{Name: h.Name + "-x"}
	}
	metaData := func(_ *world, h *metal3.BareMetalHost) {
		h.Spec.MetaData = &corev1.SecretReference{Name: h.Name + "-x"}
	}
	return []badCase{
		{name: "no disk of that serial", host: hints(metal3.RootDeviceHints{SerialNumber: "NONE"}), errorType: provisioning, says: []string{"serial"}},
		{name: "no disk of that WWN", host: hints(metal3.RootDeviceHints{WWN: "0xdead"}), errorType: provisioning, says: []string{"wwn"}},
		{name: "no disk that large", host: hints(metal3.RootDeviceHints{MinSizeGigabytes: 4000}), errorType: provisioning, says: []string{"4000"}},
		{name: "no disk of that model", host: hints(metal3.RootDeviceHints{Model: "Floppy"}), errorType: provisioning, says: []string{"Floppy"}},
		{name: "no disk of that vendor", host: hints(metal3.RootDeviceHints{Vendor: "Quantum"}), errorType: provisioning, says: []string{"Quantum"}},
		{name: "no such device", host: hints(metal3.RootDeviceHints{DeviceName: "/dev/sdz"}), errorType: provisioning, says: []string{"/dev/sdz"}},
		{name: "no disk at that address", host: hints(metal3.RootDeviceHints{HCTL: "7:0:0:0"}), errorType: provisioning, says: []string{"7:0:0:0"}},
		{name: "hints that contradict", host: func(_ *world, h *metal3.BareMetalHost) { h.Spec.RootDeviceHints.Rotational = ptr.To(true) }, errorType: provisioning,
			says: []string{"rotational"}},

		{name: "user data missing", errorType: provisioning, host: userData, says: []string{"userData", "does not exist"}},
		{name: "user data without key", errorType: provisioning, host: userData, secrets: map[string]map[string]string{"x": {"data": "#cloud-config"}}, says: []string{`"userData"`, `"value"`}},
		{name: "network data is no YAML", errorType: provisioning, host: networkData, secrets: map[string]map[string]string{"x": {"networkData": "links: [\x00"}}, says: []string{"networkData", "neither YAML nor JSON"}},
		{name: "metadata is no map", errorType: provisioning, host: metaData, secrets: map[string]map[string]string{"x": {"metaData": "- a\n- b\n"}}, says: []string{"metaData", "no map"}},
		{name: "ramdisk network missing", host: func(_ *world, h *metal3.BareMetalHost) { h.Spec.PreprovisioningNetworkDataName = h.Name + "-x" }, errorType: inspection,
			says: []string{"does not exist"}},
		{name: "BMC password wrong", bmcSecret: map[string]string{"username": "admin", "password": "guess"}, errorType: registration, says: []string{"401"}},
		{name: "BMC password missing", bmcSecret: map[string]string{"username": "admin"}, errorType: registration, says: []string{"password"}},
		{name: "BMC user missing", bmcSecret: map[string]string{"password": "x"}, errorType: registration, says: []string{"username"}},
		{name: "custom deploy", host: func(_ *world, h *metal3.BareMetalHost) {
			h.Spec.Image, h.Spec.CustomDeploy = nil, &metal3.CustomDeploy{Method: "install_coreos"}
		}, errorType: provisioning, says: []string{"custom deploy", "not supported"}},
	}
}

func badImageCases() []badCase {
	const provisioning = metal3.ProvisioningError
	unsupported := func(change func(*metal3.Image)) func(*world, *metal3.BareMetalHost) {
		return func(_ *world, h *metal3.BareMetalHost) { change(h.Spec.Image) }
	}
	return []badCase{
		{name: "image is not there", host: image("missing"), errorType: provisioning, says: []string{"404"}},
		{name: "image's server has an error", host: image("error"), errorType: provisioning, says: []string{"500"}},
		{name: "image's server refuses", host: image("refused"), errorType: provisioning, says: []string{"refused"}},
		{name: "image forbidden", host: image("forbidden"), errorType: provisioning, says: []string{"403"}},
		{name: "image redirected to a file", host: image("redirect-file"), errorType: provisioning, says: []string{"file"}},
		{name: "image redirected for ever", host: image("redirect-loop"), errorType: provisioning, says: []string{"redirect"}},
		{name: "image always cut off", host: image("cut"), errorType: provisioning},
		{name: "image of another digest", host: image("digest"), errorType: provisioning, says: []string{"sha256"}},
		{name: "image is a web page", host: image("page"), errorType: provisioning, says: []string{"sha256"}},
		{name: "image is empty", host: image("empty"), errorType: provisioning},
		{name: "sums file is not there", host: image("no-sums"), errorType: provisioning, says: []string{"404"}},
		{name: "sums file does not name the image", host: image("other-sums"), errorType: provisioning, says: []string{"none of the sums file"}},
		{name: "zstd cut short", host: image("zstd-short"), errorType: provisioning},
		{name: "gzip with garbage", host: image("gzip-garbage"), errorType: provisioning},
		{name: "xz with garbage", host: image("xz-garbage"), errorType: provisioning},
		{name: "qcow2 that is none", host: image("qcow2-none"), errorType: provisioning, says: []string{"qcow2"}},
		{name: "qcow2 with a backing file", host: image("qcow2-backing"), errorType: provisioning, says: []string{"backing"}},
		{name: "qcow2 encrypted", host: image("qcow2-encrypted"), errorType: provisioning, says: []string{"encrypt"}},
		{name: "qcow2 cut short", host: image("qcow2-short"), errorType: provisioning},
		{name: "qcow2 larger than the disk", host: image("qcow2-large"), errorType: provisioning, says: []string{"disk"}},
		{name: "live ISO that is not there", host: func(w *world, h *metal3.BareMetalHost) {
			image("missing")(w, h)
			h.Spec.Image.DiskFormat, h.Spec.Image.Checksum, h.Spec.Image.ChecksumType = ptr.To("live-iso"), "", ""
		}, errorType: provisioning, says: []string{"insert virtual medium"}},
		{name: "OCI registry that nobody knows", host: unsupported(func(i *metal3.Image) {
			i.URL, i.DiskFormat, i.Checksum, i.ChecksumType = "oci://registry.test/debian:12", nil, "", ""
		}), errorType: provisioning, says: []string{"registry.test", "no such host"}},
		{name: "VMDK image", host: unsupported(func(i *metal3.Image) { i.DiskFormat = ptr.To("vmdk") }), errorType: provisioning, says: []string{"vmdk", "not supported"}},
	}
}

func badBMCCases() []badCase {
	const registration, inspection = metal3.RegistrationError, metal3.InspectionError
	return []badCase{
		{name: "BMC does not listen", host: address(func(w *world, _ string) string {
			return "redfish-virtualmedia+https://127.0.0.1:1/redfish/v1/Systems/1"
		}),
			errorType: registration, says: []string{"refused"}},
		{name: "BMC's name is unknown", host: address(func(*world, string) string {
			return "redfish-virtualmedia+https://no-such-bmc.invalid/redfish/v1/Systems/1"
		}),
			errorType: registration, says: []string{"no-such-bmc.invalid"}},
		{name: "nobody speaks IPMI there", host: address(func(*world, string) string { return "ipmi://127.0.0.1:1" }), errorType: registration, says: []string{"refused"}},
		{name: "BMC has no such system", host: address(func(_ *world, a string) string { return strings.TrimSuffix(a, "1") + "99" }), errorType: registration,
			says: []string{"Systems/99"}},
		{name: "plain HTTP to TLS", host: address(func(_ *world, a string) string { return strings.Replace(a, "+https", "+http", 1) }), errorType: registration},
		{name: "certificate that nobody signed", host: func(w *world, h *metal3.BareMetalHost) {
			serves("html")(w, h)
			h.Spec.BMC.DisableCertificateVerification = false
		}, errorType: registration, says: []string{"certificate"}},
		{name: "BMC answers with a web page", host: serves("html"), errorType: registration},
		{name: "BMC answers with half a JSON", host: serves("half"), errorType: registration},
		{name: "BMC answers with the wrong JSON", host: serves("list"), errorType: registration},
		{name: "BMC answers without end", host: serves("endless"), errorType: registration},
		{name: "BMC sends us elsewhere", host: serves("elsewhere"), errorType: registration},
		{name: "BMC knows no power state", host: serves("sideways"), errorType: registration, says: []string{"Sideways"}},
		{name: "BMC always fails", faults: bmcsim.Faults{ErrorChance: 1}, errorType: registration, says: []string{"500"}},
		{name: "BMC cuts every answer", faults: bmcsim.Faults{DropConnectionChance: 1}, errorType: registration},
		{name: "BMC is always busy", faults: bmcsim.Faults{BusyChance: 1}, says: []string{"503"}},
		{name: "BMC cannot insert media", faults: bmcsim.Faults{TaskFailure: true}, errorType: inspection},
		{name: "BMC never turns the machine on", faults: bmcsim.Faults{LostPowerChance: 1}, errorType: inspection, says: []string{"agent did not call"}},
	}
}

// Each bad thing gives a clear error on its object, writes no other disk, and loses nothing: once it is put right, every host is provisioned.
func TestBadInput(t *testing.T) {
	ctx := sitetest.Bounded(t)
	cases := append(append(badHosts(), badImageCases()...), badBMCCases()...)
	const atLeast = 40
	if len(cases) < atLeast {
		t.Fatalf("%d bad cases, at least %d are wanted", len(cases), atLeast)
	}
	w := &world{images: newBadImages(t), bmcs: newBadBMCs(t)}
	w.Site = sitetest.Start(t, site.Options{Args: []string{"--partition-arg=--boot-deadline=20s"}, Lab: lab.Options{
		Machines: len(cases), BMC: func(i int, c *bmcsim.Config) {
			c.Faults = cases[i].faults
			c.Personality.InsertByTask = cases[i].faults.TaskFailure
		},
	}})
	machines := w.Lab.State().Machines
	for i, c := range cases {
		w.enrol(ctx, t, machines[i], c)
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) { w.awaitError(ctx, t, machines[i], c) })
	}
	for i := range cases {
		w.repair(ctx, t, machines[i])
	}
	if err := w.Await(ctx, "default", site.Provisioned(len(cases))); err != nil {
		t.Error(err)
	}
	checkDisks(t, w.Site)
}

func (w *world) enrol(ctx context.Context, t *testing.T, m lab.Machine, c badCase) {
	t.Helper()
	for suffix, data := range c.secrets {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name + "-" + suffix}, StringData: data}
		if err := w.Client.Create(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	if c.bmcSecret != nil {
		// From the beginning: credentials that worked are kept for a while.
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name + "-bmc"}, StringData: c.bmcSecret}
		if err := w.Client.Create(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	err := w.Enrol(ctx, m, func(h *metal3.BareMetalHost) {
		if c.host != nil {
			c.host(w, h)
		}
	})
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
}

func (w *world) setSecret(ctx context.Context, t *testing.T, m lab.Machine, data map[string]string) {
	t.Helper()
	err := w.Await(ctx, m.Namespace, func([]metal3.BareMetalHost) bool {
		s := &corev1.Secret{}
		if w.Client.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: m.Name + "-bmc"}, s) != nil {
			return false
		}
		s.Data, s.StringData = nil, data
		return w.Client.Update(ctx, s) == nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// caseLimit bounds one case, so that one that fails does not take the others' time.
const caseLimit = 3 * time.Minute

// awaitError waits until the object shows what is wrong, in words and not only in a state.
func (w *world) awaitError(ctx context.Context, t *testing.T, m lab.Machine, c badCase) {
	var host metal3.BareMetalHost
	var record ingot.HostLifecycle
	ctx, cancel := context.WithTimeout(ctx, caseLimit)
	defer cancel()
	err := w.Await(ctx, m.Namespace, func([]metal3.BareMetalHost) bool {
		key := client.ObjectKey{Namespace: m.Namespace, Name: m.Name}
		if w.Client.Get(ctx, key, &host) != nil || w.Client.Get(ctx, key, &record) != nil {
			return false
		}
		shown := host.Status.ErrorMessage
		if c.errorType == "" {
			shown += " " + record.Status.Outcome.Message
		}
		if host.Status.ErrorType != c.errorType || strings.TrimSpace(shown) == "" {
			return false
		}
		for _, text := range c.says {
			if !strings.Contains(strings.ToLower(shown), strings.ToLower(text)) {
				return false
			}
		}
		return true
	})
	if err != nil {
		t.Fatalf("want %q with %q; the host has %q: %q, the record %+v", c.errorType, c.says, host.Status.ErrorType, host.Status.ErrorMessage, record.Status.Outcome)
	}
	t.Logf("%s: %s", host.Status.ErrorType, host.Status.ErrorMessage)
}

// repair puts everything about a machine right.
func (w *world) repair(ctx context.Context, t *testing.T, m lab.Machine) {
	t.Helper()
	w.Lab.BMC(m.Name).SetFaults(bmcsim.Faults{})
	state := w.Lab.State()
	w.setSecret(ctx, t, m, map[string]string{"username": state.Username, "password": state.Password})
	var last error
	err := w.Await(ctx, m.Namespace, func(all []metal3.BareMetalHost) bool {
		for i := range all {
			if h := &all[i]; h.Name == m.Name {
				h.Spec = w.Host(m).Spec
				h.Spec.Description = "repaired"
				last = w.Client.Update(ctx, h)
				return last == nil
			}
		}
		return false
	})
	if err != nil {
		t.Errorf("repair %s: %v: %v", m.Name, err, last)
	}
}
