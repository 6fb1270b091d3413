package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HandOverAnnotation on a BareMetalHost says how its machine comes from the agent to the system that was written: "reboot", the default, by its firmware; "kexec" has the agent start the installed
// kernel itself, which saves the time that the firmware takes, and the measurements that it makes. Where that cannot be, the firmware starts it, and status.handOver of the HostLifecycle says why.
const HandOverAnnotation = "ingot.dev/hand-over"

// HandOverMethod is a way from the agent to the system.
// +kubebuilder:validation:Enum=kexec;reboot
type HandOverMethod string

// The ways.
const (
	HandOverByKexec  HandOverMethod = "kexec"
	HandOverByReboot HandOverMethod = "reboot"
)

// HandOverStatus is how far a hand-over is.
type HandOverStatus struct {
	// Method is what was done, or is being done.
	Method HandOverMethod `json:"method"`
	// Reason is why it is a reboot although kexec was asked for.
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
	// BootID is the agent's boot that does it.
	BootID string `json:"bootID,omitempty"`
	// Kernel is the path of the kernel that the agent made ready, with its command line.
	// +kubebuilder:validation:MaxLength=1024
	Kernel string `json:"kernel,omitempty"`
	// +kubebuilder:validation:MaxLength=2047
	CommandLine string `json:"commandLine,omitempty"`
	// ReadyAt is when the kernel was ready, DiskSetAt when the BMC had the disk as the next boot's, EnteredAt when the agent left for it.
	ReadyAt   *metav1.Time `json:"readyAt,omitempty"`
	DiskSetAt *metav1.Time `json:"diskSetAt,omitempty"`
	EnteredAt *metav1.Time `json:"enteredAt,omitempty"`
}
