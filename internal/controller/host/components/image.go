package components

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/image/verified"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// Images fetches images of firmware and holds them against their digests.
type Images interface {
	// Fetch gives the file; verified.ErrBusy where as many are being fetched as may be at once.
	Fetch(ctx context.Context, url, digest string) (*verified.File, error)
}

// fetching is how long an image may take on its way to here and to its BMC.
const fetching = 90 * time.Minute

// Patience is how long an action may take: what the BMC's others may, and more where an image goes through here.
func Patience(a journey.Action, others time.Duration) time.Duration {
	start, is := a.(journey.StartUpdate)
	if !is {
		return others
	}
	if image, _ := firmware.ImageOf(start.URL); image.SHA256 == "" {
		return others
	}
	return fetching
}

// start asks a BMC for an update. An image with a digest is fetched first: where the digest is wrong the BMC is not asked. That the BMC then fetches the same bytes from the same URL is the server's word.
func (k *Keeper) start(ctx context.Context, c bmc.Components, a journey.StartUpdate) (*journey.UpdateReading, error) {
	from, wrong := firmware.ImageOf(a.URL)
	if wrong != "" {
		return nil, &bmc.Error{Op: "update firmware", Kind: step.Invalid, Err: fmt.Errorf("the update of %s %s", a.Component, wrong), Fix: "correct the update's URL"}
	}
	image := bmc.Image{URL: from.URL, Name: from.File(), Push: from.Push}
	if from.SHA256 != "" {
		file, err := k.fetch(ctx, from)
		if errors.Is(err, verified.ErrBusy) {
			return &journey.UpdateReading{State: journey.UpdatePostponed}, nil
		}
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }() // it was only read
		image.Content, image.SizeBytes = file, file.Size()
	}
	ticket, err := c.Start(ctx, a.Component, image)
	if err != nil {
		return nil, err
	}
	return &journey.UpdateReading{State: journey.UpdateRuns, Ticket: ticket}, nil
}

// fetch fetches an image. Whatever fails, the BMC was not asked: no failure may read as if nobody knew.
func (k *Keeper) fetch(ctx context.Context, image firmware.Image) (*verified.File, error) {
	const op = "fetch the firmware's image"
	if k.images == nil {
		return nil, &bmc.Error{Op: op, Kind: step.Unsupported, Err: errors.New("this partition role has no way to image servers"), Fix: "take what stands behind # out of the update's URL"}
	}
	file, err := k.images.Fetch(ctx, image.URL, image.SHA256)
	if err == nil || errors.Is(err, verified.ErrBusy) {
		return file, err
	}
	out := &bmc.Error{Op: op, Kind: step.Internal, Err: err}
	if f, is := errors.AsType[*step.Failure](err); is {
		out.Fix = f.Fix
		if f.Kind == step.Invalid || f.Kind == step.Denied || f.Kind == step.Unsupported {
			out.Kind = step.Invalid
		}
	}
	return nil, out
}
