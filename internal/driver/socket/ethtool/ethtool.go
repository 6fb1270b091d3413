// Package ethtool asks the drivers of network interfaces what they know of their hardware.
//
// It owns the one ioctl for it, which goes over a socket that is only a handle to the kernel: it is bound to nothing, and nothing is sent or received. It refuses to change anything. Linux only.
package ethtool

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Info is what a driver says of an interface (ETHTOOL_GDRVINFO, include/uapi/linux/ethtool.h).
type Info struct {
	// Name is the driver's, Firmware the version of the hardware's firmware, empty where the driver does not know it; Bus the device's address.
	Name, Firmware, Bus string
}

// Driver asks the driver of an interface.
func Driver(iface string) (_ Info, err error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Info{}, fmt.Errorf("open a handle to ask the driver of %s: %w", iface, err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	d, err := unix.IoctlGetEthtoolDrvinfo(fd, iface)
	if err != nil {
		return Info{}, fmt.Errorf("ask the driver of %s: %w", iface, err)
	}
	i := Info{Name: text(d.Driver[:]), Firmware: text(d.Fw_version[:]), Bus: text(d.Bus_info[:])}
	if strings.EqualFold(i.Firmware, "n/a") {
		i.Firmware = ""
	}
	return i, nil
}

// text is a field up to its end, with what can be printed of it.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s))
}
