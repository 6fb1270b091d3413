package issue

import (
	"fmt"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

const (
	// settling is how long a new object may take to be taken up, and a deadline to be acted on.
	settling = 5 * time.Minute
	// unseen is how long nobody may look at a host after it was due: metal-stack's bound for what BMCs report.
	unseen = 20 * time.Minute
	// outdated is how old the evidence of the hardware may be.
	outdated = 180 * 24 * time.Hour
	// waiting is how long a machine may take to be ready: large ones are slow to start.
	waiting = 30 * time.Minute
	// looping is how many failures in a row are no accident.
	looping = 3
)

// host finds what is wrong with one host by itself.
func host(h *Host, now time.Time) []finding {
	all := append(custody(h, now), failing(h)...)
	all = append(all, evidence(h, now)...)
	for i := range all {
		all[i].name = h.Name
	}
	return all
}

// custody is whether somebody looks after the host.
func custody(h *Host, now time.Time) []finding {
	var all []finding
	young := now.Sub(h.CreatedAt) < settling
	o := h.Outcome
	switch {
	case h.Left || young && !h.Recorded:
	case !h.Recorded && h.Partition == "":
		all = append(all, finding{id: NoPartition, cause: "it has no label ingot.dev/partition, and no partition has taken it by itself", since: h.CreatedAt})
	case !h.Recorded:
		all = append(all, finding{id: NoLifecycle, cause: fmt.Sprintf("partition %s has made no HostLifecycle for it", h.Partition), since: h.CreatedAt})
	case !o.NextAttempt.IsZero() && now.Sub(o.NextAttempt) > unseen:
		all = append(all, finding{id: LivelinessUnknown, cause: "it was to be looked at again at " + stamp(o.NextAttempt), since: o.NextAttempt})
	case !o.Deadline.IsZero() && now.Sub(o.Deadline) > settling:
		all = append(all, finding{id: Overdue, cause: fmt.Sprintf("%s, until %s", o.Message, stamp(o.Deadline)), remedy: o.Fix, since: o.Deadline})
	}
	if h.BMCAddress == "" && !young {
		all = append(all, finding{id: NoBMC, cause: "spec.bmc.address is empty", since: h.CreatedAt})
	}
	if !h.SilentSince.IsZero() && !h.Left && now.Sub(h.SilentSince) > settling {
		all = append(all, finding{id: AgentSilent, cause: "it last called before " + stamp(h.SilentSince), since: h.SilentSince})
	}
	return all
}

// failing is what does not work, said once: the most telling word for a failure is the only one, beside that it goes on and on.
func failing(h *Host) []finding {
	var all []finding
	f, o := h.Failure, h.Outcome
	switch reason := journey.Reason(o.Reason); {
	case f != nil:
		all = append(all, finding{id: kindOf(h), cause: f.Message, remedy: f.Fix, since: f.At})
	case reason == journey.ReasonCredentialsMissing || reason == journey.ReasonCredentialsIncomplete:
		all = append(all, finding{id: CredentialsMissing, cause: o.Message, remedy: o.Fix, since: o.Since})
	case o.Blocked && reason != journey.ReasonNoBMC:
		all = append(all, finding{id: Blocked, cause: o.Message, remedy: o.Fix, since: o.Since})
	case h.LastFailed != "":
		all = append(all, finding{id: LastStepFailed, cause: h.LastFailed, since: h.LastFailedAt})
	}
	if f != nil && f.Count >= looping {
		all = append(all, finding{id: CrashLoop, cause: fmt.Sprintf("%d times in a row: %s", f.Count, f.Message), remedy: f.Fix, since: f.At})
	} else if h.ImageFailures >= looping {
		all = append(all, finding{id: CrashLoop, cause: fmt.Sprintf("the image failed %d times in a row: %s", h.ImageFailures, h.ImageMessage), since: o.Since})
	}
	return all
}

// kindOf is the issue that a failure is.
func kindOf(h *Host) ID {
	f := h.Failure
	switch kind := step.FailureKind(f.Kind); {
	case kind == step.Denied:
		return CredentialsRefused
	case kind == step.Invalid && strings.Contains(strings.ToLower(f.Message), "certificate"):
		return CertificateRefused
	case kind == step.Unreachable:
		return LivelinessDead
	case h.State == "deprovisioning" || h.State == "deleting" || h.State == "powering off before delete":
		return FailedReclaim
	case h.Outcome.Blocked:
		return Blocked
	default:
		return LastStepFailed
	}
}

// evidence is what was found about the machine.
func evidence(h *Host, now time.Time) []finding {
	var all []finding
	if len(h.FailedWipes) > 0 {
		parts := make([]string, len(h.FailedWipes))
		for i, w := range h.FailedWipes {
			parts[i] = w.Disk + ": " + w.Message
		}
		all = append(all, finding{id: WipeFailed, cause: strings.Join(parts, "; "), since: h.FailedWipes[0].At})
	}
	if h.Refused != "" {
		all = append(all, finding{id: TPMRefused, cause: h.Refused, since: h.RefusedAt})
	}
	switch h.Health {
	case health.Critical:
		all = append(all, finding{id: HealthCritical, cause: h.HealthWhy, since: h.HealthSince})
	case health.Warning:
		all = append(all, finding{id: HealthWarning, cause: h.HealthWhy, since: h.HealthSince})
	default:
	}
	if h.BurnIn != "" {
		all = append(all, finding{id: BurnInFailed, cause: h.BurnIn, since: h.BurnInAt})
	}
	if h.Leaked != "" {
		all = append(all, finding{id: HostLeaked, cause: h.Leaked})
	}
	if h.Copies != "" {
		all = append(all, finding{id: CopiesLeaked, cause: h.Copies})
	}
	if age := now.Sub(h.InspectedAt); !h.InspectedAt.IsZero() && age > outdated {
		all = append(all, finding{id: EvidenceOutdated, cause: fmt.Sprintf("it was inspected %d days ago", int(age.Hours()/24)), since: h.InspectedAt})
	}
	return all
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
