package bmc

import (
	"context"

	"github.com/ingotmetal/ingot/raid"
)

// CanStorage is a BMC that shows the machine's storage controllers. Which of them can have volumes is said when they are read; a machine that is off may show none.
const CanStorage Capability = "storage"

// VolumeOrder is a change of a volume that the BMC took. Its zero value: it is done.
type VolumeOrder struct {
	// Ticket is by what Progress is asked (at most 512 bytes); empty where the change is done, or the BMC gives nothing to ask by.
	Ticket string
	// OnReset: the controller carries it out with the machine's next start.
	OnReset bool
}

// Storage reads RAID controllers, and makes and deletes their volumes.
type Storage interface {
	// Read gives the controllers that can have volumes, with their drives and volumes, by ID. A controller that passes its disks through as they are is left out.
	Read(ctx context.Context) (raid.Storage, error)
	// Make asks for one volume of the drives that are named, with its level, its name where it has one, and its size (0: all of them). It returns when the BMC took the order. It is not idempotent:
	// after an error of kind Unreachable or Timeout the BMC may have taken it, which Read tells.
	Make(ctx context.Context, controller string, v raid.Made) (VolumeOrder, error)
	// Delete asks for the end of a volume by its ID. One that is not there is no error.
	Delete(ctx context.Context, controller, id string) (VolumeOrder, error)
	// Progress looks once. A ticket that the BMC does not know is UpdateUnknown and no error.
	Progress(ctx context.Context, ticket string) (UpdateProgress, error)
}
