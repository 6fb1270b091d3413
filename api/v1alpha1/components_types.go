package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ComponentsStatus is how far a host is with its HostFirmwareComponents, whose status has the versions themselves.
type ComponentsStatus struct {
	// ReadAt is when the versions were last read from the BMC; nil: they are to be read again.
	ReadAt *metav1.Time `json:"readAt,omitempty"`
	// Generation is the HostFirmwareComponents' at the last look: a change of its spec ends the wait after a failure.
	Generation int64 `json:"generation,omitempty"`
	// Updates are under way, or ended and not verified yet. One is written here before its BMC is asked.
	// +kubebuilder:validation:MaxItems=16
	Updates []UpdateStatus `json:"updates,omitempty"`
	// Done are the updates that were carried out and that the spec still asks for: these are not done again.
	// +kubebuilder:validation:MaxItems=16
	Done []UpdateDone `json:"done,omitempty"`
}

// UpdateStatus is one update of a component's firmware.
type UpdateStatus struct {
	Component string `json:"component"`
	URL       string `json:"url"`
	// From is the version before it.
	From string `json:"from,omitempty"`
	// AskedAt is from before the BMC was asked, AcceptedAt when it had taken the order.
	AskedAt    metav1.Time  `json:"askedAt"`
	AcceptedAt *metav1.Time `json:"acceptedAt,omitempty"`
	// Ticket is by what the BMC tells of it; empty: the BMC gave none.
	// +kubebuilder:validation:MaxLength=512
	Ticket string `json:"ticket,omitempty"`
	// HeardAt is when the BMC last told of it, to the minute.
	HeardAt *metav1.Time `json:"heardAt,omitempty"`
	// Percent is how far it is, in tens; 0 where the BMC does not say.
	Percent int32 `json:"percent,omitempty"`
	// WaitsAt is since when the BMC has the image and has not begun; Staged: it begins with a start of the machine after that. Runs: it was seen running since.
	WaitsAt *metav1.Time `json:"waitsAt,omitempty"`
	Staged  bool         `json:"staged,omitempty"`
	Runs    bool         `json:"runs,omitempty"`
	// EndedAt is when it ended, well unless Failure says otherwise. Lost: the BMC does not tell how it ended.
	EndedAt *metav1.Time `json:"endedAt,omitempty"`
	Lost    bool         `json:"lost,omitempty"`
	// Failure is why it failed, and FailureKind the kind of failure.
	Failure     string `json:"failure,omitempty"`
	FailureKind string `json:"failureKind,omitempty"`
}

// UpdateDone is an update that was carried out.
type UpdateDone struct {
	Component string `json:"component"`
	URL       string `json:"url"`
	// Version is what the component has since.
	Version string      `json:"version,omitempty"`
	At      metav1.Time `json:"at"`
}

// ServicingStatus is the servicing of a provisioned machine at one of its starts.
type ServicingStatus struct {
	// StartedAt is when it began, with the machine off.
	StartedAt metav1.Time `json:"startedAt"`
	// Settings: settings of the firmware were asked for, which are to be in force after the start.
	Settings bool `json:"settings,omitempty"`
	// WorkedAt is when nothing more was to be done before the start, OnAt when the machine was seen on after it.
	WorkedAt *metav1.Time `json:"workedAt,omitempty"`
	OnAt     *metav1.Time `json:"onAt,omitempty"`
	// Failure is what went wrong; the machine is started all the same.
	Failure string `json:"failure,omitempty"`
}
