package partition

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controller/host/bootwindow"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
)

// agentObjects joins the agents' server and the host controller, which know nothing of each other.
type agentObjects struct{ hosts *host.Reconciler }

var (
	_ agentapi.Windows    = agentObjects{}
	_ agentapi.Boots      = agentObjects{}
	_ agentapi.FirstBoots = agentObjects{}
)

// Window implements agentapi.Windows.
func (o agentObjects) Window(ctx context.Context, bootID string) (agentapi.Window, error) {
	w, err := o.hosts.WindowForAgent(ctx, bootID)
	if err != nil {
		return agentapi.Window{}, err
	}
	if w == nil {
		return agentapi.Window{}, agentapi.ErrUnknown
	}
	out := agentapi.Window{
		BootID: bootID, Version: w.ResourceVersion, TokenHash: w.Spec.TokenHash, KeyHash: w.Status.AgentKeyHash,
		OpensAt: w.Spec.OpensAt.Time, ClosesAt: w.Spec.ClosesAt.Time,
	}
	if t := w.Spec.TPM; t != nil {
		out.TPM = attest.Demand{Policy: attest.Policy(t.Use), EndorsementKey: t.EndorsementKey}
	}
	if w.Spec.Method == ingot.MethodPXE {
		out.MACAddresses = w.Spec.MACAddresses
	}
	return out, nil
}

// Redeem implements agentapi.Windows.
func (o agentObjects) Redeem(ctx context.Context, w agentapi.Window, e agentapi.Enrolment) error {
	return written(o.hosts.Redeemed(ctx, w.BootID, w.Version, bootwindow.Redemption{KeyHash: e.KeyHash, SystemUUID: e.SystemUUID, TPM: e.TPM}))
}

// Refused implements agentapi.Windows.
func (o agentObjects) Refused(ctx context.Context, w agentapi.Window, r agentapi.Refusal) error {
	return written(o.hosts.RefusedAgent(ctx, w.BootID, w.Version, r.Reason, r.EndorsementKey))
}

// written puts what came of a write into the server's words.
func written(err error) error {
	switch {
	case apierrors.IsConflict(err):
		return agentapi.ErrConflict
	case apierrors.IsNotFound(err):
		return agentapi.ErrUnknown
	}
	return err
}

// Report implements agentapi.Boots.
func (o agentObjects) Report(ctx context.Context, bootID string, at protocol.ExchangeRequest) error {
	return spoken(o.hosts.Report(ctx, bootID, at))
}

// Wanted implements agentapi.Boots.
func (o agentObjects) Wanted(ctx context.Context, bootID string) (agentapi.Wanted, error) {
	w, err := o.hosts.Wanted(ctx, bootID)
	return agentapi.Wanted{Superseded: w.Over, Step: w.Step, Changed: w.Changed}, spoken(err)
}

// FirstBootTokenHash implements agentapi.FirstBoots.
func (o agentObjects) FirstBootTokenHash(ctx context.Context, namespace, name string) (string, error) {
	hash, err := o.hosts.FirstBootTokenHash(ctx, types.NamespacedName{Namespace: namespace, Name: name})
	return hash, spoken(err)
}

// SaveFirstBoot implements agentapi.FirstBoots.
func (o agentObjects) SaveFirstBoot(ctx context.Context, namespace, name, tokenHash string, r agentapi.FirstBoot, _ time.Time) error {
	report := host.FirstBootReport{Hostname: r.Hostname, Kernel: r.Kernel, InstanceID: r.InstanceID}
	return spoken(o.hosts.SaveFirstBoot(ctx, types.NamespacedName{Namespace: namespace, Name: name}, tokenHash, report))
}

// spoken puts the controller's errors into the server's words.
func spoken(err error) error {
	switch {
	case errors.Is(err, host.ErrBootOver), errors.Is(err, host.ErrNoReportDue):
		return agentapi.ErrUnknown
	case errors.Is(err, host.ErrTokenChanged):
		return agentapi.ErrConflict
	}
	return err
}
