package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/ingotmetal/ingot/step"
)

// Parts reads parts of a file at random by range requests, beside the stream that it came from. It is meant for small parts and for one goroutine.
type Parts struct {
	ctx     context.Context
	client  *http.Client
	stall   time.Duration
	url     *url.URL
	version version
	size    int64
	over    int64
}

// Parts is nil when the server gives no parts on request.
func (s *Stream) Parts() *Parts { return s.parts }

// Downloaded counts the bytes that came over the network.
func (p *Parts) Downloaded() int64 { return p.over }

// ReadAt implements io.ReaderAt. A part of another version of the file is an error.
func (p *Parts) ReadAt(b []byte, off int64) (int, error) {
	if off >= p.size || len(b) == 0 {
		return 0, io.EOF
	}
	want := min(int64(len(b)), p.size-off)
	ctx, cancel := context.WithTimeout(p.ctx, p.stall)
	defer cancel()
	resp, err := send(ctx, p.client, p.url, p.version, off, want)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if f := refusal(resp.StatusCode, p.url); f != nil {
		return 0, f
	}
	from, size, ok := contentRange(resp.Header.Get("Content-Range"))
	if resp.StatusCode != http.StatusPartialContent || !ok || from != off || size != p.size || versionOf(resp.Header).contradicts(p.version) {
		return 0, &step.Failure{Kind: step.Unsupported, Message: fmt.Sprintf("fetch %s: the server did not give the part that was asked for", redact(p.url))}
	}
	n, err := io.ReadFull(resp.Body, b[:want])
	p.over += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) || (err == nil && want < int64(len(b))) {
		err = io.EOF
	}
	return n, err
}
