package agent

import (
	"context"
	"fmt"
	"net/http"

	"github.com/ingotmetal/ingot/artifact"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/internal/image/rootfs"
	"github.com/ingotmetal/ingot/step"
)

// install unpacks a root file system onto the claimed disk by a layout. While the kernel holds the disk's partitions nobody can hold the disk itself, so it is opened again
// at the end, and the claim is checked again then.
func (a *agent) install(ctx context.Context, target disk.Disk, found step.Disk, p protocol.WriteImage, transport http.RoundTripper, report func(step.Progress)) (step.Written, error) {
	unsupported := func(why, fix string) error {
		return &step.Failure{Kind: step.Unsupported, Message: "install by a filesystem layout: " + why + "; nothing was written", Fix: fix}
	}
	switch {
	case p.Image.Format != protocol.FormatTarball:
		return step.Written{}, unsupported(fmt.Sprintf("the image's format is %q, not %s", p.Image.Format, protocol.FormatTarball), "")
	case a.hardware.Volumes == nil:
		return step.Written{}, unsupported("this machine makes no file systems", "provision a disk image")
	case found.Array:
		return step.Written{}, unsupported("the disk is a software RAID array", "provision a disk image, or take the array away")
	}
	i := p.Image
	i.Format = ""
	source, from, err := a.source(ctx, i, artifact.Tarball, transport, report)
	if err != nil {
		return step.Written{}, err
	}
	request := rootfs.Request{
		Disk: found.Name, Layout: *p.Layout, UEFI: p.UEFI, Seed: p.Seed, Source: source,
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
