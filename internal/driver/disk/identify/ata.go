package identify

import (
	"encoding/binary"
	"fmt"
	"time"
)

// ATABytes is the size of IDENTIFY DEVICE data.
const ATABytes = 512

// ATA is IDENTIFY DEVICE data (ACS-4 §7.13.6), as far as erasing needs it.
type ATA struct {
	Serial, Model, Firmware string
	// Security: the disk has the security feature set (word 82 bit 1 and word 128 bit 0).
	Security bool
	// Enabled: a password is set. Locked, Frozen and CountExpired are states of it (word 128 bits 1 to 4); Enhanced: the enhanced erase is there (bit 5).
	Enabled, Locked, Frozen, CountExpired, Enhanced bool
	// EraseTime and EnhancedTime are how long the disk says that it takes (words 89 and 90); 0 where it does not.
	EraseTime, EnhancedTime time.Duration
}

// ParseATA reads IDENTIFY DEVICE data.
func ParseATA(b []byte) (ATA, error) {
	if len(b) < ATABytes {
		return ATA{}, fmt.Errorf("identify device: %w: %d bytes", ErrShort, len(b))
	}
	// A signature in the lower byte of word 255 says that its upper byte makes the sum of all bytes 0.
	if b[510] == 0xa5 {
		var sum byte
		for _, x := range b[:ATABytes] {
			sum += x
		}
		if sum != 0 {
			return ATA{}, fmt.Errorf("identify device: the checksum of the data is wrong by %d", sum)
		}
	}
	word := func(n int) uint16 { return binary.LittleEndian.Uint16(b[2*n:]) }
	d := ATA{Serial: swapped(b[20:40]), Firmware: swapped(b[46:54]), Model: swapped(b[54:94])}
	// Words 82 and 83 mean something only where bits 15:14 of word 83 are 01.
	if word(83)>>14 != 1 {
		return d, nil
	}
	status := word(128)
	d.Security = word(82)&(1<<1) != 0 && status&1 != 0
	if !d.Security {
		return d, nil
	}
	d.Enabled, d.Locked, d.Frozen = status&(1<<1) != 0, status&(1<<2) != 0, status&(1<<3) != 0
	d.CountExpired, d.Enhanced = status&(1<<4) != 0, status&(1<<5) != 0
	d.EraseTime, d.EnhancedTime = eraseTime(word(89)), eraseTime(word(90))
	return d, nil
}

// eraseTime: twice as many minutes, in 8 bits, or in 15 where bit 15 is set.
func eraseTime(w uint16) time.Duration {
	if w&(1<<15) != 0 {
		return time.Duration(w&0x7fff) * 2 * time.Minute
	}
	return time.Duration(w&0xff) * 2 * time.Minute
}

// swapped is ATA's text: the two bytes of each word are in the wrong order.
func swapped(b []byte) string {
	out := make([]byte, len(b))
	for i := 0; i+1 < len(b); i += 2 {
		out[i], out[i+1] = b[i+1], b[i]
	}
	return text(out)
}
