// Package v1alpha1 holds Ingot's own API kinds, group ingot.dev.
//
// It owns only what the field's APIs have no place for. A host itself is a metal3.io/v1alpha1 BareMetalHost, whose status
// gets no field from us, so that a host can move to and from Metal3; what Ingot knows beyond it (the step at work, its
// bytes, what it waits for, the evidence of a wipe) stands in a HostLifecycle of the same name and namespace.
//
// It refuses behaviour: types, markers for the CRDs and generated deep copies, nothing else. It imports apimachinery only, so that
// other programs can import it without Ingot's dependencies.
//
// Invariants: one writer per kind (named on each type); no secret value in any field, only names of Secrets or hashes.
//
// +kubebuilder:object:generate=true
// +groupName=ingot.dev
package v1alpha1
