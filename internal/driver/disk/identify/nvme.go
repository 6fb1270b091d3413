// Package identify reads what disks say of themselves: the data structures of NVMe (Identify, Sanitize Status) and ATA (IDENTIFY DEVICE), as far as erasing needs them.
//
// It owns the offsets and the meaning of the bits. It refuses to talk to a disk: its input is bytes, and every byte of them may be wrong, since firmware is. The rules
// for what may be erased by which command stand here too, so that they can be tested without a disk.
//
// Invariants: no input makes it panic; an input that is too short is an error, and never a disk without abilities.
package identify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// NVMeBytes is the size of both Identify data structures (NVMe Base 2.0, figures 275 and 97 of the NVM command set).
const NVMeBytes = 4096

// SanitizeLogBytes is how much of the Sanitize Status log (81h) is read.
const SanitizeLogBytes = 512

// ErrShort: the disk answered less than its specification says.
var ErrShort = errors.New("the disk's answer is too short")

// Controller is Identify Controller (CNS 01h).
type Controller struct {
	Serial, Model, Firmware string
	// CanFormat is OACS bit 1, ManagesNamespaces OACS bit 3.
	CanFormat, ManagesNamespaces bool
	// BlockErase and CryptoErase are SANICAP bits 1 and 0.
	BlockErase, CryptoErase bool
	// FormatsAll and ErasesAll are FNA bits 0 and 1: the format, or its erasing, takes every namespace along.
	FormatsAll, ErasesAll bool
	// Namespaces is NN, the highest number that a namespace can have.
	Namespaces uint32
}

// ParseController reads Identify Controller.
func ParseController(b []byte) (Controller, error) {
	if len(b) < NVMeBytes {
		return Controller{}, fmt.Errorf("identify controller: %w: %d bytes", ErrShort, len(b))
	}
	oacs, sanicap, fna := binary.LittleEndian.Uint16(b[256:]), binary.LittleEndian.Uint32(b[328:]), b[524]
	return Controller{
		Serial: text(b[4:24]), Model: text(b[24:64]), Firmware: text(b[64:72]),
		CanFormat: oacs&(1<<1) != 0, ManagesNamespaces: oacs&(1<<3) != 0,
		CryptoErase: sanicap&1 != 0, BlockErase: sanicap&(1<<1) != 0,
		FormatsAll: fna&1 != 0, ErasesAll: fna&(1<<1) != 0,
		Namespaces: binary.LittleEndian.Uint32(b[516:]),
	}, nil
}

// Namespace is Identify Namespace (CNS 00h).
type Namespace struct {
	// Blocks is NSZE.
	Blocks uint64
	// Format is the format in use: the index into the list of formats, of which it is the lower 4 and the upper 2 bits of FLBAS. SectorBytes is 0 where the entry makes no sense.
	Format      int
	SectorBytes int64
	// InlineMetadata is FLBAS bit 4, Protection and ProtectionFirst are DPS bits 2:0 and 3.
	InlineMetadata, ProtectionFirst bool
	Protection                      uint8
	// Formatting says that a Format NVM is under way, Left the share in percent that is (FPI).
	Formatting bool
	Left       int
}

// ParseNamespace reads Identify Namespace.
func ParseNamespace(b []byte) (Namespace, error) {
	if len(b) < NVMeBytes {
		return Namespace{}, fmt.Errorf("identify namespace: %w: %d bytes", ErrShort, len(b))
	}
	flbas, dps, fpi := b[26], b[29], b[32]
	n := Namespace{
		Blocks: binary.LittleEndian.Uint64(b), Format: int(flbas&0xf) | int(flbas>>5&3)<<4,
		InlineMetadata: flbas&(1<<4) != 0, Protection: dps & 7, ProtectionFirst: dps&(1<<3) != 0,
	}
	// FPI counts down; a namespace that was never formatted may leave it at 0 or without bit 7, which says that it is kept at all.
	if fpi&(1<<7) != 0 && fpi&0x7f != 0 {
		n.Formatting, n.Left = true, min(int(fpi&0x7f), 100)
	}
	const formats, entry = 128, 4
	if shift := b[formats+n.Format*entry+2]; shift >= 9 && shift <= 16 {
		n.SectorBytes = 1 << shift
	}
	return n, nil
}

// FormatDword is command dword 10 of a Format NVM that erases user data (SES 1) and leaves the format as it is.
func (n Namespace) FormatDword() uint32 {
	const userDataErase = 1 << 9
	d := uint32(n.Format&0xf) | uint32(n.Format>>4&3)<<12 | uint32(n.Protection&7)<<5 | userDataErase
	if n.InlineMetadata {
		d |= 1 << 4
	}
	if n.ProtectionFirst {
		d |= 1 << 8
	}
	return d
}

// ParseNamespaceList reads a list of namespaces (CNS 02h or 10h): numbers of 32 bits, up to the first 0.
func ParseNamespaceList(b []byte) ([]uint32, error) {
	if len(b) < NVMeBytes {
		return nil, fmt.Errorf("list of namespaces: %w: %d bytes", ErrShort, len(b))
	}
	var out []uint32
	for at := 0; at < NVMeBytes; at += 4 {
		id := binary.LittleEndian.Uint32(b[at:])
		if id == 0 {
			break
		}
		out = append(out, id)
	}
	return out, nil
}

// SanitizeState is where the last Sanitize stands.
type SanitizeState int

// The states (SSTAT bits 2:0).
const (
	SanitizeNever SanitizeState = iota
	SanitizeDone
	SanitizeRunning
	SanitizeFailed
	SanitizeDoneDeallocated
)

// Sanitize is the Sanitize Status log.
type Sanitize struct {
	State SanitizeState
	// Share is how much is done, from 0 to 1; only meant while it runs.
	Share float64
	// Action is bits 2:0 of the command that began it: 2 is block erase, 4 crypto erase.
	Action uint8
}

// BlockErase is the action.
const BlockErase = 2

// ParseSanitize reads the Sanitize Status log.
func ParseSanitize(b []byte) (Sanitize, error) {
	if len(b) < 8 {
		return Sanitize{}, fmt.Errorf("sanitize status: %w: %d bytes", ErrShort, len(b))
	}
	s := Sanitize{State: SanitizeState(binary.LittleEndian.Uint16(b[2:]) & 7), Action: b[4] & 7}
	if s.State > SanitizeDoneDeallocated {
		return Sanitize{}, fmt.Errorf("sanitize status: %d is no state", s.State)
	}
	s.Share = 1
	if s.State == SanitizeRunning {
		s.Share = float64(binary.LittleEndian.Uint16(b)) / 65536
	}
	return s, nil
}

// text is ASCII padded with blanks.
func text(b []byte) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, string(b)))
}
