package agent

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"

	"github.com/ingotmetal/ingot/artifact"
	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/internal/image/registry"
	"github.com/ingotmetal/ingot/internal/image/rootfs"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// isArtifact says whether an image is in an OCI registry.
func isArtifact(i protocol.Image) bool {
	return len(i.URL) >= len(artifact.Scheme) && strings.EqualFold(i.URL[:len(artifact.Scheme)], artifact.Scheme)
}

// source says what to read with which transport. An image in a registry is found there first; its layer's digest is the checksum from then on, and one that the host gives
// must be the same.
func (a *agent) source(ctx context.Context, i protocol.Image, use artifact.Use, transport http.RoundTripper, report func(step.Progress)) (image.Source, http.RoundTripper, error) {
	if !isArtifact(i) {
		return image.Source{URL: i.URL, Format: image.Format(i.Format), Checksum: i.Checksum, ChecksumType: i.ChecksumType}, transport, nil
	}
	ref, err := artifact.Parse(i.URL)
	if err != nil {
		return image.Source{}, nil, &step.Failure{Kind: step.Invalid, Message: err.Error(), Fix: "correct spec.image.url"}
	}
	report(step.Progress{Phase: "finding the image in its registry"})
	o := registry.Options{Transport: transport, Want: artifact.Want{Architecture: runtime.GOARCH, Format: i.Format, Use: use}}
	if l := i.Login; l != nil {
		o.Credentials = registry.Credentials{Username: l.Username, Password: secret.New(l.Password)}
	}
	found, err := registry.Find(ctx, ref, o)
	if err != nil {
		return image.Source{}, nil, err
	}
	if err := agrees(i.Checksum, found.Digest); err != nil {
		return image.Source{}, nil, err
	}
	a.logger.Info("Image found in its registry", "image", ref.String(), "manifest", found.Manifest, "digest", found.Digest, "bytes", found.SizeBytes, "mediaType", found.MediaType)
	return image.Source{URL: found.URL, Format: image.Format(i.Format), Checksum: found.Digest}, found.Transport, nil
}

// agrees compares the checksum that a host gives with the layer's digest.
func agrees(checksum, digest string) error {
	given := strings.ToLower(strings.TrimSpace(checksum))
	_, hex, _ := strings.Cut(digest, ":")
	if given == "" || given == digest || given == hex {
		return nil
	}
	return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the image's layer has the digest %s, and the host gives the checksum %.140q", digest, checksum),
		Fix: "remove spec.image.checksum, or give the layer's digest; nothing was written"}
}

// policyURL is the URL by which the addresses are judged that an image may come from.
func policyURL(i protocol.Image) (string, error) {
	if !isArtifact(i) {
		return i.URL, nil
	}
	ref, err := artifact.Parse(i.URL)
	if err != nil {
		return "", &step.Failure{Kind: step.Invalid, Message: err.Error(), Fix: "correct spec.image.url"}
	}
	return "https://" + ref.Endpoint() + "/", nil
}

// laidOut says whether the agent makes the disk's partitions itself.
func laidOut(p protocol.WriteImage) bool {
	_, partition := p.Image.Filesystem()
	return partition || p.Layout != nil
}

// install brings a root file system onto the claimed disk by a layout. While the kernel holds the disk's partitions nobody can hold the disk itself, so it is opened again
// at the end, and the claim is checked again then.
func (a *agent) install(ctx context.Context, target disk.Disk, found step.Disk, p protocol.WriteImage, transport http.RoundTripper, report func(step.Progress)) (step.Written, error) {
	unsupported := func(why, fix string) error {
		return &step.Failure{Kind: step.Unsupported, Message: "install by a filesystem layout: " + why + "; nothing was written", Fix: fix}
	}
	i, use := p.Image, artifact.Tarball
	content, partition := i.Filesystem()
	switch {
	case i.Format != protocol.FormatTarball && !partition:
		return step.Written{}, unsupported(fmt.Sprintf("the image's format is %q, neither %s nor %s", i.Format, protocol.FormatTarball, protocol.FormatFilesystem), "")
	case a.hardware.Volumes == nil:
		return step.Written{}, unsupported("this machine makes no file systems", "provision a disk image")
	case found.Array:
		return step.Written{}, unsupported("the disk is a software RAID array", "provision a disk image, or take the array away")
	}
	if i.Format = content; partition {
		use = artifact.Disk
	}
	source, from, err := a.source(ctx, i, use, transport, report)
	if err != nil {
		return step.Written{}, err
	}
	layout := filesystem.Standard()
	if p.Layout != nil {
		layout = *p.Layout
	}
	request := rootfs.Request{
		Disk: found.Name, Layout: layout, UEFI: p.UEFI, Filesystem: partition, AnyFormat: p.Layout == nil, Seed: p.Seed, Source: source,
		Options: image.Options{Transport: from, ConfigDrive: p.ConfigDrive, Now: a.clock.Now},
		Open: func(ctx context.Context) (disk.Disk, error) {
			again, err := a.claimed(ctx, p)
			if err != nil {
				return nil, err
			}
			if again.Name != found.Name {
				return nil, &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("the claimed disk was %s and is %s now", found.Name, again.Name)}
			}
			d, err := a.hardware.Disks.Open(ctx, again.Name)
			if err != nil {
				return nil, openFailure(again, err)
			}
			return d, nil
		},
	}
	return rootfs.Install(ctx, target, request, rootfs.Tools{Volumes: a.hardware.Volumes, Loader: a.hardware.Loader}, report)
}

// closedOnce is a disk that two are told to close.
type closedOnce struct {
	disk.Disk

	closed bool
}

// Close implements io.Closer.
func (d *closedOnce) Close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	return d.Disk.Close()
}
