package filebacked

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/ingotmetal/ingot/internal/driver/disk/firmware"
	"github.com/ingotmetal/ingot/internal/driver/disk/identify"
)

// Protocol is what a simulated disk's firmware speaks.
type Protocol string

// The protocols.
const (
	SpeaksNVMe Protocol = "nvme"
	SpeaksATA  Protocol = "ata"
)

// Firmware is the firmware of one simulated disk: it answers the same commands as a real one. It outlives what opens the disk, as a real one outlives an agent. The fields
// without a lock are set before the disk is first used.
type Firmware struct {
	Protocol Protocol
	// Namespaces is how many there are on an NVMe disk; 0 means 1.
	Namespaces int
	// NoSanitize, NoFormat and NoSecurity take an ability away; NoEnhanced the enhanced erase of ATA.
	NoSanitize, NoFormat, NoSecurity, NoEnhanced bool
	// Frozen is ATA's freeze lock.
	Frozen bool
	// Fails makes every erasure fail after the first half of the disk was erased.
	Fails bool
	// Forgets makes an erasure claim success and erase nothing.
	Forgets bool
	// Holds makes a Sanitize stay where it is while it is set.
	Holds func() bool

	mu sync.Mutex
	// password is ATA's user password, empty for none; locked until it is given.
	password         string
	locked, prepared bool
	sanitize         identify.SanitizeState
	// share of a Sanitize in 1/65536.
	share uint32
	sent  []string
}

// Sent are the commands that were answered, in words, without the questions.
func (f *Firmware) Sent() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.sent...)
}

// Password is the ATA password that is set now.
func (f *Firmware) Password() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.password
}

// Lock sets a password and locks the disk with it, as a loss of power in the middle of an erasure does.
func (f *Firmware) Lock(password string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.password, f.locked = password, true
}

var errLocked = errors.New("the disk is locked or erases itself")

// usable says whether the disk can be read and written.
func (f *Firmware) usable() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locked || f.sanitize == identify.SanitizeRunning || f.sanitize == identify.SanitizeFailed {
		return errLocked
	}
	return nil
}

// carrier answers commands for an open disk.
type carrier struct {
	f *Firmware
	d *Disk
}

// eraseFile erases the file as the firmware would; the caller holds mu.
func (c carrier) eraseFile() error {
	size := c.d.Geo.SizeBytes
	switch {
	case c.f.Forgets:
		return nil
	case c.f.Fails:
		return errors.Join(firmware.ErrATAAbort, c.d.punch(0, size/2/int64(c.d.Geo.SectorBytes)*int64(c.d.Geo.SectorBytes)))
	}
	return c.d.punch(0, size)
}

// The statuses of NVMe that are answered with.
const (
	invalidOpcode, invalidField = 0x001, 0x002
	formatFailed                = 0x10a
)

// Admin implements firmware.NVMe.
func (c carrier) Admin(cmd firmware.NVMeCommand) (uint16, error) {
	f := c.f
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(cmd.Data)
	switch cmd.Opcode {
	case firmware.NVMeIdentify:
		return f.identifyNVMe(cmd, c.d), nil
	case firmware.NVMeGetLog:
		if f.sanitize == identify.SanitizeRunning {
			c.proceed()
		}
		binary.LittleEndian.PutUint16(cmd.Data, uint16(min(f.share, 0xffff)))
		cmd.Data[2], cmd.Data[4] = byte(f.sanitize), identify.BlockErase
		return 0, nil
	case firmware.NVMeSanitize:
		return c.sanitize(cmd.Dword10), nil
	case firmware.NVMeFormat:
		f.sent = append(f.sent, "format")
		if f.NoFormat {
			return invalidOpcode, nil
		}
		if cmd.Dword10>>9&7 != 1 {
			return invalidField, nil
		}
		if c.eraseFile() != nil {
			return formatFailed, nil
		}
		return 0, nil
	}
	return invalidOpcode, nil
}

func (c carrier) sanitize(dword uint32) uint16 {
	f := c.f
	switch {
	case f.NoSanitize:
		return invalidOpcode
	case dword&7 == 1:
		f.sent = append(f.sent, "exit failure mode")
		f.sanitize = identify.SanitizeNever
	case dword&7 == identify.BlockErase:
		f.sent = append(f.sent, "sanitize")
		f.sanitize, f.share = identify.SanitizeRunning, 0
	default:
		return invalidField
	}
	return 0
}

// proceed moves a Sanitize on by a third with each look at it, so that no test waits for a clock.
func (c carrier) proceed() {
	f := c.f
	if f.Holds != nil && f.Holds() {
		return
	}
	if f.share += 65536 / 3; f.share < 65535 {
		return
	}
	f.share, f.sanitize = 65535, identify.SanitizeDone
	if c.eraseFile() != nil {
		f.sanitize = identify.SanitizeFailed
	}
}

// NamespaceID implements firmware.NVMe.
func (c carrier) NamespaceID() (uint32, error) { return 1, nil }

func (f *Firmware) identifyNVMe(cmd firmware.NVMeCommand, d *Disk) uint16 {
	const controller, namespace = 1, 0
	b := cmd.Data
	switch cmd.Dword10 & 0xff {
	case controller:
		if !f.NoFormat {
			b[256] = 1 << 1
		}
		if !f.NoSanitize {
			b[328] = 1 << 1
		}
	case namespace:
		binary.LittleEndian.PutUint64(b, uint64(d.Geo.SizeBytes/int64(d.Geo.SectorBytes)))
		b[128+2] = 9
	default:
		for i := range max(f.Namespaces, 1) {
			binary.LittleEndian.PutUint32(b[4*i:], uint32(i+1))
		}
	}
	return 0
}

// Command implements firmware.ATA.
func (c carrier) Command(cmd firmware.ATACommand) error {
	f := c.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if cmd.Command == firmware.ATAIdentify {
		f.identifyATA(cmd.In)
		return nil
	}
	if f.NoSecurity || f.Frozen {
		return firmware.ErrATAAbort
	}
	given := ""
	if cmd.Out != nil {
		given = string(cmd.Out[2:34])
	}
	prepared := f.prepared
	f.prepared = false
	switch cmd.Command {
	case firmware.ATASetPassword:
		f.password = given
	case firmware.ATAErasePrepare:
		f.prepared = true
	case firmware.ATAUnlock, firmware.ATADisablePassword, firmware.ATAEraseUnit:
		return c.withPassword(cmd, given, prepared)
	default:
		return firmware.ErrATAAbort
	}
	return nil
}

// withPassword answers what needs the right password. The caller holds mu.
func (c carrier) withPassword(cmd firmware.ATACommand, given string, prepared bool) error {
	f := c.f
	if given != f.password {
		return fmt.Errorf("%w: wrong password", firmware.ErrATAAbort)
	}
	switch cmd.Command {
	case firmware.ATAUnlock:
		f.locked = false
	case firmware.ATADisablePassword:
		f.password = ""
	case firmware.ATAEraseUnit:
		if !prepared || f.password == "" {
			return firmware.ErrATAAbort
		}
		f.sent = append(f.sent, fmt.Sprintf("erase unit %d", cmd.Out[0]))
		if err := c.eraseFile(); err != nil {
			f.locked = true // as after a loss of power in the middle of it
			return err
		}
		f.password, f.locked = "", false
	}
	return nil
}

func (f *Firmware) identifyATA(b []byte) {
	clear(b)
	put := func(word int, v uint16) { binary.LittleEndian.PutUint16(b[2*word:], v) }
	put(83, 1<<14)
	if f.NoSecurity {
		return
	}
	put(82, 1<<1)
	status := uint16(1)
	for bit, on := range map[int]bool{1: f.password != "", 2: f.locked, 3: f.Frozen, 5: !f.NoEnhanced} {
		if on {
			status |= 1 << bit
		}
	}
	put(89, 60)
	put(90, 1)
	put(128, status)
}
