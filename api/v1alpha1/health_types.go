package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HealthStatus is how a machine is by what its BMC reports.
type HealthStatus struct {
	// Level is the machine's health as a whole.
	// +kubebuilder:validation:Enum=ok;warning;critical
	Level string `json:"level"`
	// Causes say which sensor and which entry of the event log it is, the worst first; none for a healthy machine.
	// +kubebuilder:validation:MaxItems=8
	Causes []string `json:"causes,omitempty"`
	// Since is when the machine was first seen at this level.
	Since metav1.Time `json:"since"`
}
