package journey

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/artifact"
	"github.com/ingotmetal/ingot/step"
)

// ImageKey tells the images that a host asks for apart: a corrected checksum makes it another one.
func ImageKey(h *metal3.BareMetalHost) string {
	i := h.Spec.Image
	if i == nil {
		return ""
	}
	format := ""
	if i.DiskFormat != nil {
		format = *i.DiskFormat
	}
	words := []string{i.URL, i.Checksum, string(i.ChecksumType), format}
	if m := Method(h); m != "" {
		words = append(words, m, h.Annotations[ingot.LayoutAnnotation])
	}
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// CheckImage says why an image cannot be provisioned as it is described, nil if it can be tried.
func CheckImage(i *metal3.Image) *step.Failure {
	wrong := func(kind step.FailureKind, fix, format string, args ...any) *step.Failure {
		return &step.Failure{Kind: kind, Message: fmt.Sprintf(format, args...), Fix: fix}
	}
	if i == nil || i.URL == "" {
		return wrong(step.Invalid, "set spec.image.url", "the host has no image")
	}
	u, err := url.Parse(i.URL)
	switch {
	case err != nil:
		return wrong(step.Invalid, "correct spec.image.url", "the image's URL cannot be read")
	case i.IsOCI():
		return checkArtifact(i)
	case i.OCIAuthSecretName != nil && *i.OCIAuthSecretName != "":
		return wrong(step.Invalid, "remove spec.image.ociAuthSecretName, or use an oci:// URL", "the image names a registry's pull secret, and its URL is no oci:// one")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return wrong(step.Invalid, "use an http://, https:// or oci:// URL", "the image's URL %q is not http(s)", u.Redacted())
	case i.IsLiveISO():
		// The BMC fetches it: nothing here could hold it against a checksum.
		return nil
	case i.DiskFormat != nil && !slices.Contains([]string{"", "raw", "qcow2"}, *i.DiskFormat):
		return wrong(step.Unsupported, "use an image of format raw or qcow2", "the image format %s is not supported", *i.DiskFormat)
	case i.Checksum == "":
		return wrong(step.Invalid, "set spec.image.checksum: a digest, or the URL of a sums file", "the image has no checksum")
	case !slices.Contains([]metal3.ChecksumType{"", metal3.AutoChecksum, metal3.MD5, metal3.SHA256, metal3.SHA512}, i.ChecksumType):
		return wrong(step.Invalid, "use sha256, sha512 or auto", "the checksum type %q is unknown", i.ChecksumType)
	}
	return nil
}

// checkArtifact judges an image in an OCI registry: its digest comes from its manifest, so that a checksum is not needed; one that is given must be the layer's.
func checkArtifact(i *metal3.Image) *step.Failure {
	wrong := func(kind step.FailureKind, fix, message string) *step.Failure {
		return &step.Failure{Kind: kind, Message: message, Fix: fix}
	}
	_, err := artifact.Parse(i.URL)
	sum := strings.ToLower(i.Checksum)
	switch {
	case err != nil:
		return wrong(step.Invalid, "correct spec.image.url", err.Error())
	case i.IsLiveISO():
		return wrong(step.Unsupported, "use an http:// or https:// URL: the BMC fetches a live ISO by itself", "a live ISO cannot come from an OCI registry")
	case i.DiskFormat != nil && !slices.Contains([]string{"", "raw", "qcow2"}, *i.DiskFormat):
		return wrong(step.Unsupported, "use an image of format raw or qcow2", fmt.Sprintf("the image format %s is not supported", *i.DiskFormat))
	case strings.HasPrefix(sum, "http://") || strings.HasPrefix(sum, "https://"):
		return wrong(step.Invalid, "remove spec.image.checksum: the digest in the image's manifest is verified", "the checksum of an oci:// image cannot be the URL of a sums file")
	case i.Checksum != "" && !slices.Contains([]metal3.ChecksumType{"", metal3.AutoChecksum, metal3.SHA256, metal3.SHA512}, i.ChecksumType):
		return wrong(step.Invalid, "remove spec.image.checksum, or give the layer's sha256", fmt.Sprintf("the checksum type %q is none that registries know", i.ChecksumType))
	}
	return nil
}

// Problem is the first thing that is wrong with the Secrets that the host names, empty for none.
func (s SecretFacts) Problem() string {
	for _, f := range []SecretFact{s.UserData, s.NetworkData, s.MetaData, s.PreprovisioningNetworkData, s.ImagePull} {
		if f.Named && f.Problem != "" {
			return f.Problem
		}
	}
	return ""
}

// LayoutFact is the FilesystemLayout that a host names (ingot.LayoutAnnotation), or that was chosen by its constraints.
type LayoutFact struct {
	// Name is empty where the host names none and none is chosen.
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
	case method == "":
		return CheckImage(h.Spec.Image)
	case !Deploys(method):
		return wrong(step.Unsupported, fmt.Sprintf("remove spec.customDeploy and set spec.image; or use the method %s or %s", ingot.DeployTarball, ingot.DeployPartitionImage),
			"custom deploy (method %q) is not supported: methods are the names of a ramdisk's programs, and this one has %s and %s", method, ingot.DeployTarball, ingot.DeployPartitionImage)
	case method == ingot.DeployPartitionImage:
		return checkPartitionImage(h.Spec.Image, layout)
	}
	i := h.Spec.Image
	switch {
	case i != nil && i.DiskFormat != nil && *i.DiskFormat != "":
		return wrong(step.Invalid, "remove spec.image.format, or spec.customDeploy", "the image's format is %s, and the method %s unpacks a tar archive", *i.DiskFormat, ingot.DeployTarball)
	case layout.Name == "" && layout.Problem != "":
		return wrong(step.Invalid, "name a FilesystemLayout in the annotation "+ingot.LayoutAnnotation+", or correct the constraints of the one that is meant (`ingot layout match HOST`)",
			"the method %s needs a filesystem layout, the host names none, and none is chosen: %s", ingot.DeployTarball, layout.Problem)
	case layout.Name == "":
		return wrong(step.Invalid, "name a FilesystemLayout in the annotation "+ingot.LayoutAnnotation, "the method %s needs a filesystem layout, and the host names none", ingot.DeployTarball)
	case layout.Problem != "":
		return wrong(step.Invalid, "correct the FilesystemLayout, or name another one in the annotation "+ingot.LayoutAnnotation, "%s", layout.Problem)
	}
	return CheckImage(i)
}

// Deploys says whether a custom deploy method is one of Ingot's.
func Deploys(method string) bool {
	return method == ingot.DeployTarball || method == ingot.DeployPartitionImage
}

// checkPartitionImage is for an image of one file system. Without a layout it gets the standard one.
func checkPartitionImage(i *metal3.Image, layout LayoutFact) *step.Failure {
	switch {
	case i.IsLiveISO():
		return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the image's format is live-iso, and the method %s writes a file system", ingot.DeployPartitionImage), Fix: "remove spec.image.format, or spec.customDeploy"}
	case layout.Problem != "":
		return &step.Failure{Kind: step.Invalid, Message: layout.Problem, Fix: "correct the FilesystemLayout, or name another one in the annotation " + ingot.LayoutAnnotation + ", or none for the standard one"}
	}
	return CheckImage(i)
}
