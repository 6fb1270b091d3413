package journey

import (
	"cmp"
	"fmt"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/step"
)

// OtherMachine is a failure when an agent answers from another machine than the host's: its system UUID (SMBIOS type 1) is not the one that the host's agent had when it was
// first let in, or not the one that the BMC reports. Nil where they agree, or where one of them says nothing.
//
// The BMC is only asked where the machine was found by its MAC address: a virtual medium was inserted by that very BMC, and many BMCs report a UUID of their own.
func OtherMachine(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus, agent string) *step.Failure {
	if differ(agent, r.MachineUUID) {
		return &step.Failure{
			Kind:    step.Invalid,
			Message: fmt.Sprintf("the agent answers from the machine with UUID %s, and this host is the machine with UUID %s: nothing is done to it", agent, r.MachineUUID),
			Fix:     "correct the BMC's address or spec.bootMACAddress; where the machine was replaced, or got another mainboard, delete the host and create it again",
		}
	}
	scheme, _, _ := strings.Cut(strings.ToLower(h.Spec.BMC.Address), ":")
	if b := r.BMC; b != nil && !strings.Contains(scheme, "virtualmedia") && differ(agent, b.SystemUUID) {
		return &step.Failure{
			Kind: step.Invalid,
			Message: fmt.Sprintf("the agent answers from the machine with UUID %s, and the BMC at %s is of the machine with UUID %s: nothing is done to it",
				agent, h.Spec.BMC.Address, b.SystemUUID),
			Fix: "delete the host and create it with its own spec.bootMACAddress; if the BMC reports a wrong UUID, use a virtual media address, which needs no MAC",
		}
	}
	return nil
}

// KnownUUID says whether a UUID tells machines apart: it is one, and was set.
func KnownUUID(uuid string) bool { return digits(uuid) != "" }

// differ: two UUIDs are known and are not of one machine. SMBIOS stores the first three fields with their low byte first (DSP0134, System UUID), and some BMCs pass them on like that.
func differ(a, b string) bool {
	x, y := digits(a), digits(b)
	return x != "" && y != "" && x != y && x != swapped(y)
}

// digits are the 32 hex digits of a UUID, empty for what is none or was never set.
func digits(uuid string) string {
	d := strings.ToLower(strings.ReplaceAll(uuid, "-", ""))
	if len(d) != 32 || strings.Trim(d, "0123456789abcdef") != "" || strings.Trim(d, d[:1]) == "" {
		return ""
	}
	return d
}

// swapped turns the bytes of the first three fields round.
func swapped(d string) string {
	var out strings.Builder
	for _, field := range []string{d[:8], d[8:12], d[12:16]} {
		for i := len(field); i > 0; i -= 2 {
			out.WriteString(field[i-2 : i])
		}
	}
	return out.String() + d[16:]
}

// TPMDemand is what a boot of the host's agent by this method asks of the machine's TPM: the host's own annotation, else the site's policy; and the endorsement key that the operator names, else
// the one that was pinned.
func TPMDemand(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus, site ingot.TPMPolicy, how ingot.BootMethod) (attest.Demand, error) {
	own, err := attest.ParsePolicy(h.Annotations[ingot.TPMAnnotation])
	if err != nil {
		return attest.Demand{}, fmt.Errorf("the annotation %s: %w", ingot.TPMAnnotation, err)
	}
	sites := site.NetworkBoot
	if how == ingot.MethodVirtualMedia || how == ingot.MethodUEFIHTTP {
		// Both carry the token over TLS.
		sites = site.VirtualMedia
	}
	d := attest.Demand{Policy: cmp.Or(own, attest.Policy(sites), attest.Default)}
	named, gone, err := namedKey(h)
	switch {
	case err != nil:
		return attest.Demand{}, err
	case gone && d.Policy == attest.Require:
		return attest.Demand{}, fmt.Errorf("the annotation %s says that the machine has no TPM, and its policy requires one: set the annotation %s to prefer", ingot.EndorsementKeyAnnotation, ingot.TPMAnnotation)
	case gone:
	case named != "":
		d.EndorsementKey = named
	case r.TPM != nil:
		d.EndorsementKey = r.TPM.EndorsementKey
	}
	return d, nil
}

// namedKey is the operator's word about the endorsement key. Gone: the machine has no TPM any more.
func namedKey(h *metal3.BareMetalHost) (fingerprint string, gone bool, err error) {
	text := strings.TrimSpace(h.Annotations[ingot.EndorsementKeyAnnotation])
	switch {
	case text == "":
		return "", false, nil
	case strings.EqualFold(text, attest.NoTPM):
		return "", true, nil
	}
	if fingerprint, err = attest.ParseFingerprint(text); err != nil {
		return "", false, fmt.Errorf("the annotation %s: %w, or %q", ingot.EndorsementKeyAnnotation, err, attest.NoTPM)
	}
	return fingerprint, false, nil
}

// RepinFix says what to do when a machine's TPM is another one than before.
func RepinFix(shown string) string {
	if shown == "" {
		return fmt.Sprintf("turn the TPM on in the firmware's setup; if the machine has none any more, set the annotation %s to %q; else somebody on the provisioning network tries this boot's token",
			ingot.EndorsementKeyAnnotation, attest.NoTPM)
	}
	return fmt.Sprintf("if the machine's TPM or mainboard was replaced, set the annotation %s to %s; else somebody on the provisioning network tries this boot's token",
		ingot.EndorsementKeyAnnotation, shown)
}

// EvidenceOf is the evidence in the judgement's words; nil stays nil.
func EvidenceOf(e *ingot.TPMEvidence) *attest.Evidence {
	if e == nil {
		return nil
	}
	return &attest.Evidence{EndorsementKey: e.EndorsementKey, Algorithm: e.Algorithm, At: e.ProvedAt.Time}
}

// OtherTPM is a failure when the agent that was let in for a boot proved another TPM than the host's. It holds for every policy but never.
func OtherTPM(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus, w *ingot.BootWindow) *step.Failure {
	if w.Status.TPM == nil {
		return nil
	}
	demand, err := TPMDemand(h, r, ingot.TPMPolicy{}, w.Spec.Method)
	if err != nil {
		return nil //nolint:nilerr // an annotation that cannot be read lets no agent in, and is said where the window is opened
	}
	if demand.Satisfies(EvidenceOf(w.Status.TPM)) {
		return nil
	}
	return &step.Failure{
		Kind: step.Invalid,
		Message: fmt.Sprintf("the agent answers from the machine whose TPM has the endorsement key %s, and that of this host is %s: nothing is done to it",
			w.Status.TPM.EndorsementKey, demand.EndorsementKey),
		Fix: RepinFix(w.Status.TPM.EndorsementKey),
	}
}

// PinTPM takes what an agent's TPM proved into the record. The first key is pinned, as is one that the operator names; a key that the operator says is gone is dropped.
func (d *Draft) PinTPM(w *ingot.BootWindow) {
	_, gone, err := namedKey(d.Host)
	switch e := w.Status.TPM; {
	case err != nil:
	case gone:
		d.Record.TPM = nil
	case e == nil:
	case d.Record.TPM != nil && d.Record.TPM.EndorsementKey == e.EndorsementKey:
		d.Record.TPM = &ingot.TPMStatus{TPMEvidence: *e.DeepCopy(), PinnedAt: d.Record.TPM.PinnedAt, BootID: w.Name}
	default:
		d.Record.TPM = &ingot.TPMStatus{TPMEvidence: *e.DeepCopy(), PinnedAt: *d.Stamp(), BootID: w.Name}
	}
}
