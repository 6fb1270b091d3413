package lifecycle

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/inspect"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// Explanation says where a host stands and what would move it on. It is what the partition role last decided and wrote, read back: nothing is decided anew.
type Explanation struct {
	// Stage is Metal3's provisioning state; Status its operational status.
	Stage  string `json:"stage"`
	Status string `json:"status,omitempty"`
	// Kind, Reason and Message are the last outcome; Since is when its reason began.
	Kind    string       `json:"kind,omitempty"`
	Reason  string       `json:"reason,omitempty"`
	Message string       `json:"message,omitempty"`
	Since   *metav1.Time `json:"since,omitempty"`
	// Deadline is when the wait counts as failed; NextAttempt when the host is looked at again.
	Deadline    *metav1.Time `json:"deadline,omitempty"`
	NextAttempt *metav1.Time `json:"nextAttempt,omitempty"`
	// Usual is how long what is under way usually takes, and whether it takes longer; empty where too little was seen, and where the caller had only the host to look at.
	Usual string `json:"usual,omitempty"`
	// Unblock is what would move the host on, in words.
	Unblock string `json:"unblock"`
	// Step is the step at work and how far it is; Boot the boot under way; Disk the claimed disk; all in words, empty for none.
	Step string `json:"step,omitempty"`
	Boot string `json:"boot,omitempty"`
	Disk string `json:"disk,omitempty"`
	// HandOver is how the machine came from the agent to its system, empty where nobody asked for another way than the firmware's.
	HandOver string `json:"handOver,omitempty"`
	// TPM is the machine's TPM as it was proved, empty for none; TPMPolicy what the next boot of the agent asks of it.
	TPM       string `json:"tpm,omitempty"`
	TPMPolicy string `json:"tpmPolicy,omitempty"`
	// Error is Metal3's error with its count.
	Error string `json:"error,omitempty"`
	// Health is how the machine is by its BMC, with the sensors and log entries that say so; empty where it does not say.
	Health string `json:"health,omitempty"`
	// BurnIn is what became of the tests of the machine that the host asks for, empty where it asked for none.
	BurnIn string `json:"burnIn,omitempty"`
	// Disks says of each known disk whether the next image could go to it.
	Disks []string `json:"disks,omitempty"`
	// RAID is what is known of the machine's RAID controllers, their drives and volumes: a line for each.
	RAID []string `json:"raid,omitempty"`
	// Erasure says how the disks are erased when the host is cleaned; Wipes what the last cleaning came to, one line for each disk.
	Erasure string   `json:"erasure,omitempty"`
	Wipes   []string `json:"wipes,omitempty"`
}

// Explain reads a host and its record. now is only used to say how long ago things were.
func Explain(f journey.Facts, now time.Time) Explanation {
	o, s := f.Record.Outcome, f.Host.Status
	e := Explanation{
		Stage: string(s.Provisioning.State), Status: string(s.OperationalStatus), Kind: o.Kind, Reason: o.Reason, Message: o.Message,
		Since: o.Since, Deadline: o.Deadline, NextAttempt: o.NextAttempt, Unblock: unblock(f), Step: stepText(f, now), Boot: bootText(f, now), Disk: diskText(f),
	}
	if s.ErrorMessage != "" {
		e.Error = fmt.Sprintf("%s (%d so far): %s", s.ErrorType, s.ErrorCount, s.ErrorMessage)
	}
	e.HandOver = HandOverText(f.Record.HandOver)
	e.TPM, e.TPMPolicy = TPMText(f.Record.TPM), tpmPolicyText(f)
	e.RAID = RAIDText(f.Record.RAID)
	e.Health = HealthText(f.Record.Health)
	e.BurnIn = BurnInText(f.Record.BurnIn)
	policy, err := journey.Erasure(f.Host)
	switch {
	case err != nil:
		e.Erasure = err.Error()
	case f.Host.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled:
		e.Erasure = "nothing, cleaning is disabled"
	default:
		e.Erasure = cmp.Or(policy.String(), string(step.EraseMetadata))
	}
	for _, w := range f.Record.Wipes {
		e.Wipes = append(e.Wipes, wipeText(w))
	}
	disks := inspect.Disks(f.Hardware)
	for i := range disks {
		disks[i].Kept = policy.Keeps(disks[i])
	}
	for _, v := range rootdevice.Explain(disks, journey.RootHints(f.Host, &f.Record, f.Host.Spec.RootDeviceHints), 0) {
		line := v.Disk.Name + ": fits"
		if !v.Fits {
			line = v.Disk.Name + ": " + v.Why
		}
		e.Disks = append(e.Disks, line)
	}
	return e
}

// wipeText is one disk's evidence in a line.
func wipeText(w ingot.WipeRecord) string {
	text := fmt.Sprintf("%s (serial %q): %s by %s", w.DeviceName, w.SerialNumber, w.Result, w.Method)
	for _, more := range []string{w.Verification, w.Message} {
		if more != "" {
			text += "; " + more
		}
	}
	return text
}

// unblock says what would move the host on.
func unblock(f journey.Facts) string {
	o := f.Record.Outcome
	var parts []string
	if o.Fix != "" {
		parts = append(parts, o.Fix)
	}
	switch {
	case o.Kind == "":
		parts = append(parts, "the partition role has not looked at this host yet: see whether it runs")
	case o.Kind == string(journey.Done):
		parts = append(parts, "nothing is awaited; a change of the host's spec starts the next step")
	case o.Deadline != nil:
		parts = append(parts, "it goes on by itself, or counts as failed at "+o.Deadline.UTC().Format(time.RFC3339))
	case o.NextAttempt != nil:
		parts = append(parts, "the next attempt is at "+o.NextAttempt.UTC().Format(time.RFC3339))
	case o.Kind == string(journey.Act):
		parts = append(parts, "it is being done")
	}
	return strings.Join(parts, "; ")
}

func stepText(f journey.Facts, now time.Time) string {
	s := f.Record.Step
	if s == nil {
		return ""
	}
	text := fmt.Sprintf("%s, attempt %d, for %s", s.Kind, s.Attempt, ago(now, s.StartedAt.Time))
	p := s.Progress
	if p == nil {
		return text
	}
	if p.Phase != "" {
		text += ", " + p.Phase
	}
	if p.TotalBytes > 0 {
		text += fmt.Sprintf(", %d of %d MiB", p.DoneBytes>>20, p.TotalBytes>>20)
	}
	if p.BytesPerSecond > 0 {
		text += fmt.Sprintf(", %d MiB/s", p.BytesPerSecond>>20)
	}
	if p.SecondsLeft > 0 {
		text += fmt.Sprintf(", %s left", time.Duration(p.SecondsLeft)*time.Second)
	}
	return text
}

func bootText(f journey.Facts, now time.Time) string {
	b := f.Record.Boot
	if b == nil {
		return ""
	}
	text := fmt.Sprintf("%s (%s)", b.ID, b.Purpose)
	switch {
	case b.EnrolledAt != nil:
		text += fmt.Sprintf(", its agent called first %s ago", ago(now, b.EnrolledAt.Time))
	case b.StartedAt != nil:
		text += fmt.Sprintf(", started %s ago", ago(now, b.StartedAt.Time))
	}
	if b.SilentSince != nil {
		text += fmt.Sprintf(", silent for %s", ago(now, b.SilentSince.Time))
	}
	return text
}

func diskText(f journey.Facts) string {
	c := f.Record.Disk
	if c == nil {
		return ""
	}
	state := "claimed for a write"
	if c.Written {
		state = "holds " + c.ImageURL
	}
	return fmt.Sprintf("%s (serial %q, WWN %q): %s", c.DeviceName, c.SerialNumber, c.WWN, state)
}

func ago(now, t time.Time) time.Duration { return max(now.Sub(t), 0).Round(time.Second) }

// BurnInText is a burn-in in a line; empty for none.
func BurnInText(b *ingot.BurnInStatus) string {
	if b == nil {
		return ""
	}
	text := b.Request + ": "
	switch {
	case b.Result == "" && b.Withdrawn:
		text += "withdrawn before its end"
	case b.Result == "":
		text += fmt.Sprintf("not ended, begun at %s (%d times)", b.StartedAt.UTC().Format(time.RFC3339), b.Attempts)
	case b.FinishedAt == nil:
		text += b.Result
	default:
		text += fmt.Sprintf("%s at %s, %d tests", b.Result, b.FinishedAt.UTC().Format(time.RFC3339), len(b.Tests))
	}
	if b.Result != "" && b.Withdrawn {
		text += ", not asked for any more"
	}
	if b.Message != "" {
		text += "; " + b.Message
	}
	return text
}
