package lifecycle

import (
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is the facts of a healthy, registered host in a state.
func at(s metal3.ProvisioningState) journey.Facts {
	h := &metal3.BareMetalHost{
		ObjectMeta: metav1.ObjectMeta{Name: "h", Namespace: "n", UID: "u", Generation: 1, Finalizers: []string{metal3.BareMetalHostFinalizer}},
		Spec: metal3.BareMetalHostSpec{Online: true, BMC: metal3.BMCDetails{Address: "redfish-virtualmedia://b", CredentialsName: "s"},
			AutomatedCleaningMode: metal3.CleaningModeMetadata, Architecture: "x86_64"},
	}
	h.Status.Provisioning.State = s
	h.Status.OperationalStatus = metal3.OperationalStatusOK
	h.Status.GoodCredentials = metal3.CredentialsStatus{Reference: &corev1.SecretReference{Name: "s", Namespace: "n"}, Version: "1"}
	h.Status.TriedCredentials = h.Status.GoodCredentials
	switch s {
	case metal3.StateProvisioning, metal3.StateProvisioned, metal3.StateDeprovisioning:
		h.Spec.Image = &metal3.Image{URL: goodImage, Checksum: goodSum}
		h.Status.Provisioning.Image = *h.Spec.Image
	case metal3.StateExternallyProvisioned:
		h.Spec.ExternallyProvisioned = true
	default: // the other states ask nothing of the spec
	}
	return journey.Facts{
		Host: h, Record: ingot.HostLifecycleStatus{BMC: &ingot.BMCStatus{Address: h.Spec.BMC.Address, SystemUUID: "m", Capabilities: []string{"virtual-media"}}},
		Credentials: journey.Credentials{Named: true, Found: true, Complete: true, Version: "1"},
		Power:       journey.PowerReading{State: journey.PowerOn, ReadAt: noon.Add(-time.Second)},
		Site:        journey.Site{VirtualMedia: true, PXE: true},
	}
}

// change is one fact that differs from the healthy host's.
type change func(*journey.Facts)

func annotation(name, value string) change {
	return func(f *journey.Facts) { metav1.SetMetaDataAnnotation(&f.Host.ObjectMeta, name, value) }
}

func removed(f *journey.Facts) {
	t := metav1.NewTime(noon)
	f.Host.DeletionTimestamp = &t
}

// expectation is what a cell of the table must be; empty fields are not looked at.
type expectation struct {
	state  metal3.ProvisioningState
	reason journey.Reason
	kind   journey.OutcomeKind
}

// TestEveryStateWithEveryFact is the table state × fact for what cuts across all stages, and the first step of each stage.
func TestEveryStateWithEveryFact(t *testing.T) {
	for name, column := range columns() {
		for _, s := range journey.States() {
			t.Run(name+"/"+string(s), func(t *testing.T) {
				f := at(s)
				for _, c := range column.changes {
					c(&f)
				}
				before := f.Host.DeepCopy()
				dec := Decide(f, noon)
				for _, v := range journey.Check(f, dec) {
					t.Error(v)
				}
				if !equality.Semantic.DeepEqual(before, f.Host) {
					t.Error("the facts were edited")
				}
				want := column.want(s)
				got := expectation{dec.Host.Status.Provisioning.State, dec.Outcome.Reason, dec.Outcome.Kind}
				if want.state != got.state || want.reason != "" && want.reason != got.reason || want.kind != "" && want.kind != got.kind {
					t.Errorf("got %+v (%s), want %+v", got, dec.Outcome.Message, want)
				}
			})
		}
	}
}

type column struct {
	changes []change
	want    func(metal3.ProvisioningState) expectation
}

func columns() map[string]column {
	stay := func(r journey.Reason, k journey.OutcomeKind) func(metal3.ProvisioningState) expectation {
		return func(s metal3.ProvisioningState) expectation { return expectation{s, r, k} }
	}
	return map[string]column{
		"healthy":                  {nil, firstStep},
		"paused":                   {[]change{annotation(metal3.PausedAnnotation, "")}, stay(journey.ReasonPaused, journey.Done)},
		"paused and deleted":       {[]change{annotation(metal3.PausedAnnotation, ""), removed}, stay(journey.ReasonPaused, journey.Done)},
		"without finalizer":        {[]change{func(f *journey.Facts) { f.Host.Finalizers = nil }}, stay(journey.ReasonObjectsChanged, journey.Wait)},
		"deleted":                  {[]change{removed}, onTheWayOut},
		"deleted, finalizer gone":  {[]change{removed, func(f *journey.Facts) { f.Host.Finalizers = nil }}, stay(journey.ReasonGone, journey.Done)},
		"deleted and detached":     {[]change{removed, annotation(metal3.DetachedAnnotation, `{"force":true}`)}, lettingGo},
		"deleted, deletion delays": {[]change{removed, annotation(metal3.DetachedAnnotation, `{"force":true,"deleteAction":"delay"}`)}, delaying},
		"detached":                 {[]change{annotation(metal3.DetachedAnnotation, "")}, detaching(false)},
		"detached by force":        {[]change{annotation(metal3.DetachedAnnotation, `{"force":true}`)}, detaching(true)},
		"attached again": {[]change{func(f *journey.Facts) { f.Host.Status.OperationalStatus = metal3.OperationalStatusDetached }},
			stay(journey.ReasonObjectsChanged, journey.Wait)},
		"new credentials":                           {[]change{func(f *journey.Facts) { f.Credentials.Version = "2" }}, verifying},
		"another address":                           {[]change{func(f *journey.Facts) { f.Host.Spec.BMC.Address = "redfish://c" }}, verifying},
		"secret missing":                            {[]change{func(f *journey.Facts) { f.Credentials = journey.Credentials{Named: true} }}, secretMissing},
		"namespace not bound":                       {[]change{unbound}, barredThere},
		"namespace not bound, deleted":              {[]change{unbound, removed}, stay(journey.ReasonNamespaceNotBound, journey.Wait)},
		"namespace not bound, deleted and detached": {[]change{unbound, removed, annotation(metal3.DetachedAnnotation, `{"force":true}`)}, lettingGo},
		"namespace not bound, detached":             {[]change{unbound, annotation(metal3.DetachedAnnotation, `{"force":true}`)}, detaching(true)},
		"namespace not bound, deleted before its Secret was ever read": {[]change{unbound, removed, func(f *journey.Facts) {
			f.Host.Status.GoodCredentials, f.Host.Status.TriedCredentials = metal3.CredentialsStatus{}, metal3.CredentialsStatus{}
		}}, onTheWayOut},
		"error of a registration that works": {[]change{func(f *journey.Facts) {
			f.Host.Status.ErrorType, f.Host.Status.ErrorMessage = metal3.RegistrationError, "no"
		}}, overcoming},
		"error of a provisioned host's registration that works": {[]change{func(f *journey.Facts) {
			f.Host.Status.ErrorType, f.Host.Status.ErrorMessage = metal3.ProvisionedRegistrationError, "no"
		}}, overcoming},
		"error of a registration that does not work": {[]change{func(f *journey.Facts) {
			f.Host.Status.ErrorType, f.Host.Status.ErrorMessage, f.Credentials.Version = metal3.RegistrationError, "no", "2"
		}}, verifying},
		"lost record": {[]change{func(f *journey.Facts) { f.Record = ingot.HostLifecycleStatus{} }}, verifying},
	}
}

// firstStep is what each stage does first with a healthy host.
func firstStep(s metal3.ProvisioningState) expectation {
	return map[metal3.ProvisioningState]expectation{
		metal3.StateNone:                    {metal3.StateRegistering, journey.ReasonStageChanged, journey.Wait},
		metal3.StateUnmanaged:               {metal3.StateRegistering, journey.ReasonStageChanged, journey.Wait},
		metal3.StateRegistering:             {s, journey.ReasonVerifying, journey.Act},
		metal3.StateMatchProfile:            {metal3.StatePreparing, journey.ReasonStageChanged, journey.Wait},
		metal3.StateInspecting:              {s, journey.ReasonOpeningWindow, journey.Act},
		metal3.StatePreparing:               {s, journey.ReasonOpeningWindow, journey.Act},
		metal3.StateReady:                   {metal3.StateAvailable, journey.ReasonStageChanged, journey.Wait},
		metal3.StateAvailable:               {s, journey.ReasonAvailable, journey.Done},
		metal3.StateProvisioning:            {s, journey.ReasonOpeningWindow, journey.Act},
		metal3.StateProvisioned:             {s, journey.ReasonProvisioned, journey.Done},
		metal3.StateExternallyProvisioned:   {s, journey.ReasonExternallyProvisioned, journey.Done},
		metal3.StateDeprovisioning:          {s, journey.ReasonOpeningWindow, journey.Act},
		metal3.StatePoweringOffBeforeDelete: {s, journey.ReasonPowerChanging, journey.Act},
		metal3.StateDeleting:                {s, journey.ReasonReleasing, journey.Act},
	}[s]
}

func onTheWayOut(s metal3.ProvisioningState) expectation {
	switch s {
	case metal3.StateNone, metal3.StateUnmanaged, metal3.StateRegistering:
		return expectation{metal3.StateDeleting, journey.ReasonStageChanged, journey.Wait}
	case metal3.StateProvisioning, metal3.StateProvisioned:
		return expectation{metal3.StateDeprovisioning, journey.ReasonStageChanged, journey.Wait}
	case metal3.StateDeprovisioning, metal3.StatePoweringOffBeforeDelete, metal3.StateDeleting:
		return firstStep(s)
	default:
		return expectation{metal3.StatePoweringOffBeforeDelete, journey.ReasonStageChanged, journey.Wait}
	}
}

func lettingGo(s metal3.ProvisioningState) expectation {
	if s == metal3.StatePoweringOffBeforeDelete || s == metal3.StateDeleting {
		return firstStep(s)
	}
	return expectation{metal3.StateDeleting, journey.ReasonStageChanged, journey.Wait}
}

func delaying(s metal3.ProvisioningState) expectation {
	if s == metal3.StatePoweringOffBeforeDelete || s == metal3.StateDeleting {
		return firstStep(s)
	}
	return expectation{s, journey.ReasonDeleteDelayed, journey.Wait}
}

func detaching(force bool) func(metal3.ProvisioningState) expectation {
	return func(s metal3.ProvisioningState) expectation {
		switch s {
		case metal3.StateProvisioned, metal3.StateExternallyProvisioned, metal3.StateAvailable, metal3.StateReady:
			return expectation{s, journey.ReasonDetached, journey.Wait}
		default:
		}
		if force {
			return expectation{s, journey.ReasonDetached, journey.Wait}
		}
		return firstStep(s)
	}
}

// beforeRegistration says which states have nothing to verify again.
func beforeRegistration(s metal3.ProvisioningState) bool {
	switch s {
	case metal3.StateNone, metal3.StateUnmanaged, metal3.StatePoweringOffBeforeDelete, metal3.StateDeleting:
		return true
	default:
		return false
	}
}

func verifying(s metal3.ProvisioningState) expectation {
	if beforeRegistration(s) {
		return firstStep(s)
	}
	return expectation{s, journey.ReasonVerifying, journey.Act}
}

// overcoming: what is left of an error goes.
func overcoming(s metal3.ProvisioningState) expectation {
	if beforeRegistration(s) || s == metal3.StateRegistering {
		return firstStep(s)
	}
	return expectation{s, journey.ReasonObjectsChanged, journey.Wait}
}

func secretMissing(s metal3.ProvisioningState) expectation {
	if beforeRegistration(s) {
		return firstStep(s)
	}
	return expectation{s, journey.ReasonCredentialsMissing, journey.Wait}
}

// unbound: the partition role may not read Secrets in the host's namespace.
func unbound(f *journey.Facts) {
	f.Credentials = journey.Credentials{Named: true, Forbidden: true}
}

func barredThere(s metal3.ProvisioningState) expectation {
	if s == metal3.StateNone || s == metal3.StateUnmanaged {
		return firstStep(s)
	}
	return expectation{s, journey.ReasonNamespaceNotBound, journey.Wait}
}

// TestBarredIsNoError: that the right to read Secrets is not there yet leaves nothing in the host's status, and says what gives it.
func TestBarredIsNoError(t *testing.T) {
	w := newWorld(1, nil)
	w.secret.barred = true
	dec := w.until(t, "barred", reason(journey.ReasonNamespaceNotBound))
	s := dec.Host.Status
	if s.ErrorType != "" || s.ErrorCount != 0 || s.TriedCredentials.Reference != nil || dec.Record.Failure != nil || dec.Action != nil {
		t.Fatalf("status %+v, failure %+v, action %v", s, dec.Record.Failure, dec.Action)
	}
	if !strings.Contains(dec.Outcome.Fix, "--namespace="+w.host.Namespace) || dec.Outcome.NextAttempt.IsZero() {
		t.Errorf("%+v", dec.Outcome)
	}
	w.secret.barred = false
	w.until(t, "inspecting", inState(metal3.StateInspecting))
}

func TestUnknownState(t *testing.T) {
	f := at("flying")
	if dec := Decide(f, noon); dec.Outcome.Reason != journey.ReasonUnknownState || dec.Outcome.Kind != journey.Blocked {
		t.Fatalf("%+v", dec.Outcome)
	}
	removed(&f)
	if dec := Decide(f, noon); dec.Host.Status.Provisioning.State != metal3.StatePoweringOffBeforeDelete {
		t.Fatalf("%+v", dec.Outcome)
	}
}

// TestBadHosts: each gets a clear error on the object and a word on what to do.
// tarball asks for the unpacking of a root file system, with one thing changed.
func tarball(change func(f *journey.Facts)) func(f *journey.Facts) {
	return func(f *journey.Facts) {
		f.Host.Spec.CustomDeploy = &metal3.CustomDeploy{Method: ingot.DeployTarball}
		f.Host.Spec.Image = &metal3.Image{URL: "http://a/root.tar.zst", Checksum: "c"}
		change(f)
	}
}

// partitionImage asks for a file system that becomes the root.
func partitionImage(change func(f *journey.Facts)) func(f *journey.Facts) {
	return func(f *journey.Facts) {
		f.Host.Spec.CustomDeploy = &metal3.CustomDeploy{Method: ingot.DeployPartitionImage}
		f.Host.Spec.Image = &metal3.Image{URL: "http://a/root.qcow2", Checksum: "c"}
		change(f)
	}
}

func TestBadHosts(t *testing.T) {
	image := func(i metal3.Image) change {
		return func(f *journey.Facts) { f.Host.Spec.Image = &i }
	}
	format := func(s string) *string { return &s }
	for name, c := range map[string]struct {
		state   metal3.ProvisioningState
		change  change
		message string
	}{
		"no BMC":               {metal3.StateNone, func(f *journey.Facts) { f.Host.Spec.BMC = metal3.BMCDetails{} }, "names no BMC"},
		"no credentials name":  {metal3.StateRegistering, func(f *journey.Facts) { f.Host.Spec.BMC.CredentialsName = ""; f.Credentials = journey.Credentials{} }, "both an address"},
		"no address":           {metal3.StateRegistering, func(f *journey.Facts) { f.Host.Spec.BMC.Address = "" }, "both an address"},
		"incomplete secret":    {metal3.StateRegistering, func(f *journey.Facts) { f.Credentials.Complete = false }, "lacks a username"},
		"hardware RAID":        {metal3.StatePreparing, withRAID(&metal3.RAIDConfig{HardwareRAIDVolumes: []metal3.HardwareRAIDVolume{{Level: "5", PhysicalDisks: []string{"a", "b"}, Controller: "c"}}}), "needs 3"},
		"both kinds of RAID":   {metal3.StatePreparing, withRAID(&metal3.RAIDConfig{HardwareRAIDVolumes: []metal3.HardwareRAIDVolume{{Level: "1"}}, SoftwareRAIDVolumes: []metal3.SoftwareRAIDVolume{{Level: "1"}}}), "both"},
		"software RAID":        {metal3.StatePreparing, withRAID(&metal3.RAIDConfig{SoftwareRAIDVolumes: []metal3.SoftwareRAIDVolume{{Level: "0"}}}), "has to be level 1"},
		"firmware":             {metal3.StatePreparing, func(f *journey.Facts) { f.Host.Spec.Firmware = &metal3.FirmwareConfig{} }, "firmware"}, //nolint:staticcheck // deprecated, but still in the API
		"ftp image":            {metal3.StateAvailable, image(metal3.Image{URL: "ftp://a/b", Checksum: "c"}), "is not http(s)"},
		"file image":           {metal3.StateAvailable, image(metal3.Image{URL: "file:///etc/passwd", Checksum: "c"}), "is not http(s)"},
		"image without host":   {metal3.StateAvailable, image(metal3.Image{URL: "http:///b", Checksum: "c"}), "is not http(s)"},
		"image URL unreadable": {metal3.StateAvailable, image(metal3.Image{URL: "http://a/%zz", Checksum: "c"}), "cannot be read"},
		"image without sum":    {metal3.StateAvailable, image(metal3.Image{URL: "http://a/b"}), "no checksum"},
		"unknown sum type":     {metal3.StateAvailable, image(metal3.Image{URL: "http://a/b", Checksum: "c", ChecksumType: "crc32"}), "crc32"},
		"vmdk":                 {metal3.StateAvailable, image(metal3.Image{URL: "http://a/b", Checksum: "c", DiskFormat: format("vmdk")}), "vmdk"},
		"live ISO without media": {metal3.StateAvailable, func(f *journey.Facts) {
			f.Host.Spec.Image, f.Record.BMC.Capabilities = &metal3.Image{URL: "http://a/b", DiskFormat: format("live-iso")}, nil
		}, "live ISO"},
		"live ISO by FTP":               {metal3.StateAvailable, image(metal3.Image{URL: "ftp://a/b", DiskFormat: format("live-iso")}), "is not http(s)"},
		"OCI without repository":        {metal3.StateAvailable, image(metal3.Image{URL: "oci://a"}), "names no repository"},
		"OCI with a password":           {metal3.StateAvailable, image(metal3.Image{URL: "oci://u:p@a/b"}), "ociAuthSecretName"},
		"OCI with a sums file":          {metal3.StateAvailable, image(metal3.Image{URL: "oci://a/b", Checksum: "https://a/SHA256SUMS"}), "sums file"},
		"OCI with md5":                  {metal3.StateAvailable, image(metal3.Image{URL: "oci://a/b", Checksum: "c", ChecksumType: metal3.MD5}), "md5"},
		"OCI as vmdk":                   {metal3.StateAvailable, image(metal3.Image{URL: "oci://a/b", DiskFormat: format("vmdk")}), "vmdk"},
		"OCI as live ISO":               {metal3.StateAvailable, image(metal3.Image{URL: "oci://a/b", DiskFormat: format("live-iso")}), "cannot come from an OCI registry"},
		"a pull secret and no registry": {metal3.StateAvailable, image(metal3.Image{URL: "http://a/b", Checksum: "c", OCIAuthSecretName: format("s")}), "pull secret"},
		"custom deploy":                 {metal3.StateAvailable, func(f *journey.Facts) { f.Host.Spec.CustomDeploy = &metal3.CustomDeploy{Method: "m"} }, "custom deploy"},
		"tarball without layout":        {metal3.StateAvailable, tarball(func(*journey.Facts) {}), "names none"},
		"tarball as qcow2":              {metal3.StateAvailable, tarball(func(f *journey.Facts) { f.Host.Spec.Image.DiskFormat = format("qcow2") }), "unpacks a tar archive"},
		"tarball without sum":           {metal3.StateAvailable, tarball(func(f *journey.Facts) { f.Layout.Name, f.Host.Spec.Image.Checksum = "server", "" }), "no checksum"},
		"tarball with a wrong layout": {metal3.StateAvailable, tarball(func(f *journey.Facts) {
			f.Layout = journey.LayoutFact{Name: "server", Problem: "the FilesystemLayout server is wrong: partitions[0].name"}
		}), "partitions[0].name"},
		"partition image as live ISO": {metal3.StateAvailable, partitionImage(func(f *journey.Facts) { f.Host.Spec.Image.DiskFormat = format("live-iso") }), "live-iso"},
		"partition image without sum": {metal3.StateAvailable, partitionImage(func(f *journey.Facts) { f.Host.Spec.Image.Checksum = "" }), "no checksum"},
		"partition image as vmdk":     {metal3.StateAvailable, partitionImage(func(f *journey.Facts) { f.Host.Spec.Image.DiskFormat = format("vmdk") }), "vmdk"},
		"partition image with a wrong layout": {metal3.StateAvailable, partitionImage(func(f *journey.Facts) {
			f.Layout = journey.LayoutFact{Name: "server", Problem: "the FilesystemLayout server is wrong: filesystems[0].label"}
		}), "filesystems[0].label"},
		"no virtual media here": {metal3.StateInspecting, func(f *journey.Facts) { f.Site.VirtualMedia = false }, "this site serves none"},
		"BMC has no media":      {metal3.StateInspecting, func(f *journey.Facts) { f.Record.BMC.Capabilities = nil }, "the BMC has none"},
		"no boot MAC": {metal3.StateInspecting, func(f *journey.Facts) {
			f.Host.Spec.BMC.Address, f.Record.BMC.Address, f.Record.BMC.Capabilities = "redfish://b", "redfish://b", nil
		}, "boot MAC"},
		"no inventory": {metal3.StateInspecting, func(f *journey.Facts) { f.Host.Spec.InspectionMode = journey.InspectionModeFast }, "no inventory"},
		"no way to boot": {metal3.StateInspecting, func(f *journey.Facts) {
			f.Host.Spec.BMC.Address, f.Record.BMC.Address, f.Site = "redfish://b", "redfish://b", journey.Site{}
		}, "serves neither"},
	} {
		t.Run(name, func(t *testing.T) {
			f := at(c.state)
			c.change(&f)
			if c.state == metal3.StatePreparing {
				now := metav1.NewTime(noon)
				f.Record.CleanedAt = &now
			}
			dec := Decide(f, noon)
			if c.state == metal3.StateAvailable && dec.Outcome.Kind == journey.Wait {
				t.Fatalf("went on: %s", dec.Outcome.Message)
			}
			s := dec.Host.Status
			if dec.Outcome.Kind != journey.Blocked || dec.Outcome.Fix == "" || !strings.Contains(dec.Outcome.Message, c.message) {
				t.Fatalf("%+v", dec.Outcome)
			}
			if c.state != metal3.StateNone && (s.ErrorMessage != dec.Outcome.Message || s.OperationalStatus != metal3.OperationalStatusError) {
				t.Fatalf("the object says %q", s.ErrorMessage)
			}
			for _, v := range journey.Check(f, dec) {
				t.Error(v)
			}
		})
	}
}

func withRAID(r *metal3.RAIDConfig) change { return func(f *journey.Facts) { f.Host.Spec.RAID = r } }

// FuzzAnnotations: whatever stands in an annotation, in whatever state, a decision is made and holds the invariants.
func FuzzAnnotations(f *testing.F) {
	names := []string{metal3.StatusAnnotation, metal3.HardwareDetailsAnnotation, metal3.DetachedAnnotation, metal3.RebootAnnotationPrefix,
		metal3.RebootAnnotationPrefix + "/k", metal3.InspectAnnotationPrefix, metal3.PausedAnnotation}
	for i, seed := range []string{`{"provisioning":{"state":"provisioned","ID":"x"},"operationalStatus":"OK","poweredOn":true,"errorMessage":"","errorCount":0}`,
		`{"nics":[{"mac":"52:54:00:00:00:01"}]}`, `{"deleteAction":"delay","force":true}`, `{"mode":"hard","force":true}`, "", "disabled", "{", "[1]"} {
		f.Add(uint8(i), uint8(i), seed, false)
		f.Add(uint8(0), uint8(i), seed, true)
	}
	f.Fuzz(func(t *testing.T, state, name uint8, value string, gone bool) {
		facts := at(journey.States()[int(state)%len(journey.States())])
		annotation(names[int(name)%len(names)], value)(&facts)
		if gone {
			removed(&facts)
		}
		for _, v := range journey.Check(facts, Decide(facts, noon)) {
			t.Error(v)
		}
	})
}
