package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DriveStatus is what a host's owner has in its virtual CD drive: a live ISO, or a DataImage.
type DriveStatus struct {
	// URL is where the BMC fetches the medium.
	URL string `json:"url"`
	// Boot: the machine boots from it, a live ISO.
	Boot bool `json:"boot,omitempty"`
	// InsertedAt is when the BMC had taken it, nil before.
	InsertedAt *metav1.Time `json:"insertedAt,omitempty"`
	// EjectedAt is when it was taken out at the end of a live ISO's run, nil before.
	EjectedAt *metav1.Time `json:"ejectedAt,omitempty"`
}
