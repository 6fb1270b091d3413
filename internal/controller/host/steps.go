package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/controller/host/layout"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/lifecycle"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// errNotNow: the objects no longer want the step. The controller decides anew.
var errNotNow = errors.New("the step is not wanted any more")

func notNow(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errNotNow, fmt.Sprintf(format, args...))
}

// defaultDeadline is for steps that their decision gave none.
const defaultDeadline = 2 * time.Hour

// builder makes the step when the agent takes it. Between the decision and that moment the host may have been deleted, paused or given to another boot, so host and record
// are read again, for a step that writes from the API server itself, and it is given out only if they want it still (architecture, property 1).
func (r *Reconciler) builder(key types.NamespacedName, uid types.UID, bootID string, a journey.RunStep) func(context.Context) (*protocol.Step, error) {
	return func(ctx context.Context) (*protocol.Step, error) {
		var from client.Reader = r.cached
		if destroys(a.Kind) {
			from = r.live
		}
		host, record, err := readBoth(ctx, from, key, uid)
		if err != nil {
			return nil, err
		}
		if reason := refuseStep(host, record, bootID, a); reason != "" {
			return nil, notNow("%s", reason)
		}
		s := &protocol.Step{ID: a.ID, Kind: a.Kind, Deadline: a.Deadline}
		if s.Deadline.IsZero() {
			s.Deadline = r.now().Add(defaultDeadline)
		}
		owns, err := journey.OwnDisks(host)
		if err != nil {
			return nil, notNow("%s", err)
		}
		erasure, err := erasureOf(host)
		if err != nil {
			return nil, notNow("%s", err)
		}
		switch a.Kind {
		case step.ChooseDisk:
			s.ChooseDisk = &protocol.ChooseDisk{Hints: hintsOf(host, &record.Status), Owns: owns, Erasure: erasure, Arrays: journey.Arrays(&record.Status)}
		case step.Clean:
			s.Clean = &protocol.Clean{Method: protocol.MethodMetadata, Owns: owns}
			if erasure != nil {
				s.Clean.Method, s.Clean.Erasure = protocol.MethodPolicy, erasure
			}
		case step.WriteImage:
			if s.WriteImage, err = r.writeImage(ctx, host, record, a, owns); err == nil {
				s.WriteImage.Erasure = erasure
			}
		case step.ConfigureRAID:
			s.ConfigureRAID = &protocol.ConfigureRAID{Volumes: journey.SoftwareRAID(host), Host: string(host.UID), Owns: owns, Erasure: erasure}
		case step.BurnIn:
			s.BurnIn, err = burnInOf(host, owns, erasure)
		case step.Inspect:
			s.Inspect, err = inspectionOf(host, owns)
		case step.LoadSystem:
			s.LoadSystem = &protocol.LoadSystem{Claim: claimedDisk(record.Status.Disk)}
		case step.PowerOff, step.EnterSystem: // the kind says all
		}
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// erasureOf is a host's policy, nil where it asks for nothing but metadata on every disk.
func erasureOf(host *metal3.BareMetalHost) (*step.Erasure, error) {
	e, err := journey.Erasure(host)
	if err != nil || e.Plain() {
		return nil, err
	}
	return &e, nil
}

// burnInOf is what a host asks to be tested; the wish was held against the record before.
func burnInOf(host *metal3.BareMetalHost, owns []step.Outside, erasure *step.Erasure) (*protocol.BurnIn, error) {
	plan, err := journey.BurnIn(host)
	if err != nil {
		return nil, notNow("%s", err)
	}
	return &protocol.BurnIn{Plan: plan, Owns: owns, Erasure: erasure}, nil
}

// inspectionOf is nil for an inspection that does what each does.
func inspectionOf(host *metal3.BareMetalHost, owns []step.Outside) (*protocol.Inspect, error) {
	benchmark, err := journey.Benchmark(host)
	if err != nil {
		return nil, notNow("%s", err)
	}
	if !benchmark {
		return nil, nil // an inspection has no parameters of its own
	}
	return &protocol.Inspect{Benchmark: true, Owns: owns}, nil
}

// destroys: the step changes what is on a disk, or may: a burn-in writes where its host asks for that.
func destroys(k step.Kind) bool {
	return k == step.Clean || k == step.WriteImage || k == step.ConfigureRAID || k == step.BurnIn
}

func readBoth(ctx context.Context, from client.Reader, key types.NamespacedName, uid types.UID) (*metal3.BareMetalHost, *ingot.HostLifecycle, error) {
	host, record := &metal3.BareMetalHost{}, &ingot.HostLifecycle{}
	for _, read := range []error{from.Get(ctx, key, host), from.Get(ctx, key, record)} {
		if apierrors.IsNotFound(read) {
			return nil, nil, notNow("the host is gone")
		}
		if read != nil {
			return nil, nil, fmt.Errorf("read %s right before a step: %w", key, read)
		}
	}
	if host.UID != uid || !metav1.IsControlledBy(record, host) {
		return nil, nil, notNow("the host was deleted and made again")
	}
	return host, record, nil
}

// refuseStep says why the objects do not want a step of this boot, empty when they do.
func refuseStep(host *metal3.BareMetalHost, l *ingot.HostLifecycle, bootID string, a journey.RunStep) string {
	switch s := l.Status; {
	case s.Boot == nil || s.Boot.ID != bootID:
		return "the host is at another boot"
	case s.Step == nil || s.Step.ID != a.ID || s.Step.Kind != string(a.Kind):
		return "the host is at another step"
	}
	if !destroys(a.Kind) {
		return ""
	}
	if _, paused := host.Annotations[metal3.PausedAnnotation]; paused {
		return "the host is paused"
	}
	if host.Status.OperationalStatus == metal3.OperationalStatusDetached || lifecycle.DetachWanted(host) {
		return "the host is detached"
	}
	switch a.Kind {
	case step.Clean:
		return refuseClean(host)
	case step.ConfigureRAID:
		return journey.RefuseRAID(host, &l.Status)
	case step.BurnIn:
		return journey.RefuseBurnIn(host, &l.Status)
	default:
	}
	return refuseWrite(host, l.Status.Disk, a)
}

// refuseClean: wiping has a place before a host is offered and when it is taken back, and nowhere else; and only while its owner has not turned it off.
func refuseClean(host *metal3.BareMetalHost) string {
	switch state := host.Status.Provisioning.State; state {
	case metal3.StatePreparing, metal3.StateDeprovisioning:
	default:
		return fmt.Sprintf("the host is %q, where nothing is wiped", state)
	}
	if host.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled {
		return "cleaning is disabled"
	}
	return ""
}

func refuseWrite(host *metal3.BareMetalHost, d *ingot.DiskClaim, a journey.RunStep) string {
	switch {
	case !host.DeletionTimestamp.IsZero():
		return "the host is being deleted"
	case host.Status.Provisioning.State != metal3.StateProvisioning:
		return fmt.Sprintf("the host is %q, where no image is written", host.Status.Provisioning.State)
	case host.Spec.Image == nil || host.Spec.Image.URL == "":
		return "the host has no image any more"
	case host.Status.Provisioning.Image.URL != host.Spec.Image.URL:
		return "the host asks for another image"
	case !equality.Semantic.DeepEqual(host.Status.Provisioning.RootDeviceHints, host.Spec.RootDeviceHints):
		return "the host has other root device hints than the disk was chosen by"
	case d == nil || a.Claim == nil || d.StepID != a.ID || *d != *a.Claim:
		return "the disk is not claimed for this step"
	case d.Written:
		return "the image is on the disk already"
	}
	return ""
}

// claimedDisk is a claim in the agent's words; the record is read for a step that is handed out after the claim was made.
func claimedDisk(c *ingot.DiskClaim) step.Disk {
	if c == nil {
		return step.Disk{}
	}
	return step.Disk{Name: c.DeviceName, SerialNumber: c.SerialNumber, WWN: c.WWN, SizeBytes: c.SizeBytes}
}

// writeImage fills in what the agent needs to write: where, what, and the config drive with its first-boot credential. The image is the one in the status, which says what
// is being written, whatever is edited in the spec meanwhile.
func (r *Reconciler) writeImage(ctx context.Context, host *metal3.BareMetalHost, l *ingot.HostLifecycle, a journey.RunStep, owns []step.Outside) (*protocol.WriteImage, error) {
	image := &host.Status.Provisioning.Image
	checksum, kind, err := image.GetChecksum()
	if err != nil {
		return nil, notNow("image of the host: %s", err)
	}
	if kind == "" {
		kind = string(metal3.AutoChecksum)
	}
	w := &protocol.WriteImage{
		Claim: claimedDisk(a.Claim),
		Hints: hintsOf(host, &l.Status), Owns: owns, Arrays: journey.Arrays(&l.Status),
		Image: protocol.Image{URL: image.URL, Checksum: checksum, ChecksumType: kind},
	}
	if f := image.DiskFormat; f != nil {
		w.Image.Format = *f
	}
	login, problem, err := r.imageLogin(ctx, host, image)
	if err != nil {
		return nil, err
	}
	if problem != "" {
		r.memories.finish(keyOf(host), host.UID, func(m *memory) { m.secretNames = "" })
		return nil, notNow("%s", problem)
	}
	w.Image.Login = login
	if err := r.tarball(ctx, host, l, w, a.ID); err != nil {
		return nil, err
	}
	w.ConfigDrive, err = r.configDrive(ctx, host, l, a.ID)
	return w, err
}

// tarball adds what makes a write the installation of a root file system by a layout, where the host was given one of those methods.
func (r *Reconciler) tarball(ctx context.Context, host *metal3.BareMetalHost, record *ingot.HostLifecycle, w *protocol.WriteImage, stepID string) error {
	p := host.Status.Provisioning
	if p.CustomDeploy == nil || p.CustomDeploy.Method == "" {
		return nil
	}
	fact, l, err := layout.Of(ctx, r.live, host, record.Status.Disk)
	switch {
	case err != nil:
		return err
	case fact.Problem != "", l == nil && p.CustomDeploy.Method != ingot.DeployPartitionImage:
		return notNow("the filesystem layout of the host cannot be used any more: %s", fact.Problem)
	case p.CustomDeploy.Method != ingot.DeployPartitionImage:
		w.Image.Format = protocol.FormatTarball
	case w.Image.Format == "":
		w.Image.Format = protocol.FormatFilesystem
	default:
		w.Image.Format = protocol.FormatFilesystem + "+" + w.Image.Format
	}
	w.Layout, w.Seed = l, stepID
	w.UEFI = p.BootMode != metal3.Legacy
	return nil
}

// hintsOf are the hints that the host was prepared with; before that, those that it asks for; without any, its first hardware volume.
func hintsOf(host *metal3.BareMetalHost, record *ingot.HostLifecycleStatus) *rootdevice.Hints {
	h := host.Status.Provisioning.RootDeviceHints
	if h == nil {
		h = host.Spec.RootDeviceHints
	}
	return journey.RootHints(host, record, h)
}
