// Package step is what an agent can be asked to do, and what it can answer: the words that the decisions and the agent share.
//
// It owns the kinds of step, their results, the inventory of a machine and the kinds of failure. It refuses decisions, transport and anything of Kubernetes, so that
// the agent, which travels to a machine's memory on every boot, stays small.
//
// Invariants: every type round-trips through JSON; sizes are bytes unless the name says otherwise.
package step

import "time"

// Kind is what an agent can be asked to do.
type Kind string

// The steps of an agent.
const (
	// Inspect lists the hardware.
	Inspect Kind = "inspect"
	// ChooseDisk finds the one disk that the root device hints mean, and writes nothing.
	ChooseDisk Kind = "choose-disk"
	// Clean erases every disk as its host's policy says, and proves it.
	Clean Kind = "clean"
	// WriteImage writes image and config drive to the claimed disk and nowhere else.
	WriteImage Kind = "write-image"
	// LoadSystem makes the installed system's kernel ready to be started without the firmware (kexec). Nothing is written, and nothing is started.
	LoadSystem Kind = "load-system"
	// EnterSystem starts the kernel that LoadSystem made ready. The agent ends with it.
	EnterSystem Kind = "enter-system"
	// PowerOff makes the agent sync and turn the machine off by itself.
	PowerOff Kind = "power-off"
)

// Phase is what an agent is doing.
type Phase string

// The agent's phases.
const (
	Idle     Phase = "idle"
	Running  Phase = "running"
	Finished Phase = "finished"
)

// Outcome is the end of a step. Failure is nil when it went well; then the field of the step's kind is set.
type Outcome struct {
	Failure *Failure `json:"failure,omitempty"`
	// Inventory is the result of Inspect.
	Inventory *Inventory `json:"inventory,omitempty"`
	// Wipes is the result of Clean, one per disk, also when it failed.
	Wipes []Wipe `json:"wipes,omitempty"`
	// Owns are the kinds of disks outside of the machine that Clean was told to wipe too.
	Owns []Outside `json:"owns,omitempty"`
	// Erasure is the policy that Clean followed; nil for metadata on every disk.
	Erasure *Erasure `json:"erasure,omitempty"`
	// Disk is the result of ChooseDisk and WriteImage.
	Disk *Disk `json:"disk,omitempty"`
	// Loaded is the result of LoadSystem.
	Loaded *Loaded `json:"loaded,omitempty"`
	// Written is the result of WriteImage.
	Written *Written `json:"written,omitempty"`
	// Arrays is the result of ConfigureRAID, in the order of the volumes.
	Arrays []Array `json:"arrays,omitempty"`
	// Tests is the result of BurnIn, one for each part that was tested. Parts that failed their test are no failure of the step.
	Tests []TestResult `json:"tests,omitempty"`
}

// FailureKind tells failures apart by what can be done about them.
type FailureKind string

// The kinds of failure.
const (
	// Unreachable: no answer, or a connection that broke. Tried again.
	Unreachable FailureKind = "Unreachable"
	// Denied: credentials refused. Not tried again with the same ones before the back-off.
	Denied FailureKind = "Denied"
	// Unsupported: the other side cannot do it. Needs a person.
	Unsupported FailureKind = "Unsupported"
	// Untrusted: the other side is not the one that was pinned. Needs a person.
	Untrusted FailureKind = "Untrusted"
	// Busy: the other side asks for patience. Tried again soon, not counted as an error.
	Busy FailureKind = "Busy"
	// Invalid: what was asked for cannot be right (wrong digest, disk too small, no disk matches). Needs a change of the host.
	Invalid FailureKind = "Invalid"
	// Timeout: the deadline passed.
	Timeout FailureKind = "Timeout"
	// Internal: our own fault or an unexpected answer. Tried again.
	Internal FailureKind = "Internal"
)

// Failure is an expected failure as a value.
type Failure struct {
	Kind FailureKind `json:"kind"`
	// Message says what was tried, on what, and why it failed. Fix says what to do; may be empty.
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// Error implements error.
func (f *Failure) Error() string { return f.Message }

// Progress is how far a step is.
type Progress struct {
	Phase          string    `json:"phase,omitempty"`
	DoneBytes      int64     `json:"doneBytes,omitempty"`
	TotalBytes     int64     `json:"totalBytes,omitempty"`
	BytesPerSecond int64     `json:"bytesPerSecond,omitempty"`
	SecondsLeft    int64     `json:"secondsLeft,omitempty"`
	UpdatedAt      time.Time `json:"updatedAt,omitzero"`
}

// Wipe is the evidence of what one disk's cleaning came to.
type Wipe struct {
	Disk       Disk      `json:"disk"`
	Method     string    `json:"method"`
	StartedAt  time.Time `json:"startedAt"`
	FinishedAt time.Time `json:"finishedAt"`
	// Clean: the check after the wipe found nothing left. Message says what was found otherwise.
	Clean   bool   `json:"clean"`
	Message string `json:"message,omitempty"`
	// Kept: the policy keeps the disk; nothing was done to it, and Message says why. It is not Clean.
	Kept bool `json:"kept,omitempty"`
	// Asked are the methods that the policy has for this disk, in their order. Method is what was done in the end, one of the Did words.
	Asked []Method `json:"asked,omitempty"`
	// Bytes is how much of the disk was erased: the whole of it, or the places of metadata.
	Bytes int64 `json:"bytes,omitempty"`
	// Verification says what was read back, and Answer what the disk itself said of its erasure.
	Verification string `json:"verification,omitempty"`
	Answer       string `json:"answer,omitempty"`
}

// Written is what a write came to.
type Written struct {
	// Digest is "sha256:<hex>" (or sha512, md5) of the image file as downloaded.
	Digest string `json:"digest"`
	// ImageBytes is the size of the disk image; WrittenBytes what was not skipped as zero; DownloadedBytes what came over the network.
	ImageBytes      int64 `json:"imageBytes"`
	WrittenBytes    int64 `json:"writtenBytes"`
	DownloadedBytes int64 `json:"downloadedBytes"`
	Resumes         int   `json:"resumes,omitempty"`
}

// Loaded is a kernel that is ready to be started.
type Loaded struct {
	// Kernel is its path on the installed system, CommandLine what it is given.
	Kernel      string `json:"kernel"`
	CommandLine string `json:"commandLine,omitempty"`
}
