package disk

import (
	"context"
	"errors"
)

// Means is one way in which a disk's own firmware erases all of it.
type Means string

// The means. All of them erase the whole disk; the numbers of the commands are those of NVMe Base Specification 2.0 and ATA/ATAPI Command Set 4.
const (
	// NVMeSanitize is Sanitize (84h) with the action Block Erase. It goes on by itself, also over a reset and a loss of power, and refuses every read and write until it is done.
	NVMeSanitize Means = "nvme-sanitize"
	// NVMeFormat is Format NVM (80h) with User Data Erase, keeping the sector size that the namespace has.
	NVMeFormat Means = "nvme-format"
	// ATAEnhanced and ATASecure are SECURITY ERASE UNIT (F4h), enhanced and normal.
	ATAEnhanced Means = "ata-enhanced-secure-erase"
	ATASecure   Means = "ata-secure-erase"
)

// Ability is what a disk's firmware can do now.
type Ability struct {
	// Means are in the order of preference; empty for none.
	Means []Means
	// Why says for people what is missing; set where Means is empty.
	Why string
	// Running is an erasure that was begun before the disk was opened and goes on by itself; empty for none. Nothing can be read or written until
	// EraseAll was called with it and returned.
	Running Means
}

// Eraser is a Disk whose firmware may be able to erase it. Not every Disk is one.
type Eraser interface {
	Disk
	// Ability asks the disk. A disk that answers that it has no such commands is no error.
	Ability(ctx context.Context) (Ability, error)
	// EraseAll erases the whole disk and returns when it is done. With Ability.Running it joins what is under way. progress gets the share that is done, from 0 to 1, where the
	// disk tells it; never nil. answer is what the disk said, for the evidence. ErrUnsupported, ErrFrozen: nothing was erased. ErrRefused, ErrIO: something may have been.
	// A temporary password that it needs is taken away again whatever happens, as far as the disk answers.
	EraseAll(ctx context.Context, how Means, progress func(share float64)) (answer string, err error)
}

// The kinds of error of an Eraser.
var (
	// ErrFrozen: the firmware of the machine froze the disk's security settings until the next power cycle of the disk (ATA SECURITY FREEZE LOCK).
	ErrFrozen = errors.New("security settings are frozen by the machine's firmware")
	// ErrRefused: the disk has the command and did not take it.
	ErrRefused = errors.New("refused by the disk")
)
