package qemu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unicode/utf16"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// The firmware's variables as EDK II keeps them in its flash: a firmware volume whose body is a store of authenticated variables (MdeModulePkg, VariableFormat.h).
const (
	volumeHeaderSizeAt = 0x30 // EFI_FIRMWARE_VOLUME_HEADER.HeaderLength
	storeHeaderBytes   = 28   // VARIABLE_STORE_HEADER; its size is at 16
	storeSizeAt        = 16
	variableBytes      = 60 // AUTHENTICATED_VARIABLE_HEADER
	variableStart      = 0x55aa
	variableAdded      = 0x3f
	variableDeleted    = 0xfd // what is kept of the state of a deleted variable
	variableAttributes = 7    // non-volatile, and seen by boot services and at run time

	// Places in a variable's header.
	stateAt, attributesAt, nameSizeAt, dataSizeAt, vendorAt = 2, 4, 36, 40, 44
)

// globalVariable is EFI_GLOBAL_VARIABLE, 8be4df61-93ca-11d2-aa0d-00e098032b8c, in a GUID's mixed byte order.
var globalVariable = [16]byte{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}

// httpBootOption is the number of the boot option that HttpBootUri makes.
const httpBootOption = 0x0bc0

var errVariables = errors.New("these are no variables of a UEFI firmware")

// bootURI has the firmware's next boot fetch a URI: what a BMC does that is told HttpBootUri. The option is a URI alone, the short form that the boot manager tries
// on each network card (UEFI 2.10 §3.1.2).
func bootURI(path, uri string) error {
	flash, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the firmware's variables: %w", err)
	}
	for name, data := range map[string][]byte{
		fmt.Sprintf("Boot%04X", httpBootOption): loadOption(uri),
		"BootNext":                              binary.LittleEndian.AppendUint16(nil, httpBootOption),
	} {
		if err := setVariable(flash, name, data); err != nil {
			return fmt.Errorf("set %s in %s: %w", name, path, err)
		}
	}
	return os.WriteFile(path, flash, 0o600)
}

// prepareHTTP gives the firmware what a plan has it boot, and whom it trusts for that.
func prepareHTTP(c Config, mode bmc.Mode, plan bmcsim.BootPlan) error {
	if mode == bmc.ModeLegacy {
		return errors.New("a BIOS has no HTTP boot")
	}
	if plan.Authorities != "" {
		lists, err := SignatureLists([]byte(plan.Authorities))
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.authoritiesPath(), lists, 0o600); err != nil {
			return err
		}
	}
	return bootURI(c.varsPath(mode), plan.URI)
}

// loadOption is an EFI_LOAD_OPTION (UEFI 2.10 §3.1.3) whose path is a URI node (§10.3.4.22) and the end.
func loadOption(uri string) []byte {
	const active, messaging, uriNode, end, endAll = 1, 3, 24, 0x7f, 0xff
	path := []byte{messaging, uriNode}
	path = binary.LittleEndian.AppendUint16(path, uint16(4+len(uri)))
	path = append(append(path, uri...), end, endAll, 4, 0)
	out := binary.LittleEndian.AppendUint32(nil, active)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(path)))
	return append(append(out, wide("HTTP boot by the BMC")...), path...)
}

// wide is a UEFI string with its NUL.
func wide(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s + "\x00")) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

// setVariable adds a global variable to a flash's store, and deletes the one of that name.
func setVariable(flash []byte, name string, data []byte) error {
	store, err := storeOf(flash)
	if err != nil {
		return err
	}
	wideName := wide(name)
	at := 0
	for at+variableBytes <= len(store) && binary.LittleEndian.Uint16(store[at:]) == variableStart {
		v := store[at:]
		size := variableBytes + int(binary.LittleEndian.Uint32(v[nameSizeAt:])) + int(binary.LittleEndian.Uint32(v[dataSizeAt:]))
		if size < variableBytes || size > len(v) {
			return errVariables
		}
		if v[stateAt] == variableAdded && bytes.Equal(v[vendorAt:variableBytes], globalVariable[:]) && bytes.HasPrefix(v[variableBytes:size], wideName) {
			v[stateAt] &= variableDeleted
		}
		at += (size + 3) &^ 3
	}
	v := make([]byte, variableBytes)
	binary.LittleEndian.PutUint16(v, variableStart)
	v[stateAt] = variableAdded
	binary.LittleEndian.PutUint32(v[attributesAt:], variableAttributes)
	binary.LittleEndian.PutUint32(v[nameSizeAt:], uint32(len(wideName)))
	binary.LittleEndian.PutUint32(v[dataSizeAt:], uint32(len(data)))
	copy(v[vendorAt:], globalVariable[:])
	v = append(append(v, wideName...), data...)
	if at+len(v) > len(store) {
		return fmt.Errorf("the store of %d bytes is full", len(store))
	}
	copy(store[at:], v)
	return nil
}

// storeOf is the part of a flash that holds variables.
func storeOf(flash []byte) ([]byte, error) {
	if len(flash) < volumeHeaderSizeAt+2 {
		return nil, errVariables
	}
	head := int(binary.LittleEndian.Uint16(flash[volumeHeaderSizeAt:]))
	if head+storeHeaderBytes > len(flash) {
		return nil, errVariables
	}
	size := int(binary.LittleEndian.Uint32(flash[head+storeSizeAt:]))
	if size < storeHeaderBytes || head+size > len(flash) {
		return nil, errVariables
	}
	return flash[head+storeHeaderBytes : head+size], nil
}
