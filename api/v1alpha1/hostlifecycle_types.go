package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HostLifecycle is what Ingot knows of a BareMetalHost beyond Metal3's status: the step at work and its progress, what the host waits
// for, since when and until when, the boot and disk it holds, and the timeline of what was done to it.
//
// One per BareMetalHost, same name and namespace, owned by it. Writer: the partition role. Losing one loses history, never safety: it is
// rebuilt from the BareMetalHost, and whatever was under way is started again.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=hlc,categories=ingot
// +kubebuilder:printcolumn:name="Stage",type=string,JSONPath=`.status.stage`
// +kubebuilder:printcolumn:name="Outcome",type=string,JSONPath=`.status.outcome.kind`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.outcome.reason`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.step.kind`
// +kubebuilder:printcolumn:name="Since",type=date,JSONPath=`.status.outcome.since`
// +kubebuilder:printcolumn:name="Since at",type=string,JSONPath=`.status.outcome.since`,priority=1
// +kubebuilder:printcolumn:name="Progress",type=string,JSONPath=`.status.step.progress`,priority=1
// +kubebuilder:printcolumn:name="Health",type=string,JSONPath=`.status.health.level`,priority=1
// +kubebuilder:printcolumn:name="Partition",type=string,JSONPath=`.metadata.labels.ingot\.dev/partition`,priority=1
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.metadata.namespace`,priority=1
type HostLifecycle struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Status HostLifecycleStatus `json:"status,omitempty"`
}

// HostLifecycleList is a list of HostLifecycle.
//
// +kubebuilder:object:root=true
type HostLifecycleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []HostLifecycle `json:"items"`
}

// HostLifecycleStatus is the whole of a HostLifecycle; it has no spec, since nobody asks anything of it.
type HostLifecycleStatus struct {
	// Stage is the provisioning state that the outcome below speaks of, in Metal3's words (for example "inspecting").
	Stage string `json:"stage,omitempty"`
	// Outcome is the last decision: what the host waits for or does, since when, until when.
	Outcome OutcomeStatus `json:"outcome,omitempty"`
	// Step is the step at work, nil when none is.
	Step *StepStatus `json:"step,omitempty"`
	// BMC is what the probe at registration found.
	BMC *BMCStatus `json:"bmc,omitempty"`
	// MachineUUID is the machine's system UUID as the host's agent told it when it was first let in; agents of another machine are refused. Empty: no agent told one yet.
	// +kubebuilder:validation:MaxLength=64
	MachineUUID string `json:"machineUUID,omitempty"`
	// TPM is the machine's TPM as the host's agents proved it, nil when none did; agents of another one are refused.
	TPM *TPMStatus `json:"tpm,omitempty"`
	// Boot is the boot of the agent that is under way or running, nil when none is.
	Boot *BootStatus `json:"boot,omitempty"`
	// Disk is the disk this host's image was written to, or is being written to. It is set before the first byte is written.
	Disk *DiskClaim `json:"disk,omitempty"`
	// HandOver is how the machine came from the agent to the system that was written, nil where nobody asked for another way than the firmware's.
	HandOver *HandOverStatus `json:"handOver,omitempty"`
	// Drive is what the owner has in the virtual CD drive, nil for nothing. It is set before the BMC is asked.
	Drive *DriveStatus `json:"drive,omitempty"`
	// Firmware is how far the host is with its HostFirmwareSettings, nil before they were first looked at.
	Firmware *FirmwareStatus `json:"firmware,omitempty"`
	// Components is how far the host is with its HostFirmwareComponents, nil before they were first looked at.
	Components *ComponentsStatus `json:"components,omitempty"`
	// Servicing is the servicing under way of a provisioned machine, nil when none is.
	Servicing *ServicingStatus `json:"servicing,omitempty"`
	// RAID is what was done for spec.raid, nil for nothing.
	RAID *RAIDStatus `json:"raid,omitempty"`
	// BurnIn is the last test of the machine that was asked for, nil for none.
	BurnIn *BurnInStatus `json:"burnIn,omitempty"`
	// Hardware is what the last inspection by the agent found beside the HardwareData, nil before.
	Hardware *HardwareStatus `json:"hardware,omitempty"`
	// Health is how the machine is by its BMC, nil while the BMC did not say.
	Health *HealthStatus `json:"health,omitempty"`
	// FirstBoot is the provisioned system's own report, nil before an image was written.
	FirstBoot *FirstBootStatus `json:"firstBoot,omitempty"`
	// Wipes is the evidence of the last cleaning, one entry per disk.
	// +kubebuilder:validation:MaxItems=256
	Wipes []WipeRecord `json:"wipes,omitempty"`
	// EarlierWipes is the evidence of the cleanings before, oldest first; the oldest entries are dropped beyond 64.
	// +kubebuilder:validation:MaxItems=64
	EarlierWipes []WipeRecord `json:"earlierWipes,omitempty"`
	// Timeline is what was done, oldest first; the oldest entries are dropped beyond 64.
	// +kubebuilder:validation:MaxItems=64
	Timeline []TimelineEntry `json:"timeline,omitempty"`
	// Reboot carries a reboot under way over restarts: which annotation asked for it and how far it is.
	Reboot *RebootStatus `json:"reboot,omitempty"`
	// PowerChange is the change of power under way, nil when none is.
	PowerChange *PowerChange `json:"powerChange,omitempty"`
	// Failure is the last failure that was not overcome yet, nil when none is.
	Failure *FailureStatus `json:"failure,omitempty"`
	// ImageGeneration is the generation of the BareMetalHost whose image is being provisioned, or was last.
	ImageGeneration int64 `json:"imageGeneration,omitempty"`
	// ImageFailures counts the failures in a row of one image.
	ImageFailures *ImageFailures `json:"imageFailures,omitempty"`
	// CleanedAt is when the wipe of every disk was proved (see wipes); nil since something may have been written to one.
	CleanedAt *metav1.Time `json:"cleanedAt,omitempty"`
	// CleanedOwnDisks is what the host's own-disks annotation said when that was proved: with another value the proof speaks of other disks.
	CleanedOwnDisks string `json:"cleanedOwnDisks,omitempty"`
	// CleanedErasure is what the host's erase annotations said when that was proved, in one line; empty for metadata on every disk.
	CleanedErasure string `json:"cleanedErasure,omitempty"`
}

// OutcomeStatus is a decision in words: the closed set of journey.OutcomeKind.
type OutcomeStatus struct {
	// Kind is wait, step, done or blocked.
	// +kubebuilder:validation:Enum="";wait;step;done;blocked
	Kind string `json:"kind,omitempty"`
	// Reason is a short CamelCase word for programs, from journey's list.
	Reason string `json:"reason,omitempty"`
	// Message is the same for people: what is awaited, or what went wrong.
	Message string `json:"message,omitempty"`
	// Fix is what a person can do about it; set when Kind is blocked, sometimes when it is wait.
	Fix string `json:"fix,omitempty"`
	// Since is when this reason began.
	Since *metav1.Time `json:"since,omitempty"`
	// Deadline is when the wait is given up and counted as failed.
	Deadline *metav1.Time `json:"deadline,omitempty"`
	// NextAttempt is when the step is tried again after a failure, or the condition is looked at again.
	NextAttempt *metav1.Time `json:"nextAttempt,omitempty"`
}

// StepStatus is a step at work. It is written before the step starts, so that a new process knows what its predecessor was at.
type StepStatus struct {
	// ID is unique within the host's life; an agent never runs two steps of one ID.
	ID string `json:"id"`
	// Kind is one of journey's step kinds.
	Kind string `json:"kind"`
	// Attempt counts from 1.
	Attempt int32 `json:"attempt,omitempty"`
	// StartedAt is when it was first handed out.
	StartedAt metav1.Time `json:"startedAt"`
	// Progress is the last that the agent said, at most every few seconds.
	Progress *Progress `json:"progress,omitempty"`
}

// Progress is how far a step is.
type Progress struct {
	// Phase is what the step does now, for people: "downloading", "verifying".
	Phase string `json:"phase,omitempty"`
	// DoneBytes and TotalBytes count the work; TotalBytes is 0 while unknown.
	DoneBytes  int64 `json:"doneBytes,omitempty"`
	TotalBytes int64 `json:"totalBytes,omitempty"`
	// BytesPerSecond is the rate over the last few seconds.
	BytesPerSecond int64 `json:"bytesPerSecond,omitempty"`
	// SecondsLeft is the estimate of the time left, 0 while unknown.
	SecondsLeft int64 `json:"secondsLeft,omitempty"`
	// UpdatedAt is when the agent said so.
	UpdatedAt metav1.Time `json:"updatedAt,omitempty"`
}

// BMCStatus is what the probe of a BMC found.
type BMCStatus struct {
	Driver          string `json:"driver,omitempty"`
	Vendor          string `json:"vendor,omitempty"`
	Model           string `json:"model,omitempty"`
	FirmwareVersion string `json:"firmwareVersion,omitempty"`
	ProtocolVersion string `json:"protocolVersion,omitempty"`
	SystemID        string `json:"systemID,omitempty"`
	SystemUUID      string `json:"systemUUID,omitempty"`
	// ServiceUUID is the Redfish service's, which a BMC tells without a login.
	ServiceUUID  string      `json:"serviceUUID,omitempty"`
	Capabilities []string    `json:"capabilities,omitempty"`
	Quirks       []string    `json:"quirks,omitempty"`
	ProbedAt     metav1.Time `json:"probedAt,omitempty"`
	// Address and CertificateVerificationDisabled (spec.bmc of the BareMetalHost) and CertificatePin (its annotation ingot.dev/bmc-certificate) are what the probe used: another one is probed again.
	Address                         string `json:"address,omitempty"`
	CertificateVerificationDisabled bool   `json:"certificateVerificationDisabled,omitempty"`
	CertificatePin                  string `json:"certificatePin,omitempty"`
}

// BootStatus is one boot of this host: of the agent, or of the image that was written.
type BootStatus struct {
	// ID names the boot and its BootWindow.
	ID string `json:"id"`
	// Purpose is what is booted; empty means the agent.
	// +optional
	Purpose BootPurpose `json:"purpose,omitempty"`
	// StartedAt is when the machine was first told to boot it, nil before. It is written before the BMC is asked.
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// StartFailedAt is when the last attempt to start the machine from its disk or live ISO failed; nil for none, and again with the next attempt.
	StartFailedAt *metav1.Time `json:"startFailedAt,omitempty"`
	// ConfirmedAt is when the BMC had accepted all of it, nil before.
	ConfirmedAt *metav1.Time `json:"confirmedAt,omitempty"`
	// EnrolledAt is when the agent traded its token, nil before.
	EnrolledAt *metav1.Time `json:"enrolledAt,omitempty"`
	// SilentSince is when the agent was first missed after it had called, nil while it calls.
	SilentSince *metav1.Time `json:"silentSince,omitempty"`
	// Attempt counts the boots of this stage from 1.
	Attempt int32 `json:"attempt,omitempty"`
	// Steps counts the steps that were handed out in this boot, so that every step's ID is new.
	Steps int32 `json:"steps,omitempty"`
}

// DiskClaim says which disk may be written, and by which step.
type DiskClaim struct {
	DeviceName   string `json:"deviceName"`
	SerialNumber string `json:"serialNumber,omitempty"`
	WWN          string `json:"wwn,omitempty"`
	SizeBytes    int64  `json:"sizeBytes,omitempty"`
	// StepID is the step that may write.
	StepID string `json:"stepID"`
	// Written is true once the whole image is on the disk and its digest was right.
	Written bool `json:"written,omitempty"`
	// ImageURL and Digest are what was written.
	ImageURL string `json:"imageURL,omitempty"`
	Digest   string `json:"digest,omitempty"`
	// Layout is the FilesystemLayout that the disk is laid out by, named by the host or chosen by its constraints when the disk was claimed; empty where the image is written as it is.
	Layout string `json:"layout,omitempty"`
}

// FirstBootStatus is the provisioned system's own report.
type FirstBootStatus struct {
	// TokenHash is the SHA-256 of the one-time credential in the config drive, hex.
	TokenHash string `json:"tokenHash,omitempty"`
	// ReportedAt is when the system reported, nil before.
	ReportedAt *metav1.Time `json:"reportedAt,omitempty"`
	// Hostname, Kernel and InstanceID are what it said of itself.
	Hostname   string `json:"hostname,omitempty"`
	Kernel     string `json:"kernel,omitempty"`
	InstanceID string `json:"instanceID,omitempty"`
	// IdentityKeyHash is the SHA-256 of the one key that a Firewall's machine traded the credential for, hex: that of its SubjectPublicKeyInfo.
	IdentityKeyHash string `json:"identityKeyHash,omitempty"`
}

// WipeRecord is the evidence that a disk was cleaned.
type WipeRecord struct {
	DeviceName   string `json:"deviceName"`
	SerialNumber string `json:"serialNumber,omitempty"`
	WWN          string `json:"wwn,omitempty"`
	SizeBytes    int64  `json:"sizeBytes,omitempty"`
	// Method is what was done: metadata, discard+metadata, discard, overwrite, nvme-sanitize, nvme-format, ata-secure-erase, ata-enhanced-secure-erase or keep.
	Method string `json:"method"`
	// Asked is what the host's policy asked for, in the order of trying.
	Asked      string      `json:"asked,omitempty"`
	StartedAt  metav1.Time `json:"startedAt"`
	FinishedAt metav1.Time `json:"finishedAt"`
	// Bytes is how much of the disk was erased.
	Bytes int64 `json:"bytes,omitempty"`
	// Verification says what was read back after it.
	// +kubebuilder:validation:MaxLength=1024
	Verification string `json:"verification,omitempty"`
	// Answer is what the disk said of its erasure.
	// +kubebuilder:validation:MaxLength=1024
	Answer string `json:"answer,omitempty"`
	// Result is clean when the check after the wipe found nothing, kept where the policy keeps the disk as it is, else failed.
	// +kubebuilder:validation:Enum=clean;failed;kept
	Result  string `json:"result"`
	Message string `json:"message,omitempty"`
}

// TimelineEntry is one thing that was done to the host.
type TimelineEntry struct {
	Stage     string       `json:"stage"`
	Step      string       `json:"step,omitempty"`
	StartedAt metav1.Time  `json:"startedAt"`
	EndedAt   *metav1.Time `json:"endedAt,omitempty"`
	// Result is ok, failed or interrupted.
	Result  string `json:"result,omitempty"`
	Message string `json:"message,omitempty"`
}

// RebootStatus carries a reboot that annotations asked for.
type RebootStatus struct {
	// Mode is soft or hard.
	Mode string `json:"mode"`
	// OffRequestedAt is when power-off was first asked for, nil before.
	OffRequestedAt *metav1.Time `json:"offRequestedAt,omitempty"`
	// OffAt is when the machine was seen off, nil before.
	OffAt *metav1.Time `json:"offAt,omitempty"`
}

// PowerChange is a change of power that was asked for and not seen yet.
type PowerChange struct {
	// Want is on or off.
	Want string `json:"want"`
	// Soft: the operating system was asked.
	Soft bool `json:"soft,omitempty"`
	// RequestedAt is when the BMC was first asked in this way. It is written before the BMC is asked.
	RequestedAt metav1.Time `json:"requestedAt"`
	// Confirmed: the BMC had accepted it.
	Confirmed bool `json:"confirmed,omitempty"`
}

// FailureStatus is a failure that was not overcome yet, and when the next attempt is due.
type FailureStatus struct {
	// Stage is the provisioning state that it happened in.
	Stage string `json:"stage"`
	// Kind is one of step.FailureKind.
	Kind string `json:"kind"`
	// ErrorType is the BareMetalHost's status.errorType for it; empty while the BMC only asked for patience.
	ErrorType string `json:"errorType,omitempty"`
	// Message is what happened; Fix what a person can do, may be empty.
	Message string `json:"message,omitempty"`
	Fix     string `json:"fix,omitempty"`
	// Count is how often in a row this stage failed; Busy how often in a row the BMC asked for patience, which is no failure.
	Count int32 `json:"count,omitempty"`
	Busy  int32 `json:"busy,omitempty"`
	// At is when it happened; NextAttempt when it is tried again.
	At          metav1.Time `json:"at"`
	NextAttempt metav1.Time `json:"nextAttempt"`
	// Generation is the BareMetalHost's at that time: a change of its spec ends the wait.
	Generation int64 `json:"generation,omitempty"`
	// CredentialsVersion is the BMC Secret's resource version at that time: a change of it ends the wait.
	CredentialsVersion string `json:"credentialsVersion,omitempty"`
	// CertificatePin is the BareMetalHost's annotation ingot.dev/bmc-certificate at that time: a change of it ends the wait.
	CertificatePin string `json:"certificatePin,omitempty"`
}

// ImageFailures counts the failures of one image on this host.
type ImageFailures struct {
	// Image tells images apart: a digest over URL, checksum and format.
	Image string `json:"image"`
	// Count is how often in a row it failed.
	Count int32 `json:"count"`
	// Message is the last failure's.
	Message string `json:"message,omitempty"`
	// NextAttempt is when it is tried again; Generation the BareMetalHost's at the last failure, a change of which ends the wait.
	NextAttempt metav1.Time `json:"nextAttempt"`
	Generation  int64       `json:"generation,omitempty"`
}
