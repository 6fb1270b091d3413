package agentapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
)

const (
	// trafficAtOnce bounds the answers under way, so that machines which measure the network neither take it from the others nor slow each other down much.
	trafficAtOnce = 2
	// trafficTime bounds one answer: at less than 1 MiB/s it is cut off.
	trafficTime = protocol.MaxTrafficBytes / (1 << 20) * time.Second
)

// traffic answers with bytes that mean nothing. TLS sees to it that they come as they were sent.
func (s *Server) traffic(w http.ResponseWriter, r *http.Request) {
	if !s.known(w, r) {
		return
	}
	boot := r.PathValue("boot")
	if s.shown(r, boot) == nil {
		s.refuseBoot(w, r, boot)
		return
	}
	n, err := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64)
	if err != nil || n < 1 || n > protocol.MaxTrafficBytes {
		answerError(w, http.StatusBadRequest, protocol.CodeInvalid, "bytes must be a number from 1 to "+strconv.Itoa(protocol.MaxTrafficBytes))
		return
	}
	select {
	case s.trafficking <- struct{}{}:
		defer func() { <-s.trafficking }()
	default:
		w.Header().Set("Retry-After", "1")
		answerError(w, http.StatusServiceUnavailable, protocol.CodeBusy, "other machines measure the network, ask again")
		return
	}
	// Not every ResponseWriter has deadlines (a test's recorder has none).
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(trafficTime))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	piece := make([]byte, 64<<10)
	for i := range piece {
		piece[i] = byte(i*131 + i>>8)
	}
	for n > 0 && r.Context().Err() == nil {
		part := piece[:min(n, int64(len(piece)))]
		if _, err := w.Write(part); err != nil {
			return // the machine went away
		}
		n -= int64(len(part))
	}
}
