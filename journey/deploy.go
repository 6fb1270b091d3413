package journey

import (
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

// LayoutFact is the FilesystemLayout that a host names (ingot.LayoutAnnotation).
type LayoutFact struct {
	// Name is empty where the host names none.
	Name string
	// Problem is for people: it does not exist, or is wrong. Empty where it can be used.
	Problem string
}

// Method is the custom deploy method that a host asks for; empty for none.
func Method(h *metal3.BareMetalHost) string {
	if c := h.Spec.CustomDeploy; c != nil {
		return c.Method
	}
	return ""
}

// CheckDeploy says why a host's image cannot be provisioned in the way that is asked for, nil if it can be tried. Layout is read only where the method needs it.
func CheckDeploy(h *metal3.BareMetalHost, layout LayoutFact) *step.Failure {
	wrong := func(kind step.FailureKind, fix, format string, args ...any) *step.Failure {
		return &step.Failure{Kind: kind, Message: fmt.Sprintf(format, args...), Fix: fix}
	}
	switch method := Method(h); {
	case method != "" && method != ingot.DeployTarball:
		return wrong(step.Unsupported, "remove spec.customDeploy and set spec.image; or use the method "+ingot.DeployTarball,
			"custom deploy (method %q) is not supported: methods are the names of a ramdisk's programs, and this one has %s", method, ingot.DeployTarball)
	case method == "":
		return CheckImage(h.Spec.Image)
	}
	i := h.Spec.Image
	switch {
	case i != nil && i.DiskFormat != nil && *i.DiskFormat != "":
		return wrong(step.Invalid, "remove spec.image.format, or spec.customDeploy", "the image's format is %s, and the method %s unpacks a tar archive", *i.DiskFormat, ingot.DeployTarball)
	case layout.Name == "":
		return wrong(step.Invalid, "name a FilesystemLayout in the annotation "+ingot.LayoutAnnotation, "the method %s needs a filesystem layout, and the host names none", ingot.DeployTarball)
	case layout.Problem != "":
		return wrong(step.Invalid, "correct the FilesystemLayout, or name another one in the annotation "+ingot.LayoutAnnotation, "%s", layout.Problem)
	}
	return CheckImage(i)
}
