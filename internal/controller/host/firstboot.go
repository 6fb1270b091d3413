package host

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/run"
	"github.com/ingotmetal/ingot/step"
)

// The kinds of error towards systems that report.
var (
	// ErrNoReportDue: the host is unknown, or owes no report.
	ErrNoReportDue = errors.New("no first-boot report is due")
	// ErrTokenChanged: the host was provisioned anew meanwhile.
	ErrTokenChanged = errors.New("the first-boot token changed")
)

// FirstBootReport is what a provisioned system says of itself. It is a tenant's word.
type FirstBootReport struct {
	Hostname, Kernel, InstanceID string
}

// prepareFirstBoot puts the hash of the first-boot token into the record in the same write that names the step, before the token leaves for the machine.
func (r *Reconciler) prepareFirstBoot(v *view, d *journey.Decision) {
	a, ok := d.Action.(journey.RunStep)
	if !ok || a.Kind != step.WriteImage {
		return
	}
	hash := hashToken(r.firstBootToken(v.host.UID, a.ID))
	if f := d.Record.FirstBoot; f == nil || f.TokenHash != hash {
		d.Record.FirstBoot = &ingot.FirstBootStatus{TokenHash: hash}
	}
}

// firstBootToken is the one-time credential in the config drive of one write: 256 bits that only the holder of the partition's key can make. It is derived
// and not drawn, so that a step that is handed out again after a restart carries the token that the record knows the hash of, and no token stands in any object.
func (r *Reconciler) firstBootToken(host types.UID, stepID string) secret.String {
	m := hmac.New(sha256.New, []byte(r.config.FirstBootKey.Reveal()))
	// The separator cannot be part of a UID.
	_, _ = fmt.Fprintf(m, "first-boot\x00%s\x00%s", host, stepID)
	return secret.New(base64.RawURLEncoding.EncodeToString(m.Sum(nil)))
}

func hashToken(t secret.String) string {
	sum := sha256.Sum256([]byte(t.Reveal()))
	return hex.EncodeToString(sum[:])
}

// FirstBootTokenHash is the hash of the token that the host's system owes a report with.
func (r *Reconciler) FirstBootTokenHash(ctx context.Context, key types.NamespacedName) (string, error) {
	l, err := r.firstBootRecord(ctx, key)
	if err != nil {
		return "", err
	}
	return l.Status.FirstBoot.TokenHash, nil
}

// SaveFirstBoot keeps the report. One that is there already stays as it is: the token is worth one report.
func (r *Reconciler) SaveFirstBoot(ctx context.Context, key types.NamespacedName, tokenHash string, report FirstBootReport) error {
	const tries = 5
	for range tries {
		l, err := r.firstBootRecord(ctx, key)
		if err != nil {
			return err
		}
		if l.Status.FirstBoot.TokenHash != tokenHash {
			return ErrTokenChanged
		}
		if l.Status.FirstBoot.ReportedAt != nil {
			return nil
		}
		was := l.Status.DeepCopy()
		at := metav1.NewTime(r.now())
		l.Status.FirstBoot.ReportedAt = &at
		l.Status.FirstBoot.Hostname, l.Status.FirstBoot.Kernel, l.Status.FirstBoot.InstanceID = report.Hostname, report.Kernel, report.InstanceID
		if l.Status.Outcome.Reason == string(journey.ReasonProvisioned) {
			// As the next look would say; it then has nothing to write.
			l.Status.Outcome.Message = run.Reported(at.Time)
		}
		is := l.Status.DeepCopy() // the answer may hold no more than the metadata
		err = r.cached.Status().Update(ctx, l)
		if err == nil {
			r.firstBootDone(ctx, key, report, was, is)
			return nil
		}
		if !apierrors.IsConflict(err) {
			return fmt.Errorf("write first-boot report of %s: %w", key, err)
		}
	}
	return fmt.Errorf("write first-boot report of %s: the record changed %d times meanwhile", key, tries)
}

// RedeemFirstBoot notes the key that a Firewall's machine trades its token for. The same key may come again, since an answer may have been lost; another one is ErrNoReportDue.
func (r *Reconciler) RedeemFirstBoot(ctx context.Context, key types.NamespacedName, tokenHash, keyHash string) error {
	l, err := r.firstBootRecord(ctx, key)
	if err != nil {
		return err
	}
	f := l.Status.FirstBoot
	switch {
	case f.TokenHash != tokenHash:
		return ErrTokenChanged
	case f.IdentityKeyHash == keyHash:
		return nil
	case f.IdentityKeyHash != "":
		return ErrNoReportDue
	}
	f.IdentityKeyHash = keyHash
	err = r.cached.Status().Update(ctx, l)
	if apierrors.IsConflict(err) {
		return ErrTokenChanged
	}
	if err != nil {
		return fmt.Errorf("write whom the first-boot token of %s was traded with: %w", key, err)
	}
	return nil
}

// firstBootRecord reads a record that has a first-boot token. The watch's copy will do: this role alone writes records, and sees its own writes there.
func (r *Reconciler) firstBootRecord(ctx context.Context, key types.NamespacedName) (*ingot.HostLifecycle, error) {
	// The names are a stranger's word.
	if len(validation.IsDNS1123Label(key.Namespace)) > 0 || len(validation.IsDNS1123Subdomain(key.Name)) > 0 {
		return nil, ErrNoReportDue
	}
	l := &ingot.HostLifecycle{}
	err := r.cached.Get(ctx, key, l)
	if apierrors.IsNotFound(err) {
		return nil, ErrNoReportDue
	}
	if err != nil {
		return nil, fmt.Errorf("read HostLifecycle %s: %w", key, err)
	}
	if l.Labels[ingot.PartitionLabel] != r.config.Partition || l.Status.FirstBoot == nil || l.Status.FirstBoot.TokenHash == "" {
		return nil, ErrNoReportDue
	}
	return l, nil
}

// firstBootDone tells people and has the host looked at, which closes its window.
func (r *Reconciler) firstBootDone(ctx context.Context, key types.NamespacedName, report FirstBootReport, was, is *ingot.HostLifecycleStatus) {
	host := &metal3.BareMetalHost{}
	if err := r.cached.Get(ctx, key, host); err == nil {
		r.trace(host, was, is)
		r.events.Eventf(host, nil, corev1.EventTypeNormal, "FirstBootReported", "first-boot", "the installed system reported as %q", report.Hostname)
	}
	r.log.Info("first boot reported", "machine", key.String(), "hostname", report.Hostname)
	r.wake(key)
}
