// Package journey holds a machine's life as data: the stages, the legal moves between them, the facts that a decision is made from, the actions
// that a decision may ask for, and the closed set of outcomes.
//
// It owns the words that the stage packages (discover, inspect, prepare, provision, run, clean) and the controller share. It
// refuses decisions of one stage, sockets, files, clocks and loggers: `now` is a parameter everywhere. A decision is a pure function
//
//	func Decide(f journey.Facts, now time.Time) journey.Decision
//
// and one pass of the controller is: gather facts, decide, write the objects, do at most one action, remember its result as a fact for the next
// pass. State lives in the API objects only: whatever a decision needs to know after a crash is in Facts.Host or Facts.Record, and an
// action whose result was lost is asked for again, so every action is idempotent or guarded by what can be observed.
//
// Invariants: Check and CheckMove state them, and every test and the simulation call both.
package journey

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

// Facts is all that a decision may look at.
type Facts struct {
	// Host is the object as it stands; decisions work on a copy.
	Host *metal3.BareMetalHost
	// Record is our own memory of the host (HostLifecycle.status).
	Record ingot.HostLifecycleStatus
	// Hardware is HardwareData.spec.hardware, nil while the host was never inspected.
	Hardware *metal3.HardwareDetails
	// Credentials is what is known of the BMC secret, never its content.
	Credentials Credentials
	// UserData, NetworkData and MetaData say whether the Secrets that the host names are there.
	Secrets SecretFacts
	// Layout is the FilesystemLayout that the host names, where its deploy method needs one.
	Layout LayoutFact
	// Power is the last power reading; its zero value means never read.
	Power PowerReading
	// Media is the URL of the virtual medium that the BMC reported last, empty for none or never read.
	Media string
	// Listening: a stream of the BMC's events is open, so that a change of power is heard of.
	Listening bool
	// DataImage is the medium that the owner wants in the drive of a machine that has its system, nil for none. It is held by our finalizer.
	DataImage *DataImageFacts
	// Firmware is what the host's HostFirmwareSettings ask for, and what is known of those settings.
	Firmware FirmwareFacts
	// Components is what the host's HostFirmwareComponents ask for, and the versions that were last read.
	Components ComponentsFacts
	// Policy is what the host's HostUpdatePolicy allows while it is provisioned.
	Policy UpdatePolicy
	// Window is the host's open BootWindow, nil for none.
	Window *ingot.BootWindow
	// Agent is the agent that is connected for Record.Boot, nil for none.
	Agent *AgentFacts
	// Result is the result of the action that the last decision asked for, nil when there is none since the last pass or this process
	// started after it. It is kept until a pass that saw it has written all its objects. No decision is made while an action of this host is under way.
	Result *ActionResult
	// Site is how this partition boots machines.
	Site Site
}

// Credentials is what is known of the Secret that holds a BMC's user and password.
type Credentials struct {
	// Named: the host names a Secret. Found: it exists. Complete: it has a username and a password.
	Named, Found, Complete bool
	// Forbidden: the API server does not let this role read Secrets in the host's namespace (yet).
	Forbidden bool
	// Version is the Secret's resource version.
	Version string
}

// SecretFacts says of each first-boot Secret whether it is named, found and usable.
type SecretFacts struct {
	UserData, NetworkData, MetaData, PreprovisioningNetworkData SecretFact
	// ImagePull is the pull secret of an image in an OCI registry.
	ImagePull SecretFact
}

// SecretFact is one Secret. Problem is for people, empty when Named is false or the Secret can be used.
type SecretFact struct {
	Named   bool
	Problem string
}

// DataImageFacts is the DataImage of the host's name.
type DataImageFacts struct {
	URL string
	// Deleting: it is to be taken out.
	Deleting bool
}

// PowerState is what a BMC says of its machine.
type PowerState string

// The power states. PowerUnknown covers never read and in transition.
const (
	PowerUnknown PowerState = ""
	PowerOn      PowerState = "on"
	PowerOff     PowerState = "off"
)

// PowerReading is one reading of a machine's power.
type PowerReading struct {
	State  PowerState
	ReadAt time.Time
}

// AgentFacts is what the connected agent last said.
type AgentFacts struct {
	// BootID is the boot it was let in for; always Record.Boot.ID.
	BootID   string
	LastSeen time.Time
	// StepID and Phase say what it is at: "" with step.Idle.
	StepID string
	Phase  step.Phase
	// WantedID is the step that the last RunStep of this process handed out; empty for none, and after a restart.
	WantedID string
	// Outcome is set with step.Finished.
	Outcome *step.Outcome
	// Progress of the running step, nil for none.
	Progress *step.Progress
}

// Site is what a partition offers for booting the agent.
type Site struct {
	Name string
	// VirtualMedia and PXE say which ways the boot role serves.
	VirtualMedia, PXE bool
	// UEFIHTTP: it serves UEFI HTTP boot, too.
	UEFIHTTP bool
	// BootDeadline is how long a machine may take from power-on to its agent's first word; zero: 20 minutes.
	BootDeadline time.Duration
	// TPM is what the site asks of machines' TPMs; empty words mean attest.Default.
	TPM ingot.TPMPolicy
}
