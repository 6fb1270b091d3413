package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"tailscale.com/tailcfg"

	"github.com/ingotmetal/ingot/internal/pki"
)

// admissionScheme is no protocol of a network: tailscale's server asks for admission by a URL and http.DefaultClient, and this is what answers it within the process.
const (
	admissionScheme = "ingot-admission"
	admissionURL    = admissionScheme + "://book/"
)

// askTimeout bounds a question to the coordinator: a member waits for it.
const askTimeout = 2 * time.Second

// remembered is how long the coordinator's word holds while it can't be asked.
const remembered = 7 * 24 * time.Hour

// book is who was let in, and when the coordinator last said so.
type book struct {
	file string
	ask  func(ctx context.Context, nodeKey string) (bool, error)
	log  *slog.Logger

	mu    sync.Mutex
	known map[string]time.Time
}

func openBook(file string, ask func(context.Context, string) (bool, error), log *slog.Logger) (*book, error) {
	b := &book{file: file, ask: ask, log: log, known: map[string]time.Time{}}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read whom the relay lets in: %w", err)
	}
	if err := json.Unmarshal(text, &b.known); err != nil {
		return nil, fmt.Errorf("read whom the relay lets in from %s: %w; without the file the coordinator is asked anew", file, err)
	}
	return b, nil
}

// register makes the book answer in this process. http.DefaultTransport is no socket here: no request but tailscale's own questions goes through it.
func (b *book) register() error {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return errors.New("the process's HTTP transport is not Go's own: the relay can't be asked for admission")
	}
	t.RegisterProtocol(admissionScheme, b)
	return nil
}

// RoundTrip implements http.RoundTripper: it answers tailcfg.DERPAdmitClientRequest.
func (b *book) RoundTrip(r *http.Request) (*http.Response, error) {
	const mostBody = 4 << 10
	var question tailcfg.DERPAdmitClientRequest
	text, err := io.ReadAll(io.LimitReader(r.Body, mostBody))
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &question); err != nil {
		return nil, fmt.Errorf("read who wants to use the relay: %w", err)
	}
	reply, err := json.Marshal(tailcfg.DERPAdmitClientResponse{Allow: b.admits(r.Context(), question.NodePublic.String())})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader(reply)), ContentLength: int64(len(reply)), Request: r,
	}, nil
}

// admits asks the coordinator, and goes by what it said last where it does not answer.
func (b *book) admits(ctx context.Context, nodeKey string) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	allow, err := b.ask(ctx, nodeKey)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if err != nil {
		at, ok := b.known[nodeKey]
		allow = ok && now.Sub(at) < remembered
		b.log.Warn("the coordinator did not say whether a member may use the relay; what it said last holds", "node", nodeKey, "admitted", allow, "err", err)
		return allow
	}
	if _, had := b.known[nodeKey]; !allow && !had {
		return false
	}
	if allow {
		b.known[nodeKey] = now
	} else {
		delete(b.known, nodeKey)
	}
	if err := b.write(now); err != nil {
		b.log.Error("whom the relay lets in could not be written down; after a restart without the coordinator they are not let in", "err", err)
	}
	return allow
}

// write keeps the file as the map is, without whom nobody vouched for any more.
func (b *book) write(now time.Time) error {
	for k, at := range b.known {
		if now.Sub(at) >= remembered {
			delete(b.known, k)
		}
	}
	text, err := json.Marshal(b.known)
	if err != nil {
		return err
	}
	return pki.WriteFile(b.file, text, 0o600)
}
