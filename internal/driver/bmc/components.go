package bmc

import (
	"context"
	"io"
)

// CanComponents is a BMC that shows the versions of its machine's firmware and has a service for updates. Whether that service takes an image by URL is said when it is asked.
const CanComponents Capability = "firmware-components"

// Component is a part of the machine with firmware of its own: "bios", "bmc", or "nic:" and the adapter's name, as Metal3's HostFirmwareComponents has them.
type Component struct {
	Name, Version string
}

// Image is what an update writes.
type Image struct {
	// URL is where the BMC may fetch it.
	URL string
	// Content is the image itself, of SizeBytes, and Name its file's name; nil: it is not at hand, and the BMC has to fetch it.
	Content   io.ReaderAt
	SizeBytes int64
	Name      string
	// Push: the BMC is sent the content, also where it could fetch the image.
	Push bool
}

// UpdateState is how far an update is.
type UpdateState string

// The states of an update. UpdateWaits: the BMC has the image and begins with the machine's next start. UpdateUnknown: the BMC knows nothing of it, or not any more.
const (
	UpdateRuns    UpdateState = "runs"
	UpdateWaits   UpdateState = "waits"
	UpdateDone    UpdateState = "done"
	UpdateFailed  UpdateState = "failed"
	UpdateUnknown UpdateState = "unknown"
)

// UpdateProgress is one look at an update.
type UpdateProgress struct {
	State UpdateState
	// Percent is from 0 to 100; 0 where the BMC does not say.
	Percent int
	// Message is what the BMC says of a failure, in one line.
	Message string
}

// Components reads the versions of the machine's firmware and updates it.
type Components interface {
	// Read gives the components that the BMC shows with their versions, in the order of their names.
	Read(ctx context.Context) ([]Component, error)
	// Start asks the BMC to fetch an image and to write it into one component, or sends it the image where it does not fetch or is not to. It returns when the BMC took the order, with the ticket to ask Progress by (at most 512 bytes); the ticket is empty where
	// the BMC gives nothing to ask by. It is not idempotent: after an error of kind Unreachable or Timeout the BMC may have taken the order, which Find tells.
	Start(ctx context.Context, name string, image Image) (ticket string, err error)
	// Find gives the ticket of an update by the image at this URL that the BMC runs or remembers, or of one by a pushed image that it has not ended; empty for none.
	Find(ctx context.Context, url string) (ticket string, err error)
	// Progress looks once. A ticket that the BMC does not know is UpdateUnknown and no error.
	Progress(ctx context.Context, ticket string) (UpdateProgress, error)
}
