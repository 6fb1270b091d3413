package linux

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/firmware"
)

var _ disk.Eraser = (*Device)(nil)

// speaks says by the device's name which commands it takes; empty for none.
func (d *Device) speaks() string {
	for _, prefix := range []string{"nvme", "sd"} {
		if strings.HasPrefix(path.Base(d.Name), prefix) {
			return prefix
		}
	}
	return ""
}

// Ability implements disk.Eraser.
func (d *Device) Ability(ctx context.Context) (disk.Ability, error) {
	switch d.speaks() {
	case "nvme":
		return d.nvme().Ability(ctx)
	case "sd":
		return d.ata().Ability(ctx)
	}
	return disk.Ability{Why: "neither an NVMe namespace nor a SCSI or ATA disk"}, nil
}

// EraseAll implements disk.Eraser.
func (d *Device) EraseAll(ctx context.Context, how disk.Means, progress func(float64)) (string, error) {
	speaks := d.speaks()
	switch how {
	case disk.NVMeSanitize, disk.NVMeFormat:
		if speaks == "nvme" {
			return d.nvme().EraseAll(ctx, how, progress)
		}
	case disk.ATAEnhanced, disk.ATASecure:
		if speaks == "sd" {
			return d.ata().EraseAll(ctx, how, progress)
		}
	}
	return "", &disk.Error{Op: string(how), Disk: d.Name, Kind: disk.ErrUnsupported}
}

func (d *Device) nvme() firmware.NVMeDisk { return firmware.NVMeDisk{Name: d.Name, Carrier: nvme{d}} }
func (d *Device) ata() firmware.ATADisk   { return firmware.ATADisk{Name: d.Name, Carrier: ata{d}} }

// nvme carries admin commands by the ioctls of the namespace's block device (linux/nvme_ioctl.h).
type nvme struct{ d *Device }

// The ioctls: _IO('N', 0x40) and _IOWR('N', 0x41, struct nvme_passthru_cmd), of 72 bytes.
const (
	nvmeIoctlID    = 0x4e40
	nvmeIoctlAdmin = 0xc0484e41
)

// passthru is struct nvme_passthru_cmd.
type passthru struct {
	opcode, flags              uint8
	_                          uint16
	nsid, cdw2, cdw3           uint32
	metadata, addr             uint64
	metadataLen, dataLen       uint32
	cdw10, cdw11, cdw12, cdw13 uint32
	cdw14, cdw15               uint32
	timeoutMillis, result      uint32
}

// Admin implements firmware.NVMe. The ioctl returns the status of the completion, or -1 with an errno.
func (n nvme) Admin(c firmware.NVMeCommand) (uint16, error) {
	cmd := &passthru{
		opcode: c.Opcode, nsid: c.NamespaceID, cdw10: c.Dword10, dataLen: uint32(len(c.Data)), timeoutMillis: millis(c.Timeout),
		addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(c.Data)))),
	}
	status, _, errno := unix.Syscall(unix.SYS_IOCTL, n.d.F.Fd(), nvmeIoctlAdmin, uintptr(unsafe.Pointer(cmd)))
	runtime.KeepAlive(c.Data)
	if errno != 0 {
		return 0, fmt.Errorf("admin command %#x: %w", c.Opcode, errno)
	}
	return uint16(status), nil
}

// NamespaceID implements firmware.NVMe.
func (n nvme) NamespaceID() (uint32, error) {
	id, _, errno := unix.Syscall(unix.SYS_IOCTL, n.d.F.Fd(), nvmeIoctlID, 0)
	if errno != 0 {
		return 0, fmt.Errorf("NVME_IOCTL_ID: %w", errno)
	}
	return uint32(id), nil
}

func millis(d time.Duration) uint32 { return uint32(min(d.Milliseconds(), 1<<31)) }

// ata carries commands by SG_IO (scsi/sg.h) in ATA PASS-THROUGH (16) (SAT-4 §13.2.3), which libata, SAS adapters and USB bridges understand.
type ata struct{ d *Device }

const (
	sgIO = 0x2285
	// Directions of sg_io_hdr.
	sgNone, sgOut, sgIn = -1, -2, -3

	passThrough16 = 0x85
	// Protocols, in bits 4:1 of byte 1.
	nonData, pioIn, pioOut = 3 << 1, 4 << 1, 5 << 1
	// Flags in byte 2: CK_COND asks for the registers after the command; the length is in the sector count, in blocks; T_DIR is from the disk.
	checkCondition, fromDisk, inBlocks, inCount = 1 << 5, 1 << 3, 1 << 2, 2
	// descriptorSense, and the descriptor with the registers in it (ATA Status Return).
	descriptorSense, statusReturn = 0x72, 0x09
	// scsiCheck is the status CHECK CONDITION.
	scsiCheck = 2
)

// sgHeader is struct sg_io_hdr on 64 bits.
type sgHeader struct {
	interfaceID, direction         int32
	commandLength, maxSense        uint8
	iovecs                         uint16
	dataLength                     uint32
	data, command, sense           unsafe.Pointer
	timeoutMillis, flags           uint32
	packID                         int32
	user                           unsafe.Pointer
	status, masked, message, wrote uint8
	hostStatus, driverStatus       uint16
	residual                       int32
	duration, info                 uint32
}

// Command implements firmware.ATA.
func (a ata) Command(c firmware.ATACommand) error {
	cdb, sense := make([]byte, 16), make([]byte, 64)
	cdb[0], cdb[1], cdb[2], cdb[14] = passThrough16, nonData, checkCondition, c.Command
	h := &sgHeader{interfaceID: 'S', direction: sgNone, commandLength: uint8(len(cdb)), maxSense: uint8(len(sense)), timeoutMillis: millis(c.Timeout)}
	data := c.In
	switch {
	case c.In != nil:
		h.direction, cdb[1], cdb[2], cdb[6] = sgIn, pioIn, checkCondition|fromDisk|inBlocks|inCount, 1
	case c.Out != nil:
		data = c.Out
		h.direction, cdb[1], cdb[2], cdb[6] = sgOut, pioOut, checkCondition|inBlocks|inCount, 1
	}
	h.data, h.dataLength = unsafe.Pointer(unsafe.SliceData(data)), uint32(len(data))
	h.command, h.sense = unsafe.Pointer(&cdb[0]), unsafe.Pointer(&sense[0])
	if err := ioctl(a.d.fd(), sgIO, unsafe.Pointer(h)); err != nil {
		return fmt.Errorf("SG_IO: %w", err)
	}
	runtime.KeepAlive(h)
	if h.hostStatus != 0 {
		return fmt.Errorf("ATA command %#x: %w %#x", c.Command, errHost, h.hostStatus)
	}
	if h.status == 0 {
		return nil
	}
	return senseError(c.Command, h.status, sense[:h.wrote])
}

var (
	errHost = errors.New("the host adapter says")
	errSCSI = errors.New("not carried to the disk")
)

// senseError reads what came back with CHECK CONDITION: the disk's status and error registers, which with CK_COND come after a good command too. Nil where it went well.
func senseError(command, status uint8, sense []byte) error {
	if status != scsiCheck || len(sense) < 22 || sense[0]&0x7f != descriptorSense || sense[8] != statusReturn {
		return fmt.Errorf("ATA command %#x: %w: SCSI status %#x, sense % x", command, errSCSI, status, sense)
	}
	// Status register: bit 0 error, bit 5 device fault.
	if registers := sense[8:]; registers[13]&(1|1<<5) != 0 {
		return fmt.Errorf("ATA command %#x: %w: status %#x, error %#x", command, firmware.ErrATAAbort, registers[13], registers[3])
	}
	return nil
}
