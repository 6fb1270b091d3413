// Package rootdevice finds the one disk that root device hints mean.
//
// It owns Metal3's hint semantics (model and vendor by substring, the rest exact, all given hints together) and the refusal to guess: no match is an error that says,
// disk by disk, which hint failed. It runs in the agent, right before a write as well, and in the controller when it explains.
package rootdevice

// Hints are BareMetalHost.spec.rootDeviceHints, field by field.
type Hints struct {
	DeviceName         string `json:"deviceName,omitempty"`
	HCTL               string `json:"hctl,omitempty"`
	Model              string `json:"model,omitempty"`
	Vendor             string `json:"vendor,omitempty"`
	SerialNumber       string `json:"serialNumber,omitempty"`
	MinSizeGigabytes   int    `json:"minSizeGigabytes,omitempty"`
	WWN                string `json:"wwn,omitempty"`
	WWNWithExtension   string `json:"wwnWithExtension,omitempty"`
	WWNVendorExtension string `json:"wwnVendorExtension,omitempty"`
	Rotational         *bool  `json:"rotational,omitempty"`
}
