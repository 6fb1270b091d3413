package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/ingotmetal/ingot/artifact"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/internal/image/array"
	"github.com/ingotmetal/ingot/internal/image/fetch"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// writeImage writes an image and its config drive to the claimed disk. The claim is checked against the disks as they are now, and once more with the disk open
// for this agent alone: from then on its name can mean no other disk.
func (a *agent) writeImage(ctx context.Context, p protocol.WriteImage, report func(step.Progress)) step.Outcome {
	found, err := a.claimed(ctx, p)
	if err != nil {
		return failure(err)
	}
	if err := a.freeForWriting(ctx, found, p.Arrays); err != nil {
		return failure(err)
	}
	target, err := a.hardware.Disks.Open(ctx, found.Name)
	if err != nil {
		return failure(openFailure(found, err))
	}
	if laidOut(p) {
		target = &closedOnce{Disk: target}
	}
	written, err := a.writeTo(ctx, target, found, p, report)
	if closeErr := target.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("close the disk %s after writing the image: %w", found.Name, closeErr)
	}
	if err != nil {
		o := failure(err)
		o.Disk = &found
		return o
	}
	a.logger.Info("Image written", "disk", found.Name, "serial", found.SerialNumber, "digest", written.Digest, "imageBytes", written.ImageBytes,
		"writtenBytes", written.WrittenBytes, "downloadedBytes", written.DownloadedBytes, "resumes", written.Resumes)
	return step.Outcome{Disk: &found, Written: &written}
}

func (a *agent) writeTo(ctx context.Context, target disk.Disk, found step.Disk, p protocol.WriteImage, report func(step.Progress)) (step.Written, error) {
	again, err := a.claimed(ctx, p)
	if err != nil {
		return step.Written{}, err
	}
	if size := target.Geometry().SizeBytes; again.Name != found.Name || size != p.Claim.SizeBytes {
		return step.Written{}, &step.Failure{Kind: step.Internal, Message: fmt.Sprintf(
			"write image: the disk %s of %d bytes changed while it was opened: it is %s of %d bytes now; nothing was written", found.Name, p.Claim.SizeBytes, again.Name, size)}
	}
	transport, err := a.imageTransport(p.Image)
	if err != nil {
		return step.Written{}, err
	}
	defer transport.CloseIdleConnections()
	if laidOut(p) {
		return a.install(ctx, target, found, p, transport, report)
	}
	source, from, err := a.source(ctx, p.Image, artifact.Disk, transport, report)
	if err != nil {
		return step.Written{}, err
	}
	o := image.Options{Transport: from, ConfigDrive: p.ConfigDrive, Now: a.clock.Now}
	if found.Array {
		return array.Write(ctx, a.hardware.Arrays, target, found.Name, func() (step.Written, error) { return image.Write(ctx, source, target, o, report) })
	}
	return image.Write(ctx, source, target, o, report)
}

// claimed finds the one disk that a claim means among the disks as they are now, and holds it against the hints.
func (a *agent) claimed(ctx context.Context, p protocol.WriteImage) (step.Disk, error) {
	disks, err := a.disks(ctx, p.Arrays)
	if err != nil {
		return step.Disk{}, fmt.Errorf("list the disks before writing: %w", err)
	}
	d, refused := findClaimed(markKept(disks, p.Erasure), p.Claim)
	if refused != nil {
		return step.Disk{}, refused
	}
	if noHints(p.Hints) {
		// Without hints the choice was a matter of names and sizes, which the claim replaces; it only must be a disk that may be written.
		if !d.Owned(p.Owns) || d.ReadOnly || d.Kept || d.MemberOf != "" {
			return step.Disk{}, &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("write image: the claimed disk %s is not the machine's own (%s), read-only, kept by its host or a part of an array; nothing was written",
				d.Name, d.Outside())}
		}
		return d, nil
	}
	if _, refused := rootdevice.Choose([]step.Disk{d}, p.Hints, 0, p.Owns...); refused != nil {
		refused.Message = "write image: the claimed disk is not one that the hints mean, nothing was written: " + refused.Message
		return step.Disk{}, refused
	}
	return d, nil
}

// findClaimed finds the claimed disk by its serial number, WWN and size. A disk that has neither number is only known by its name, which must be the claim's.
func findClaimed(disks []step.Disk, claim step.Disk) (step.Disk, *step.Failure) {
	anonymous := claim.SerialNumber == "" && claim.WWN == ""
	var found []step.Disk
	for _, d := range disks {
		same := d.SerialNumber == claim.SerialNumber && d.WWN == claim.WWN && d.SizeBytes == claim.SizeBytes
		if same && (!anonymous || d.Name == claim.Name) {
			found = append(found, d)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	f := &step.Failure{Kind: step.Invalid, Fix: "inspect the host again; two disks with the same numbers need a firmware that tells them apart"}
	f.Message = fmt.Sprintf("write image: %d of the machine's %d disks are the claimed one (%s, serial %q, WWN %q, %d bytes); nothing was written",
		len(found), len(disks), claim.Name, claim.SerialNumber, claim.WWN, claim.SizeBytes)
	return step.Disk{}, f
}

func openFailure(d step.Disk, err error) error {
	f := &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("open the disk %s (serial %q): %v", d.Name, d.SerialNumber, err)}
	switch {
	case errors.Is(err, disk.ErrReadOnly), errors.Is(err, disk.ErrNotDisk):
		f.Kind, f.Fix = step.Invalid, "name another disk in spec.rootDeviceHints"
	case errors.Is(err, disk.ErrBusy):
		f.Fix = "the disk is in use, for example as a part of a RAID; take it out of there"
	}
	return f
}

// imageTransport makes the connections to image stores. Each is a flow of the matrix, and none goes to an address that images do not come from.
func (a *agent) imageTransport(i protocol.Image) (*http.Transport, error) {
	from, err := policyURL(i)
	if err != nil {
		return nil, err
	}
	policy, err := fetch.PolicyOf(from)
	if err != nil {
		return nil, err
	}
	if sums, err := fetch.PolicyOf(i.Checksum); err == nil {
		policy.LoopbackAllowed = policy.LoopbackAllowed || sums.LoopbackAllowed
	}
	roots, err := a.imageRoots(i.CAPEM)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			c, err := a.dial(ctx, matrix.AgentToImageStore, address)
			if err != nil {
				return nil, err
			}
			// A name may resolve to anything; nothing was sent yet.
			if to, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
				err = policy.Address(to.Addr())
				if err != nil {
					return nil, errors.Join(fmt.Errorf("dial %s: %w", address, err), c.Close())
				}
			}
			return c, nil
		},
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Time: a.clock.Now},
		TLSHandshakeTimeout:   answerTime,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       time.Minute,
		// What is hashed is what the server has.
		DisableCompression: true,
	}, nil
}

// imageRoots are the CAs that may vouch for an image store: the given ones alone, else the system's and the boot medium's.
func (a *agent) imageRoots(caPEM []byte) (*x509.CertPool, error) {
	if len(caPEM) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(caPEM) {
			return nil, &step.Failure{Kind: step.Invalid, Message: "write image: the CA for the image store holds no certificate in PEM"}
		}
		return pool, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM([]byte(a.config.CAPEM))
	return pool, nil
}
