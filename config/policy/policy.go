// Package policy holds the admission rules that are installed: ValidatingAdmissionPolicies in CEL, so that a bad object is refused on any Kubernetes, without a webhook to
// run, to reach and to trust.
//
// It owns what an object must be to be stored: Metal3's own webhook rules for BareMetalHost, and the rules that keep Secret references inside a namespace. It refuses what
// needs other objects or the machine: whether a Secret exists, or a disk matches, is found out later and said on the object.
//
// Invariants: each message begins with the field, says what is wrong, and then what to do; an object that is being deleted, and one whose spec and annotations did not
// change, is never refused, so that a stricter rule cannot trap an old object.
package policy

import "embed"

// Files holds one policy with its binding a file.
//
//go:embed *.yaml
var Files embed.FS
