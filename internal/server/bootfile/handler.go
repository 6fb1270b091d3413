// Package bootfile serves the files of a network boot over HTTP on the provisioning network: iPXE's script, the kernel, the ramdisk, the boot configuration, and iPXE
// itself for UEFI HTTP boot.
//
// It owns paths and content. It refuses decisions, which are netboot's, and everything that is not a file of an open boot: the connection is closed without an answer, so that a scan of the
// network learns nothing. It is plain HTTP because the firmware's iPXE has no TLS, a named exception of the matrix: what it protects is the token in the boot
// configuration, which is worth one enrolment, in one window, from one address.
//
// Invariants: reads only; a fixed set of files; no listing; no name that a client sends reaches a file system.
package bootfile

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/tracing"
)

// Handler serves netboot.Files(netboot.HTTP).
type Handler struct {
	Windows *window.Index
	// File is the content of a prebuilt file; false if there is none of that name.
	File func(name string) (*io.SectionReader, bool)
	// CommandLine is the kernel's.
	CommandLine netboot.CommandLine
	Now         func() time.Time
	Log         *slog.Logger
	// Count is told the outcome of every request.
	Count func(outcome string)
	// Trace is told the files when they were sent.
	Trace window.Trace
}

// The outcomes that are not silences of netboot.
const (
	outcomeNoFile = "no-such-file"
	outcomeMethod = "method-not-allowed"
	outcomeBroken = "broken"
	outcomeServed = "served"
)

// ServeHTTP implements http.Handler. It ends requests that are not answered with http.ErrAbortHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	entry, file, outcome := h.find(r)
	if outcome != outcomeServed {
		h.silent(r, outcome)
	}
	content, err := h.content(entry, file)
	if err != nil {
		h.Log.Warn("boot file not served", "boot", entry.BootID, "file", file, "err", err)
		h.silent(r, outcomeBroken)
	}
	h.Count(outcomeServed)
	h.Log.Info("boot file served", "from", r.RemoteAddr, "boot", entry.BootID, "flow", matrix.MachineToBootHTTP, "file", file)
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Cache-Control", "no-store")
	sent, begun := &window.Counted{ReadSeeker: content}, h.Now()
	http.ServeContent(w, r, "", time.Time{}, sent)
	h.Trace.Tell(entry, tracing.Served{Server: "http", File: file, Client: window.Client(r), Bytes: sent.Bytes, Requests: 1, Start: begun, End: h.Now()})
}

// find decides on a request.
func (h *Handler) find(r *http.Request) (entry *window.Entry, file, outcome string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, "", outcomeMethod
	}
	bootID, file, ok := netboot.ParsePath(netboot.HTTP, r.URL.Path)
	if !ok {
		return nil, "", outcomeNoFile
	}
	entry = h.Windows.ByBoot(bootID)
	if entry == nil {
		return nil, "", string(netboot.SilentUnknown)
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return nil, "", outcomeBroken
	}
	if silence := netboot.MayFetch(h.Windows.Settings(), entry.Window, from.Addr(), h.Now()); silence != netboot.Answered {
		return nil, "", string(silence)
	}
	return entry, file, outcomeServed
}

func (h *Handler) silent(r *http.Request, outcome string) {
	h.Count(outcome)
	h.Log.Debug("boot file not served", "from", r.RemoteAddr, "reason", outcome)
	panic(http.ErrAbortHandler) // net/http's way to close a connection without an answer
}

func (h *Handler) content(entry *window.Entry, file string) (io.ReadSeeker, error) {
	switch file {
	case netboot.FileScript:
		script, err := netboot.Script(h.Windows.Settings(), entry.Window, h.CommandLine)
		return strings.NewReader(script), err
	case netboot.FileArchive:
		archive, err := entry.Archive()
		return bytes.NewReader(archive), err
	}
	content, ok := h.File(file)
	if !ok {
		return nil, errMissing(file)
	}
	return content, nil
}

// errMissing says that the artifacts lack a file that netboot offers, which a test excludes.
type errMissing string

func (e errMissing) Error() string { return "the boot artifacts have no " + string(e) }
