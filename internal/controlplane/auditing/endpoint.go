package auditing

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/trail"
)

// The endpoint's paths. They are of no API group: records are no objects, nobody may create or change one, and a group of its own would need a store that is none.
const (
	// Prefix is what all begin with; who may get it is said by RBAC's nonResourceURLs.
	Prefix = "/audit/"
	// RecordsPath gives records that a filter (audit.ParseFilter) chooses, a line each. follow=true goes on as they come.
	RecordsPath = Prefix + "records"
	// LinesPath gives all lines as they stand, for verification.
	LinesPath = Prefix + "lines"
	// HeadPath gives the head and the public key.
	HeadPath = Prefix + "head"
)

// LongRunning says whether a path answers for longer than other requests may.
func LongRunning(path string) bool { return strings.HasPrefix(path, Prefix) }

// Head is what HeadPath gives.
type Head struct {
	Head audit.Head `json:"head"`
	// Key is the public key as PEM. Who trusts it because the server says it trusts the server.
	Key string `json:"key"`
}

// lookAgain is how long a reader that follows waits before it looks for more.
const lookAgain = 300 * time.Millisecond

// Endpoint serves a trail's folder. The caller has authorized the request.
type Endpoint struct {
	// Dir is the trail's, PublicKey the file of its key.
	Dir, PublicKey string
	Log            *slog.Logger
}

func (e Endpoint) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet {
		http.Error(w, "the audit trail is only read", http.StatusMethodNotAllowed)
		return
	}
	switch req.URL.Path {
	case RecordsPath:
		e.records(w, req)
	case LinesPath:
		e.stream(w, req, 0, false, nil)
	case HeadPath:
		e.head(w)
	default:
		http.Error(w, "the audit trail has "+RecordsPath+", "+LinesPath+" and "+HeadPath, http.StatusNotFound)
	}
}

func (e Endpoint) records(w http.ResponseWriter, req *http.Request) {
	query := req.URL.Query()
	follow := query.Get("follow") == "true"
	query.Del("follow")
	f, err := audit.ParseFilter(query)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.stream(w, req, max(f.After+1, f.Seq), follow, f.Chooses)
}

// stream writes lines; a nil chosen writes all.
func (e Endpoint) stream(w http.ResponseWriter, req *http.Request, from uint64, follow bool, chosen func([]byte) bool) {
	r := trail.NewReader(e.Dir, from)
	defer func() { _ = r.Close() }()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	_ = out.Flush() // whoever cannot flush sends at the end
	var buf bytes.Buffer
	send := func() error {
		if buf.Len() == 0 {
			return nil
		}
		defer buf.Reset()
		if _, err := w.Write(buf.Bytes()); err != nil {
			return err
		}
		return out.Flush()
	}
	for {
		line, err := r.Next()
		switch {
		case err == nil:
			if chosen == nil || chosen(line.Text) {
				buf.Write(line.Text)
				buf.WriteByte('\n')
			}
			if buf.Len() < sendAt && req.Context().Err() == nil {
				continue
			}
		case !errors.Is(err, io.EOF):
			e.Log.Error("the audit trail cannot be read for a client", "err", err)
			panic(http.ErrAbortHandler) // the answer must not look whole
		}
		if send() != nil || req.Context().Err() != nil {
			return
		}
		if err == nil {
			continue
		}
		if !follow {
			return
		}
		select {
		case <-req.Context().Done():
			return
		case <-time.After(lookAgain):
		}
	}
}

// sendAt is how many bytes are gathered before they are sent.
const sendAt = 64 << 10

func (e Endpoint) head(w http.ResponseWriter) {
	head, _, err := trail.ReadHead(e.Dir)
	if err != nil {
		http.Error(w, "the head of the audit trail cannot be read: see the API server's log", http.StatusInternalServerError)
		e.Log.Error("the head of the audit trail cannot be read", "err", err)
		return
	}
	key, err := os.ReadFile(e.PublicKey)
	if err != nil {
		http.Error(w, "the key of the audit trail cannot be read: see the API server's log", http.StatusInternalServerError)
		e.Log.Error("the public key of the audit trail cannot be read", "err", err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(Head{Head: head, Key: string(key)}); err != nil {
		e.Log.Info("a client left before it had the head of the audit trail", "err", err)
	}
}
