package tftp

import (
	"bytes"
	"log/slog"
	"net/netip"
	"time"

	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
)

// Admit decides on a packet and builds what would be sent first; it gives the outcome.
func Admit(w *window.Index, now time.Time, packet []byte) string {
	outcome := ""
	file := File{ReaderAt: bytes.NewReader(make([]byte, 1000)), Size: 1000}
	s := &Server{Windows: w, Files: map[string]File{netboot.FileSNPOnly: file, netboot.FileUNDIOnly: file}, Now: func() time.Time { return now },
		Log: slog.New(slog.DiscardHandler), Count: func(o string) { outcome = o }}
	t := s.admit(packet, netip.MustParseAddrPort("127.0.0.1:5000"))
	if t == nil {
		return outcome
	}
	if t.terms.block < minBlock || t.terms.block > maxBlockUsed || t.terms.window < 1 || t.terms.window > maxWindowUsed || len(oack(t.terms.accepted)) > 128 {
		return "terms out of bounds"
	}
	return outcome
}
