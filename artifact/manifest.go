package artifact

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// The bounds of what a registry says.
const (
	// MaxManifestBytes is the specification's own limit for a manifest or index.
	MaxManifestBytes = 4 << 20
	// maxDescriptors bounds an index; the largest in use has some tens.
	maxDescriptors = 512
)

// The media types of manifests, for the Accept header and for telling documents apart.
const (
	TypeManifest       = "application/vnd.oci.image.manifest.v1+json"
	TypeIndex          = "application/vnd.oci.image.index.v1+json"
	TypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	TypeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// Use is what a layer is wanted for.
type Use string

// The uses.
const (
	// Disk is a disk image: raw or qcow2, packed or not. Its content is looked at when it is written; media types of archives are refused here.
	Disk Use = "disk"
	// Tarball is a root file system as a tar archive, packed or not.
	Tarball Use = "tarball"
)

// Want is what to choose from an index or manifest.
type Want struct {
	// Architecture is Go's word, as the image specification has it: amd64, arm64.
	Architecture string
	// Format is raw or qcow2 where the host asks for one; empty for any.
	Format string
	// Use is Disk where it is empty.
	Use Use
}

// Descriptor is one entry of a manifest or index.
type Descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *Platform         `json:"platform,omitempty"`
}

// Platform is for which machine a manifest is.
type Platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// Choice is what a document leads to. Exactly one of Manifest and Layer is set.
type Choice struct {
	// Manifest is the manifest to read next.
	Manifest *Descriptor
	// Layer is the image.
	Layer *Descriptor
}

// ErrUnsuitable marks a document that is well-formed and has no image for the machine.
var ErrUnsuitable = errors.New("no image for this machine")

// ErrMalformed marks a document that contradicts itself or is no manifest.
var ErrMalformed = errors.New("not a manifest")

type document struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []Descriptor `json:"manifests"`
	Layers        []Descriptor `json:"layers"`
}

// Choose reads a manifest or index and chooses.
func Choose(body []byte, w Want) (Choice, error) {
	var d document
	if len(body) > MaxManifestBytes {
		return Choice{}, fmt.Errorf("%w: it has more than %d bytes", ErrMalformed, MaxManifestBytes)
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return Choice{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	index := slices.Contains([]string{TypeIndex, TypeDockerList}, d.MediaType)
	manifest := slices.Contains([]string{TypeManifest, TypeDockerManifest}, d.MediaType)
	switch {
	case d.SchemaVersion != 2:
		return Choice{}, fmt.Errorf("%w: its schemaVersion is %d, and only 2 is known", ErrMalformed, d.SchemaVersion)
	case len(d.Manifests) > 0 && len(d.Layers) > 0, index && d.Layers != nil, manifest && d.Manifests != nil:
		// Read as the other kind by another program it would be another image (CVE-2021-41190).
		return Choice{}, fmt.Errorf("%w: it is an index and an image at once", ErrMalformed)
	case d.MediaType != "" && !index && !manifest:
		return Choice{}, fmt.Errorf("%w: its media type is %q", ErrMalformed, d.MediaType)
	case len(d.Manifests) > maxDescriptors, len(d.Layers) > maxDescriptors:
		return Choice{}, fmt.Errorf("%w: it has more than %d entries", ErrMalformed, maxDescriptors)
	case index || d.MediaType == "" && len(d.Manifests) > 0:
		return fromIndex(d.Manifests, w)
	}
	return fromManifest(d.Layers, w)
}

// fromIndex takes the manifest for the architecture; among several, podman's way of telling disk formats apart decides.
func fromIndex(all []Descriptor, w Want) (Choice, error) {
	var fit []Descriptor
	var seen []string
	for _, m := range all {
		if m.Platform == nil {
			seen = append(seen, "one for any machine")
		} else {
			seen = append(seen, m.Platform.OS+"/"+m.Platform.Architecture)
		}
		if m.isManifest() && m.suits(w.Architecture) {
			fit = append(fit, m)
		}
	}
	if len(fit) > 1 {
		fit = byDiskType(fit, w.Format)
	}
	switch len(fit) {
	case 0:
		return Choice{}, fmt.Errorf("%w: the index has %s, and the machine is linux/%s", ErrUnsuitable, listed(seen), w.Architecture)
	case 1:
		return Choice{Manifest: &fit[0]}, fit[0].check()
	}
	return Choice{}, fmt.Errorf("%w: the index has %d manifests for linux/%s that nothing tells apart; name one by its digest", ErrUnsuitable, len(fit), w.Architecture)
}

// byDiskType keeps the manifests whose annotation "disktype" is the format, or with no format asked for the first of raw and qcow2 that is there.
func byDiskType(all []Descriptor, format string) []Descriptor {
	formats := []string{format}
	if format == "" {
		formats = []string{"raw", "qcow2"}
	}
	for _, f := range formats {
		var fit []Descriptor
		for _, m := range all {
			if m.Annotations["disktype"] == f {
				fit = append(fit, m)
			}
		}
		if len(fit) > 0 {
			return fit
		}
	}
	return all
}

func (d Descriptor) isManifest() bool {
	return slices.Contains([]string{TypeManifest, TypeDockerManifest, TypeIndex, TypeDockerList}, d.MediaType)
}

func (d Descriptor) suits(architecture string) bool {
	if d.Platform == nil {
		return true
	}
	// Artifacts of podman's machines use the kernel's words for architectures.
	known := map[string]string{"x86_64": "amd64", "aarch64": "arm64"}
	have := d.Platform.Architecture
	if word, ok := known[have]; ok {
		have = word
	}
	return (d.Platform.OS == "linux" || d.Platform.OS == "") && (have == architecture || have == "")
}

// fromManifest takes the one layer.
func fromManifest(layers []Descriptor, w Want) (Choice, error) {
	if len(layers) != 1 {
		return Choice{}, fmt.Errorf("%w: the manifest has %d layers, and an image is an artifact of one layer", ErrUnsuitable, len(layers))
	}
	l := layers[0]
	archive := isArchive(l)
	switch {
	case w.Use == Tarball && isDisk(l):
		return Choice{}, fmt.Errorf("%w: its layer is a disk image (%s), and a tar archive is wanted", ErrUnsuitable, l.MediaType)
	case w.Use != Tarball && archive:
		return Choice{}, fmt.Errorf("%w: its layer is a tar archive (%s), and a disk image is wanted", ErrUnsuitable, l.MediaType)
	}
	return Choice{Layer: &l}, l.check()
}

// isArchive and isDisk look at the name that a layer was pushed under, where it has one, since tools push anything as a layer; else at its media type. Neither is proof: what
// the content is shows when it is unpacked.
func isArchive(l Descriptor) bool {
	if name := l.Annotations["org.opencontainers.image.title"]; name != "" {
		return strings.Contains(path.Base(name)+".", ".tar.") || strings.HasSuffix(name, ".tgz")
	}
	return strings.Contains(l.MediaType, ".layer.v1.tar") || strings.Contains(l.MediaType, "rootfs.diff.tar") || strings.HasPrefix(l.MediaType, "application/x-tar")
}

func isDisk(l Descriptor) bool {
	name := path.Base(l.Annotations["org.opencontainers.image.title"]) + "."
	return strings.Contains(l.MediaType, "qcow2") || strings.Contains(l.MediaType, "raw") || strings.Contains(name, ".qcow2.") || strings.Contains(name, ".raw.") || strings.Contains(name, ".img.")
}

func (d Descriptor) check() error {
	switch {
	case !digestForm.MatchString(d.Digest):
		return fmt.Errorf("%w: an entry's digest %.80q is neither sha256 nor sha512", ErrMalformed, d.Digest)
	case d.Size < 0:
		return fmt.Errorf("%w: an entry has %d bytes", ErrMalformed, d.Size)
	}
	return nil
}

func listed(words []string) string {
	const shown = 8
	if len(words) == 0 {
		return "nothing"
	}
	more := ""
	if len(words) > shown {
		words, more = words[:shown], " and more"
	}
	out := make([]string, 0, len(words))
	for _, w := range words {
		out = append(out, fmt.Sprintf("%.40q", w))
	}
	return strings.Join(out, ", ") + more
}
