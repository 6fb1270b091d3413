package linux

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/ingotmetal/ingot/internal/driver/disk/firmware"
)

// The structures are the kernel's: their sizes are a part of the ioctls' numbers.
func TestSizesOfKernelStructures(t *testing.T) {
	if n := unsafe.Sizeof(passthru{}); n != 72 {
		t.Errorf("nvme_passthru_cmd has %d bytes, not 72", n)
	}
	if n := unsafe.Sizeof(sgHeader{}); n != 88 {
		t.Errorf("sg_io_hdr has %d bytes, not 88", n)
	}
}

// registers builds the sense data that an ATA command comes back with.
func registers(status, failure byte) []byte {
	s := make([]byte, 22)
	s[0], s[7], s[8], s[9] = descriptorSense, 14, statusReturn, 12
	s[8+3], s[8+13] = failure, status
	return s
}

func TestSenseOfATACommands(t *testing.T) {
	for name, c := range map[string]struct {
		status uint8
		sense  []byte
		want   error
	}{
		"it went well":          {scsiCheck, registers(0x50, 0), nil},
		"aborted":               {scsiCheck, registers(0x51, 4), firmware.ErrATAAbort},
		"device fault":          {scsiCheck, registers(0x70, 0), firmware.ErrATAAbort},
		"a SCSI disk":           {scsiCheck, []byte{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0}, errSCSI},
		"nothing":               {scsiCheck, nil, errSCSI},
		"reservation conflict":  {0x18, registers(0x50, 0), errSCSI},
		"another kind of sense": {scsiCheck, append([]byte{0x72, 5, 0x20, 0, 0, 0, 0, 14, 0}, make([]byte, 13)...), errSCSI},
	} {
		if err := senseError(0xec, c.status, c.sense); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzSense(f *testing.F) {
	f.Add(uint8(scsiCheck), registers(0x50, 0))
	f.Add(uint8(scsiCheck), []byte{0x70, 0, 5})
	f.Fuzz(func(t *testing.T, status uint8, sense []byte) {
		if err := senseError(0xec, status, sense); err == nil && (status != scsiCheck || sense[21]&1 != 0) {
			t.Fatalf("% x is taken for success", sense)
		}
	})
}
