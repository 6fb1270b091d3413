// Package artifact knows what an image in an OCI registry is called and described by: references, manifests, indexes, challenges and pull secrets.
//
// It owns the parsing of these, each bounded, and the choice of the one layer that is the image. It refuses sockets and keeps nothing; internal/image/registry does the
// talking. The words are those of the OCI distribution specification 1.1 and image specification 1.1.
//
// An image here is what Metal3 and Ironic mean by oci://: an artifact of one layer, which is the disk image (or the archive of an operating system) itself, packed or not. An
// index has one such manifest per architecture; podman's machine images, which tell raw from qcow2 by the annotation "disktype", are chosen by it. An ordinary
// container image of several layers is refused: what would come of it is a root file system that nobody built to boot.
//
// Invariants: nothing is guessed. A document that can be read as two kinds, a layer without a digest of a known algorithm and an index with no manifest or two equal ones for
// the machine are refused.
package artifact

import (
	"fmt"
	"regexp"
	"strings"
)

// Scheme begins the URL of an image in a registry.
const Scheme = "oci://"

// Reference is where an image is: oci://host[:port]/repository[:tag][@digest].
type Reference struct {
	// Host is the registry with its port, lower case; docker.io stays what people write.
	Host string
	// Repository is the path below it.
	Repository string
	// Tag is "latest" where neither tag nor digest is given, and empty where only a digest is.
	Tag string
	// Digest is "sha256:<hex>" or "sha512:<hex>", empty for none. It wins over the tag.
	Digest string
}

// maxReferenceBytes is far more than the specification's 255 for a name, 128 for a tag and a digest.
const maxReferenceBytes = 1024

// The grammar of the distribution specification, "Pulling manifests", and of RFC 1123 for the host.
var (
	hostForm       = regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$`)
	repositoryForm = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagForm        = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	digestForm     = regexp.MustCompile(`^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)
)

// Parse reads the URL of an image. Unlike docker's command line it completes nothing: a host must be there.
func Parse(url string) (Reference, error) {
	wrong := func(why string) (Reference, error) {
		return Reference{}, fmt.Errorf("the image's reference %s: write oci://registry.example/repository:tag, or better @sha256:… behind it", why)
	}
	if len(url) > maxReferenceBytes {
		return wrong(fmt.Sprintf("has more than %d bytes", maxReferenceBytes))
	}
	if len(url) < len(Scheme) || !strings.EqualFold(url[:len(Scheme)], Scheme) {
		return wrong("does not begin with " + Scheme)
	}
	host, rest, found := strings.Cut(url[len(Scheme):], "/")
	r := Reference{Host: strings.ToLower(host)}
	switch {
	case strings.Contains(host, "@"):
		return wrong("holds a user name or password, which belong into the Secret of image.ociAuthSecretName")
	case !hostForm.MatchString(r.Host):
		return wrong("names no registry")
	case !found:
		return wrong("names no repository")
	}
	rest, digest, digested := strings.Cut(rest, "@")
	if r.Digest = digest; digested && !digestForm.MatchString(digest) {
		return wrong("has no digest behind its @ that is sha256 or sha512 in lower-case hex")
	}
	repository, tag, tagged := strings.Cut(rest, ":")
	if r.Repository = repository; len(repository) > 255 || !repositoryForm.MatchString(repository) {
		return wrong("names no repository: lower-case letters, digits, and single . _ - / between them")
	}
	if r.Tag = tag; tagged && !tagForm.MatchString(tag) {
		return wrong("has no tag behind its colon")
	}
	if !tagged && !digested {
		r.Tag = "latest"
	}
	return r, nil
}

// String is the reference as a URL.
func (r Reference) String() string {
	s := Scheme + r.Host + "/" + r.Repository
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

// Version is what a manifest is asked for by: the digest if there is one, else the tag.
func (r Reference) Version() string {
	if r.Digest != "" {
		return r.Digest
	}
	return r.Tag
}

// Endpoint is the host that serves the registry's API: docker.io's is called otherwise.
func (r Reference) Endpoint() string {
	if r.Host == "docker.io" || r.Host == "index.docker.io" {
		return "registry-1.docker.io"
	}
	return r.Host
}
