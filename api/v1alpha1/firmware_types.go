package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FirmwareStatus is how far a host is with its HostFirmwareSettings, whose status has the settings themselves.
type FirmwareStatus struct {
	// ReadAt is when the settings in force were last read from the BMC; nil: they are to be read again.
	ReadAt *metav1.Time `json:"readAt,omitempty"`
	// Generation is the HostFirmwareSettings' at the last look while preparing: a change of its spec ends the wait after a failure.
	Generation int64 `json:"generation,omitempty"`
	// SetAt is when the BMC took the settings that differed; nil while none wait for the machine's next boot.
	SetAt *metav1.Time `json:"setAt,omitempty"`
}
