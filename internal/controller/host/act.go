package host

import (
	"context"
	"fmt"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host/agentbook"
	"github.com/ingotmetal/ingot/internal/controller/host/bootwindow"
	"github.com/ingotmetal/ingot/internal/controller/host/components"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
	"github.com/ingotmetal/ingot/tracing"
)

// act does one action. What needs the BMC runs beside the work queue (started is true) and wakes the host when it ended; the rest is done at once. An error is a broken
// world (the API server), never a refusal: those are failures in the result.
func (r *Reconciler) act(ctx context.Context, v *view, a journey.Action, now time.Time) (started bool, err error) {
	result := &journey.ActionResult{Action: a.Name()}
	switch a := a.(type) {
	case journey.OpenWindow:
		result.BootID = a.BootID
		result.Failure, err = r.openWindow(ctx, v, a, now)
	case journey.RunStep:
		r.askStep(v, a, now)
		return false, nil
	case journey.SaveHardware:
		err = r.hardware.Save(ctx, v.host, a.Hardware)
	case journey.Release:
		if started, err := r.releaseLogin(ctx, v, now); started || err != nil {
			return started, err
		}
		err = r.release(ctx, v)
	default:
		return r.actOnBMC(ctx, v, a, result, now)
	}
	if err != nil {
		return false, err
	}
	r.memories.with(keyOf(v.host), v.host.UID, func(m *memory) { m.result = result })
	return false, nil
}

// actOnBMC starts an action that talks to the BMC.
func (r *Reconciler) actOnBMC(ctx context.Context, v *view, a journey.Action, result *journey.ActionResult, now time.Time) (started bool, err error) {
	w, err := r.bmcWork(ctx, v, a, result)
	if err != nil {
		return false, err
	}
	c, err := r.credentialsOf(ctx, v.host, v.facts.Record.Failure, now)
	if err != nil {
		return false, err
	}
	if c.fact.Forbidden {
		// Nothing is tried with the credentials that we do not have: a BMC counts failed logins.
		result.Failure = &step.Failure{Kind: step.Busy, Message: "the Secrets of namespace " + v.host.Namespace + " may not be read yet"}
		r.memories.with(keyOf(v.host), v.host.UID, func(m *memory) { m.result = result })
		return false, nil
	}
	w.target = r.target(v.host, c)
	result.Generation, result.CredentialsVersion, result.CertificatePin = v.host.Generation, c.fact.Version, w.target.CertificatePin
	key, uid := keyOf(v.host), v.host.UID
	r.memories.with(key, uid, func(m *memory) { m.begin(a) })
	r.hands.run(func(ctx context.Context) {
		if reason := r.refuseAction(ctx, key, uid, a); reason != "" {
			r.log.Info("BMC action not done", "machine", w.name, "step", a.Name(), "err", reason)
			r.memories.finish(key, uid, func(m *memory) { m.busy = false })
			r.wakeSoon(key)
			return
		}
		r.doOnBMC(ctx, w, a, result)
		if change, ok := a.(journey.SetPower); ok && result.Failure == nil {
			r.metrics.metal3.Power(key, change.Want)
		}
		r.memories.finish(key, uid, func(m *memory) { m.take(w, result) })
		r.wake(key)
	})
	return true, nil
}

// doOnBMC runs the work on a session and turns an error into the result's failure.
func (r *Reconciler) doOnBMC(ctx context.Context, w *bmcWork, a journey.Action, result *journey.ActionResult) {
	ctx, cancel := context.WithTimeout(ctx, components.Patience(a, r.config.BMCTimeout))
	defer cancel()
	started := r.now()
	err := r.useBMC(ctx, w, a, func(s bmc.Session) error { return w.do(ctx, s, result) })
	if err != nil {
		result.Failure = bmc.FailureOf(err)
	}
	r.metrics.action(a.Name(), result.Failure, r.now().Sub(started))
	if f := result.Failure; f != nil {
		r.log.Info("BMC action failed", "machine", w.name, "bmc", w.target.Address, "step", a.Name(), "kind", f.Kind, "err", f.Message)
	}
}

// take brings an ended BMC action into the memory.
func (m *memory) take(w *bmcWork, result *journey.ActionResult) {
	m.busy, m.result = false, result
	if result.Power != nil {
		m.power = *result.Power
	}
	if w.media != nil {
		m.media = *w.media
	}
	if result.Failure != nil && result.Failure.Kind == step.Denied {
		m.credentialsAt = time.Time{}
	}
}

// bmcWork is the arm of each action on the BMC.
func (r *Reconciler) bmcWork(ctx context.Context, v *view, a journey.Action, result *journey.ActionResult) (*bmcWork, error) {
	w, now := &bmcWork{name: keyOf(v.host).String(), host: v.host, site: v.partition.Spec.BMCAccount}, r.now
	switch a := a.(type) {
	case journey.Verify:
		w.do = func(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
			if err := verify(ctx, s, now, out); err != nil {
				return err
			}
			var err error
			out.Failure, err = r.machineOfAnother(ctx, v.host, v.facts.Record.BMC, out.BMC)
			return err
		}
	case journey.ReadPower:
		w.do = func(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
			if err := r.vitals.Read(ctx, s, v.host.UID, now, out); err != nil || v.facts.Record.Drive == nil {
				return err // what is in a drive matters only while it is the owner's
			}
			return w.readMedia(ctx, s)
		}
	case journey.ReadInventory:
		w.do = func(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
			return inventory(ctx, s, out)
		}
	case journey.SetPower:
		w.do = func(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
			return setPower(ctx, s, a, now, w.note, out)
		}
	case journey.Restart:
		w.do = func(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
			return reset(ctx, s, a, now, w.note, out)
		}
	case journey.CloseWindow:
		if err := r.windows.Close(ctx, v.host.UID, ""); err != nil {
			return nil, err
		}
		w.do = func(ctx context.Context, s bmc.Session, _ *journey.ActionResult) error {
			return w.ejectOurs(ctx, s, ownersMedium(&v.facts.Record))
		}
	case journey.EjectMedium:
		w.do = func(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
			return ejectMedium(ctx, s, w.note, out)
		}
	case journey.StartAgent, journey.BootISO, journey.BootDisk:
		return w, r.bootWork(ctx, w, v.host, a, result)
	default:
		return w, r.firmwareWork(w, v.host, a)
	}
	return w, nil
}

// bootWork is the arm of each action that starts the machine. The agent's boot has a window of its own, which is open by now; any other boot ends those of the boots before it.
func (r *Reconciler) bootWork(ctx context.Context, w *bmcWork, host *metal3.BareMetalHost, a journey.Action, result *journey.ActionResult) error {
	switch a := a.(type) {
	case journey.StartAgent:
		result.BootID = a.BootID
		start, err := r.agentStart(ctx, a)
		if err != nil {
			return err
		}
		w.do = func(ctx context.Context, s bmc.Session, _ *journey.ActionResult) error {
			return startAgent(ctx, s, start, w.note)
		}
	case journey.BootISO:
		result.BootID = a.BootID
		if err := r.windows.Close(ctx, host.UID, a.BootID); err != nil {
			return err
		}
		w.do = func(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
			return bootISO(ctx, s, a, w.note, out)
		}
	case journey.BootDisk:
		result.BootID = a.BootID
		if err := r.windows.Close(ctx, host.UID, a.BootID); err != nil {
			return err
		}
		w.do = func(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
			if err := bootDisk(ctx, s, a, w.note); err != nil {
				return err
			}
			glance(ctx, s, r.now, out)
			return nil
		}
	}
	return nil
}

func (r *Reconciler) openWindow(ctx context.Context, v *view, a journey.OpenWindow, now time.Time) (*step.Failure, error) {
	var network []byte
	if a.Purpose == ingot.PurposeAgent {
		value, problem, err := r.secretValue(ctx, v.host, refsOf(v.host).preprovisioning, keyNetworkData)
		if err != nil {
			return nil, err
		}
		if problem != "" {
			return &step.Failure{Kind: step.Invalid, Message: problem}, nil
		}
		if network, problem = asJSON(keyNetworkData, value); problem != "" {
			return &step.Failure{Kind: step.Invalid, Message: problem}, nil
		}
	}
	macs, failure, err := r.windowMACs(ctx, v.host, bootwindow.MACs(v.host, v.facts.Hardware))
	if failure != nil || err != nil {
		return failure, err
	}
	if len(macs) == 0 && a.Method == ingot.MethodPXE {
		return &step.Failure{Kind: step.Invalid, Message: "no MAC address of this host is its own alone: the boot server could not tell its machine", Fix: "set spec.bootMACAddress"}, nil
	}
	var trace tracing.Parent
	if r.traces != nil {
		trace = tracing.Open(v.host, &v.facts.Record)
	}
	_, failure, err = r.windows.Open(ctx, bootwindow.Request{
		BootID: a.BootID, Host: v.host, Purpose: a.Purpose, Method: a.Method, ClosesIn: time.Duration(a.ClosesInSeconds) * time.Second,
		Partition: v.partition, MACAddresses: macs,
		HTTPBootEndpoint: r.config.HTTPBootEndpoint,
		AgentEndpoint:    r.config.AgentEndpoint, CABundle: r.config.CABundle, NetworkData: network,
		FirmwareMode: v.host.BootMode(), Architecture: architectureOf(v.host), TPM: a.TPM, Trace: trace,
	}, now)
	return failure, err
}

func (r *Reconciler) agentStart(ctx context.Context, a journey.StartAgent) (agentStart, error) {
	url, err := r.mediaURL(ctx, a)
	return agentStart{StartAgent: a, url: url, authorities: string(r.config.HTTPBootCA)}, err
}

// mediaURL is where the BMC, or the firmware, fetches this boot's medium; empty with PXE.
func (r *Reconciler) mediaURL(ctx context.Context, a journey.StartAgent) (string, error) {
	if a.Method != ingot.MethodVirtualMedia && a.Method != ingot.MethodUEFIHTTP {
		return "", nil
	}
	w, err := r.windows.Get(ctx, a.BootID)
	if err != nil {
		return "", err
	}
	if w == nil {
		return "", fmt.Errorf("boot window %s is gone before the machine was started", a.BootID)
	}
	if a.Method == ingot.MethodUEFIHTTP {
		return w.Spec.BootURI, nil
	}
	return r.config.MediaEndpoint + "/media/" + w.Spec.MediaName + ".iso", nil
}

func (r *Reconciler) askStep(v *view, a journey.RunStep, now time.Time) {
	b := v.facts.Record.Boot
	if b == nil {
		return
	}
	key, boot := keyOf(v.host), b.ID
	r.agents.Ask(boot, agentbook.Want{ID: a.ID, Kind: a.Kind, Deadline: a.Deadline, Build: r.builder(key, v.host.UID, boot, a)}, now)
}

// release lets go of everything that outlives the host.
func (r *Reconciler) release(ctx context.Context, v *view) error {
	if err := r.windows.Close(ctx, v.host.UID, ""); err != nil {
		return err
	}
	if b := v.facts.Record.Boot; b != nil {
		r.agents.End(b.ID, r.now())
	}
	if err := r.hardware.Release(ctx, keyOf(v.host)); err != nil {
		return err
	}
	r.hushed(keyOf(v.host), v.host.UID)
	return r.releaseSecret(ctx, v.host)
}

// removeFinalizer is the last write to a host.
func (r *Reconciler) removeFinalizer(ctx context.Context, host *metal3.BareMetalHost) error {
	i := slices.Index(host.Finalizers, metal3.BareMetalHostFinalizer)
	if i < 0 {
		return nil
	}
	rest := slices.Delete(slices.Clone(host.Finalizers), i, i+1)
	return client.IgnoreNotFound(r.patchHost(ctx, host, finalizerOperations(host.Finalizers, rest)))
}

// ownersMedium is the URL of what the host's owner has in the virtual drive, empty for nothing.
func ownersMedium(r *ingot.HostLifecycleStatus) string {
	if r.Drive == nil || r.Drive.EjectedAt != nil {
		return ""
	}
	return r.Drive.URL
}

func architectureOf(host *metal3.BareMetalHost) string {
	if host.Spec.Architecture != "" {
		return host.Spec.Architecture
	}
	return "x86_64"
}
