package firmware

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/identify"
)

// The commands (ACS-4 §7) that are sent.
const (
	ATAIdentify        = 0xec
	ATASetPassword     = 0xf1
	ATAUnlock          = 0xf2
	ATAErasePrepare    = 0xf3
	ATAEraseUnit       = 0xf4
	ATADisablePassword = 0xf6
)

const (
	// password is set for the time of an erasure, since the command asks for one, and guards nothing: what is on the disk is to go. It is always the same, so that a disk on which an
	// erasure was cut short, which is locked with it, can be erased by whoever comes next.
	password = "ingot-erasure"
	// enhancedBit of word 0 in the data of SECURITY ERASE UNIT.
	enhancedBit = 1 << 1
	// eraseMinimum is the least time that an erasure is given, whatever the disk says that it takes.
	eraseMinimum = 12 * time.Hour
)

var errNone = errors.New("no error of the system")

// ErrATAAbort: the disk aborted a command.
var ErrATAAbort = errors.New("command aborted by the disk")

// ATADisk is a disk with ATA commands.
type ATADisk struct {
	Name    string
	Carrier ATA
}

// Ability implements disk.Eraser. A disk that does not know IDENTIFY DEVICE has none. A locked one cannot be read before it was erased.
func (a ATADisk) Ability(context.Context) (disk.Ability, error) {
	d, err := a.identify()
	if err != nil {
		return disk.Ability{Why: fmt.Sprintf("no ATA disk: %v", err)}, nil
	}
	ability := identify.ATAAbility(d)
	if d.Locked && len(ability.Means) > 0 {
		ability.Running = ability.Means[0]
	}
	return ability, nil
}

func (a ATADisk) identify() (identify.ATA, error) {
	b := disk.Buffer(identify.ATABytes)
	if err := a.Carrier.Command(ATACommand{Command: ATAIdentify, In: b, Timeout: askTimeout}); err != nil {
		return identify.ATA{}, &disk.Error{Op: "identify", Disk: a.Name, Kind: disk.ErrUnsupported, Err: err}
	}
	return identify.ParseATA(b)
}

// EraseAll implements disk.Eraser.
func (a ATADisk) EraseAll(_ context.Context, how disk.Means, progress func(float64)) (answer string, err error) {
	d, err := a.identify()
	if err != nil {
		return "", err
	}
	ability := identify.ATAAbility(d)
	switch {
	case !slices.Contains(ability.Means, how):
		return "", &disk.Error{Op: string(how), Disk: a.Name, Kind: disk.ErrUnsupported, Err: fmt.Errorf("%s", ability.Why)}
	case d.Frozen:
		return "", &disk.Error{Op: string(how), Disk: a.Name, Kind: disk.ErrFrozen, Err: errors.New("turn the machine off and on, or turn off the freeze lock in its settings")}
	}
	if d.Locked {
		if err := a.send("unlock", ATAUnlock, 0); err != nil {
			return "", &disk.Error{Op: string(how), Disk: a.Name, Kind: disk.ErrRefused, Err: fmt.Errorf("it is locked by a password that is not ours: %w", err)}
		}
	}
	defer func() {
		if left := a.takePasswordAway(); left != nil {
			err = errors.Join(err, left)
		}
	}()
	progress(0)
	if err := a.erase(d, how); err != nil {
		return "", err
	}
	progress(1)
	return fmt.Sprintf("SECURITY ERASE UNIT (%s): ended without an error; the disk had said %s", how, a.said(d, how)), nil
}

func (a ATADisk) said(d identify.ATA, how disk.Means) string {
	if t := eraseTime(d, how); t > 0 {
		return "that it takes " + t.String()
	}
	return "no time for it"
}

func eraseTime(d identify.ATA, how disk.Means) time.Duration {
	if how == disk.ATAEnhanced {
		return d.EnhancedTime
	}
	return d.EraseTime
}

func (a ATADisk) erase(d identify.ATA, how disk.Means) error {
	mode := uint8(0)
	if how == disk.ATAEnhanced {
		mode = enhancedBit
	}
	// Level high, bit 8 of word 0 clear: the maker's password could still undo it.
	if err := a.send("set the password of", ATASetPassword, 0); err != nil {
		return &disk.Error{Op: string(how), Disk: a.Name, Kind: disk.ErrRefused, Err: err}
	}
	if err := a.Carrier.Command(ATACommand{Command: ATAErasePrepare, Timeout: askTimeout}); err != nil {
		return &disk.Error{Op: string(how), Disk: a.Name, Kind: disk.ErrRefused, Err: fmt.Errorf("erase prepare: %w", err)}
	}
	err := a.Carrier.Command(ATACommand{Command: ATAEraseUnit, Out: data(mode), Timeout: max(eraseMinimum, 3*eraseTime(d, how))})
	if err != nil {
		return &disk.Error{Op: string(how), Disk: a.Name, Kind: disk.ErrIO, Err: err}
	}
	return nil
}

// takePasswordAway makes sure that no password is left. A disk that erased itself has none any more.
func (a ATADisk) takePasswordAway() error {
	d, err := a.identify()
	if err != nil {
		return fmt.Errorf("after the erasure the disk does not say whether a password is left (it would be %q): %w", password, err)
	}
	if !d.Enabled {
		return nil
	}
	if d.Locked {
		err = a.send("unlock", ATAUnlock, 0)
	}
	if err == nil {
		err = a.send("take the password away from", ATADisablePassword, 0)
	}
	if err != nil {
		return fmt.Errorf("%s keeps the password %q, the next erasure takes it away: %w", a.Name, password, err)
	}
	return nil
}

func (a ATADisk) send(what string, command, mode uint8) error {
	if err := a.Carrier.Command(ATACommand{Command: command, Out: data(mode), Timeout: askTimeout}); err != nil {
		return fmt.Errorf("%s %s: %w", what, a.Name, err)
	}
	return nil
}

// data is the block that all password commands take: word 0 with the identifier (0: user), then the password, padded with zeros.
func data(mode uint8) []byte {
	b := disk.Buffer(identify.ATABytes)
	b[0] = mode
	copy(b[2:34], password)
	return b
}
