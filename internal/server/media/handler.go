// Package media serves the media that BMCs insert and that firmware fetches by UEFI HTTP boot: the prebuilt ISO, with the host's boot configuration in its region.
//
// It owns the path, ranges and entity tags. It refuses decisions, which are netboot's, and to build anything: BMCs read in ranges of any size and order, some a few KiB at a time,
// and every byte is either the ISO's own or one of the 64 KiB that are encoded for the request.
//
// Invariants: two servers give the same bytes and the same entity tag for the same window; nothing is served without the medium's name, which nobody can
// guess; whatever is not served looks the same.
package media

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/tracing"
)

// The path is Prefix, the medium's name, and Suffix.
const (
	Prefix = "/media/"
	Suffix = ".iso"
)

// Handler serves media.
type Handler struct {
	Windows *window.Index
	// Patched is the ISO with an archive in its region.
	Patched func(archive []byte) (*io.SectionReader, error)
	// Flow is the one that the requests come by: matrix.BMCToBootMedia or matrix.MachineToBootMedia.
	Flow matrix.FlowName
	// ISODigest tells one prebuilt ISO from another.
	ISODigest string
	Now       func() time.Time
	Log       *slog.Logger
	// Count is told the outcome of every request.
	Count func(outcome string)
	// Trace is told each read when it was sent. A medium is read in thousands: whoever listens puts them together.
	Trace window.Trace
}

// The outcomes that are not silences of netboot.
const (
	outcomeNoMedium = "no-such-medium"
	outcomeMethod   = "method-not-allowed"
	outcomeBroken   = "broken"
	outcomeServed   = "served"
)

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	entry, outcome := h.find(r)
	if outcome != outcomeServed {
		h.refuse(w, r, outcome)
		return
	}
	archive, err := entry.Archive()
	if err != nil {
		h.Log.Warn("virtual medium not served", "boot", entry.BootID, "err", err)
		h.refuse(w, r, outcomeBroken)
		return
	}
	content, err := h.Patched(archive)
	if err != nil {
		h.Log.Warn("virtual medium not served", "boot", entry.BootID, "err", err)
		h.refuse(w, r, outcomeBroken)
		return
	}
	h.Count(outcomeServed)
	h.Log.Log(r.Context(), level(r), "virtual medium served", "from", r.RemoteAddr, "boot", entry.BootID, "flow", h.Flow, "method", r.Method, "range", r.Header.Get("Range"))
	header := w.Header()
	header.Set("Content-Type", "application/x-iso9660-image")
	header.Set("Cache-Control", "no-store")
	header.Set("ETag", h.tag(archive))
	// No modification time: the entity tag is exact, and a date would let a client mix two boots' bytes.
	sent, begun := &window.Counted{ReadSeeker: content}, h.Now()
	http.ServeContent(w, r, "", time.Time{}, sent)
	h.Trace.Tell(entry, tracing.Served{Server: "media", Client: window.Client(r), Bytes: sent.Bytes, Requests: 1, Start: begun, End: h.Now()})
}

// level: a BMC that reads 2 KiB at a time asks ten thousand times for one medium, and the first one says it all.
func level(r *http.Request) slog.Level {
	if ask := r.Header.Get("Range"); ask != "" && !strings.HasPrefix(ask, "bytes=0-") {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

func (h *Handler) find(r *http.Request) (*window.Entry, string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, outcomeMethod
	}
	rest, prefixed := strings.CutPrefix(r.URL.Path, Prefix)
	name, suffixed := strings.CutSuffix(rest, Suffix)
	if !prefixed || !suffixed || name == "" {
		return nil, outcomeNoMedium
	}
	entry := h.Windows.ByMedium(name)
	if entry == nil {
		return nil, outcomeNoMedium
	}
	if silence := netboot.MayRead(entry.Window, h.Now()); silence != netboot.Answered {
		return nil, string(silence)
	}
	return entry, outcomeServed
}

// refuse says nothing but "not found", whatever the reason is: BMCs need an answer to a wrong URL. On the provisioning network it says nothing at all.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, outcome string) {
	h.Count(outcome)
	h.Log.Debug("virtual medium not served", "from", r.RemoteAddr, "reason", outcome)
	if h.Flow == matrix.MachineToBootMedia {
		panic(http.ErrAbortHandler) // net/http's way to close a connection without an answer
	}
	http.Error(w, "not found", http.StatusNotFound)
}

// tag is an entity tag of everything that is served. It is a digest, so it says nothing of the token.
func (h *Handler) tag(archive []byte) string {
	d := sha256.New()
	_, _ = io.WriteString(d, h.ISODigest) // a hash never fails
	_, _ = d.Write(archive)
	return `"` + hex.EncodeToString(d.Sum(nil)[:16]) + `"`
}
