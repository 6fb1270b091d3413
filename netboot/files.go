package netboot

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The names of the files that a boot can ask for.
const (
	FileScript   = "boot.ipxe"     // made per boot, see Script
	FileArchive  = "boot.cpio"     // made per boot: the boot configuration with the token, see package medium
	FileKernel   = "vmlinuz"       // the agent's kernel
	FileRamdisk  = "initrd.img"    // the agent's ramdisk
	FileSNPOnly  = "snponly.efi"   // iPXE for UEFI PXE: drives the NIC through the firmware
	FileUNDIOnly = "undionly.kpxe" // iPXE for BIOS PXE: drives the NIC through its option ROM
	FileIPXE     = "ipxe.efi"      // iPXE for UEFI HTTP boot, with drivers of its own
)

// Transport is a way to fetch a file.
type Transport string

// The transports.
const (
	TFTP Transport = "tftp"
	HTTP Transport = "http"
)

// Files are the files of a boot that a transport serves, and no others. What Decide offers is in these lists.
func Files(t Transport) []string {
	switch t {
	case TFTP:
		return []string{FileSNPOnly, FileUNDIOnly}
	case HTTP:
		return []string{FileScript, FileKernel, FileRamdisk, FileArchive, FileIPXE}
	}
	return nil
}

// httpPrefix begins every path on the files' HTTP server.
const httpPrefix = "/boot/"

// fileURL is where HTTP serves a file of a boot.
func (s Settings) fileURL(bootID, file string) string {
	host := s.BootServer.String()
	if s.BootServer.Is6() {
		host = "[" + host + "]" // RFC 3986 §3.2.2
	}
	if s.HTTPPort != 0 && s.HTTPPort != 80 {
		host = netip.AddrPortFrom(s.BootServer, s.HTTPPort).String()
	}
	return "http://" + host + httpPrefix + bootID + "/" + file
}

// tftpName is the name that TFTP serves a file of a boot under.
func tftpName(bootID, file string) string { return bootID + "/" + file }

// ParsePath takes apart what a client asks for: "/boot/<boot>/<file>" over HTTP, "<boot>/<file>" over TFTP (some firmware puts a slash before it). False: not a path of ours. The
// parts are a stranger's words; they are only ever compared with names that we hold.
func ParsePath(t Transport, path string) (bootID, file string, ok bool) {
	rest, prefixed := strings.CutPrefix(path, httpPrefix)
	if t == TFTP {
		rest, prefixed = strings.TrimPrefix(path, "/"), true
	}
	bootID, file, parted := strings.Cut(rest, "/")
	if !prefixed || !parted || bootID == "" {
		return "", "", false
	}
	for _, name := range Files(t) {
		if name == file {
			return bootID, name, true
		}
	}
	return "", "", false
}

// MayFetch says whether an address may have a file of a window's boot now; Answered if so, else why not. Where the window leases addresses, only these may: a neighbour that read the
// boot's ID in a broadcast must also take over the machine's address.
func MayFetch(s Settings, w Window, from netip.Addr, now time.Time) Silence {
	switch {
	case s.Mode == Off:
		return SilentOff
	case now.Before(w.OpensAt):
		return SilentNotOpen
	case !w.Open(now):
		return SilentClosed
	case w.Boots != BootsAgent:
		return SilentNoFile
	case w.Redeemed:
		return SilentRedeemed
	case len(w.Leases) > 0 && !w.leases(from.Unmap()):
		return SilentForeignAddress
	}
	return Answered
}

// MayRead says whether a window's medium, a BMC's or the firmware's, may be read now; Answered if so. The medium's name, which nobody can guess, stands for the reader.
func MayRead(w Window, now time.Time) Silence {
	switch {
	case now.Before(w.OpensAt):
		return SilentNotOpen
	case !w.Open(now):
		return SilentClosed
	case w.Boots != BootsMedia && w.Boots != BootsHTTP:
		return SilentNoFile
	case w.Redeemed:
		return SilentRedeemed
	}
	return Answered
}

// MayAdvertise says whether a router solicitation from a MAC is answered now; Answered if so. W is the window that has the MAC, nil for none.
func MayAdvertise(s Settings, w *Window, m MAC, now time.Time) Silence {
	if s.Mode == Off {
		return SilentOff
	}
	return open(s, w, m, now)
}

// scriptTries is how often iPXE fetches the files before it gives the machine back to its firmware; the waits between are scriptPause seconds long.
const (
	scriptTries = 5
	scriptPause = 3
)

// Script is what iPXE runs: it fetches the kernel, the ramdisk and the boot configuration, and starts the kernel. It is made of checked parts only (Window.Check,
// CommandLine.Validate): an error here is a bug, never a host's wrong field.
//
// The initrd= arguments are for UEFI, where iPXE hands over the files by name; the kernel unpacks them in this order. BIOS iPXE hands them over in the order of the initrd commands.
func Script(s Settings, w Window, c CommandLine) (string, error) {
	if err := w.Check(); err != nil {
		return "", err
	}
	c.Extra = slices.Concat(c.Extra, s.Arguments)
	if err := c.Validate(); err != nil {
		return "", err
	}
	if !s.BootServer.IsValid() {
		return "", fmt.Errorf("boot %s: the partition has no boot server's address", w.BootID)
	}
	line := fmt.Sprintf("initrd=%s initrd=%s %s", FileRamdisk, FileArchive, c)
	return strings.Join([]string{
		"#!ipxe",
		"set tries:int32 0",
		":fetch",
		"imgfree",
		fmt.Sprintf("kernel %s %s || goto again", s.fileURL(w.BootID, FileKernel), line),
		fmt.Sprintf("initrd --name %s %s || goto again", FileRamdisk, s.fileURL(w.BootID, FileRamdisk)),
		fmt.Sprintf("initrd --name %s %s || goto again", FileArchive, s.fileURL(w.BootID, FileArchive)),
		"boot || goto again",
		":again",
		"inc tries",
		"iseq ${tries} " + strconv.Itoa(scriptTries) + " && exit 1 ||",
		"sleep " + strconv.Itoa(scriptPause),
		"goto fetch",
		"",
	}, "\n"), nil
}
