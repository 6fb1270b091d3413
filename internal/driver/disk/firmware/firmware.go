// Package firmware has a disk's own firmware erase it: the sequences of NVMe and ATA commands, over whatever carries them.
//
// It owns the order of the commands, what is asked before and after, and the temporary password of ATA. It refuses to know how a command gets to a disk: the block devices of
// Linux and simulated disks carry them (NVMe, ATA). So the sequence that a simulated machine goes through is the one that a real one does.
//
// Invariants: a command that would take another namespace along is never sent (package identify); EraseAll never returns nil unless the disk said that it is done; after an ATA erasure,
// good or bad, no password is set, or the error says so.
package firmware

import (
	"context"
	"time"
)

// NVMe carries admin commands to the controller of one namespace.
type NVMe interface {
	// Admin sends one command and waits for it. status is the completion's status field without the phase bit (0 is success); err: it did not get there.
	Admin(c NVMeCommand) (status uint16, err error)
	// NamespaceID is the number of the namespace.
	NamespaceID() (uint32, error)
}

// NVMeCommand is one admin command. Data is read into.
type NVMeCommand struct {
	Opcode      uint8
	NamespaceID uint32
	Dword10     uint32
	Data        []byte
	Timeout     time.Duration
}

// ATA carries commands to one ATA disk.
type ATA interface {
	// Command sends one command and waits for it. ErrATAAbort, or a wrapped error: it did not work.
	Command(c ATACommand) error
}

// ATACommand is one command; at most one of In and Out is set, and is 512 bytes long.
type ATACommand struct {
	Command uint8
	In, Out []byte
	Timeout time.Duration
}

// pause waits, or less where the context ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
