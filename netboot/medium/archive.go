package medium

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
)

// The newc format (Linux, Documentation/driver-api/early-userspace/buffer-format.rst): a magic and 13 fields of 8 hex digits, the name with its NUL, the data; name and
// data are each padded to 4 bytes.
const (
	magic      = "070701"
	fields     = 13
	headerSize = len(magic) + fields*8
	trailer    = "TRAILER!!!"

	fieldInode, fieldMode, fieldLinks = 0, 1, 4
	fieldFileSize, fieldNameSize      = 6, 11

	modeDirectory = 0o040700
	// modeFile: the token is for root alone, which is all that there is in the ramdisk.
	modeFile = 0o100400
)

// maxNameSize bounds the names that Decode reads.
const maxNameSize = 256

// ErrTooLarge is returned when a configuration does not fit into Size.
var ErrTooLarge = errors.New("boot configuration is too large for the boot medium")

// ErrNoConfig is returned when an archive holds no configuration: the region of a prebuilt medium that nobody patched.
var ErrNoConfig = errors.New("no boot configuration on this medium")

// Encode is the archive for a configuration: exactly Size bytes, the same for the same configuration.
func Encode(c Config) ([]byte, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode boot configuration: %w", err)
	}
	out := make([]byte, 0, Size)
	out = appendEntry(out, 1, modeDirectory, path.Dir(Path), nil)
	out = appendEntry(out, 2, modeFile, Path, data)
	out = appendEntry(out, 0, 0, trailer, nil)
	if len(out) > Size {
		return nil, fmt.Errorf("%w: the archive has %d bytes and may have %d; shorten the network data (%d bytes) or the CA bundle (%d bytes)",
			ErrTooLarge, len(out), Size, len(c.NetworkData), len(c.CAPEM))
	}
	return out[:Size], nil
}

// Blank is what the region of a prebuilt medium holds before it is patched: an archive with nothing in it, so that a medium read without our server
// starts an agent which then says that it has no configuration.
func Blank() []byte {
	return appendEntry(make([]byte, 0, Size), 0, 0, trailer, nil)[:Size]
}

func appendEntry(out []byte, inode, mode int, name string, data []byte) []byte {
	var values [fields]int
	values[fieldInode], values[fieldMode], values[fieldLinks] = inode, mode, 1
	values[fieldFileSize], values[fieldNameSize] = len(data), len(name)+1
	out = append(out, magic...)
	for _, v := range values {
		out = fmt.Appendf(out, "%08x", v)
	}
	out = append(out, name...)
	out = pad4(append(out, 0))
	return pad4(append(out, data...))
}

func pad4(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// Decode reads the configuration out of an archive. The archive is foreign: whoever can put a medium into a machine can write one.
func Decode(archive []byte) (Config, error) {
	var c Config
	if len(archive) > Size {
		return c, fmt.Errorf("boot archive has %d bytes and may have %d", len(archive), Size)
	}
	for rest := archive; ; {
		name, data, next, err := readEntry(rest)
		if err != nil {
			return c, fmt.Errorf("read boot archive at byte %d: %w", len(archive)-len(rest), err)
		}
		switch name {
		case trailer:
			return c, ErrNoConfig
		case Path:
			if err := json.Unmarshal(data, &c); err != nil {
				return Config{}, fmt.Errorf("read /%s: %w", Path, err)
			}
			return c, nil
		}
		rest = next
	}
}

var errCut = errors.New("the archive ends in the middle of an entry")

func readEntry(b []byte) (name string, data, next []byte, err error) {
	if len(b) < headerSize {
		return "", nil, nil, errCut
	}
	if !bytes.HasPrefix(b, []byte(magic)) {
		return "", nil, nil, fmt.Errorf("magic %q is not newc's %q", b[:len(magic)], magic)
	}
	nameSize, err := field(b, fieldNameSize)
	if err != nil {
		return "", nil, nil, err
	}
	if nameSize < 1 || nameSize > maxNameSize {
		return "", nil, nil, fmt.Errorf("name of %d bytes, want 1 to %d", nameSize, maxNameSize)
	}
	fileSize, err := field(b, fieldFileSize)
	if err != nil {
		return "", nil, nil, err
	}
	dataAt := align4(headerSize + nameSize)
	end := align4(dataAt + fileSize)
	if fileSize > len(b) || end > len(b) {
		return "", nil, nil, errCut
	}
	name = string(b[headerSize : headerSize+nameSize-1])
	return name, b[dataAt : dataAt+fileSize], b[end:], nil
}

func field(b []byte, i int) (int, error) {
	at := len(magic) + i*8
	v, err := strconv.ParseUint(string(b[at:at+8]), 16, 32)
	if err != nil {
		return 0, fmt.Errorf("header field %d: %w", i, err)
	}
	return int(v), nil
}

func align4(n int) int { return (n + 3) &^ 3 }
