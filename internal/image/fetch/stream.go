package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/step"
)

// Stream is a file on its way. Read is for one goroutine.
type Stream struct {
	ctx    context.Context
	client *http.Client
	retry  Retry
	// asked is the URL of the caller; url is where the first answer came from, after redirects, where a resumed part is asked for.
	asked, url *url.URL

	size     int64
	version  version
	ranges   bool
	parts    *Parts
	at       int64
	over     int64
	attempts int
	failures int

	body   io.ReadCloser
	cancel context.CancelFunc
}

// version tells two versions of a file apart.
type version struct{ etag, modified string }

func versionOf(h http.Header) version {
	v := version{etag: h.Get("ETag"), modified: h.Get("Last-Modified")}
	if strings.HasPrefix(v.etag, "W/") {
		v.etag = "" // a weak tag promises no equal bytes (RFC 9110 section 8.8.3)
	}
	return v
}

func (v version) ifRange() string {
	if v.etag != "" {
		return v.etag
	}
	return v.modified
}

func (v version) contradicts(o version) bool {
	return (v.etag != "" && o.etag != "" && v.etag != o.etag) || (v.modified != "" && o.modified != "" && v.modified != o.modified)
}

// Size is the size of the file in bytes, -1 while unknown.
func (s *Stream) Size() int64 { return s.size }

// Downloaded counts the bytes that came over the network, including parts read twice.
func (s *Stream) Downloaded() int64 { return s.over }

// Resumes counts the connections after the first.
func (s *Stream) Resumes() int { return max(0, s.attempts-1) }

// URL is where the file really came from, without its secrets.
func (s *Stream) URL() string { return redact(s.url) }

// Read implements io.Reader. A dropped connection is not seen by the caller unless the retries are used up.
func (s *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if s.size >= 0 && s.at == s.size {
			return 0, io.EOF
		}
		if s.body == nil {
			if err := s.connect(); err != nil {
				return 0, err
			}
		}
		n, err := s.readBody(p)
		s.at += int64(n)
		s.over += int64(n)
		if n > 0 {
			s.failures = 0
		}
		switch {
		case s.size >= 0 && s.at > s.size:
			return 0, &step.Failure{Kind: step.Unreachable, Message: fmt.Sprintf("fetch %s: the server sent more than the %d bytes it announced", redact(s.url), s.size)}
		case err == nil:
			return n, nil
		case errors.Is(err, io.EOF) && (s.size < 0 || s.at == s.size):
			s.size = s.at
			s.drop()
			if n > 0 {
				return n, nil
			}
			return 0, io.EOF
		}
		s.drop()
		if err := s.again(fmt.Errorf("the connection dropped after %d bytes: %w", s.at, err)); err != nil {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

// readBody reads once; a connection that gives nothing for the time of a stall is cut.
func (s *Stream) readBody(p []byte) (int, error) {
	t := time.AfterFunc(s.retry.Stall, s.cancel)
	defer t.Stop()
	return s.body.Read(p)
}

// connect asks for the rest of the file until an answer begins or the retries are used up.
func (s *Stream) connect() error {
	for {
		s.attempts++
		err := s.request()
		if err == nil {
			return nil
		}
		if permanent(err) {
			return err
		}
		if err := s.again(err); err != nil {
			return err
		}
	}
}

// again counts a failure and waits; an error means that no further try is left.
func (s *Stream) again(cause error) error {
	s.failures++
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.failures >= s.retry.Attempts || s.attempts >= s.retry.Total {
		return &step.Failure{
			Kind:    step.Unreachable,
			Message: fmt.Sprintf("fetch %s: gave up after %d connections, %d bytes read: %v", redact(s.asked), s.attempts, s.at, cause),
			Fix:     "see whether the image server can be reached from the provisioning network",
		}
	}
	t := time.NewTimer(s.retry.wait(s.failures))
	defer t.Stop()
	select {
	case <-s.ctx.Done():
		return s.ctx.Err()
	case <-t.C:
		return nil
	}
}

func (s *Stream) request() error {
	ctx, cancel := context.WithCancel(s.ctx)
	stall := time.AfterFunc(s.retry.Stall, cancel)
	resp, err := send(ctx, s.client, s.url, s.version, s.at, -1)
	stall.Stop()
	if err == nil {
		err = s.accept(resp)
		if err != nil {
			_ = resp.Body.Close()
		}
	}
	if err != nil {
		cancel()
		if s.url != s.asked { // a mirror or a signed URL may have gone away: start from the URL that was asked for
			s.url = s.asked
		}
		return err
	}
	s.body, s.cancel = resp.Body, cancel
	return s.skip()
}

// skipTo marks an answer that begins at 0 although s.at was asked for.
type skipTo struct {
	io.ReadCloser
	bytes int64
}

// skip reads past what is known already, from a server that knows no ranges.
func (s *Stream) skip() error {
	b, ok := s.body.(skipTo)
	if !ok {
		return nil
	}
	s.body = b.ReadCloser
	scratch := make([]byte, 64<<10)
	for left := b.bytes; left > 0; {
		n, err := s.readBody(scratch[:min(left, int64(len(scratch)))])
		left -= int64(n)
		s.over += int64(n)
		if err != nil && left > 0 {
			s.drop()
			return fmt.Errorf("the connection dropped again before byte %d: %w", s.at, err)
		}
	}
	return nil
}

// send asks for the bytes from off on; length -1: to the end.
func send(ctx context.Context, client *http.Client, from *url.URL, v version, off, length int64) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return nil, refuse("%s: %v", redact(from), err)
	}
	// Without this the transport would unpack the body by itself, and the digest would be of something else.
	r.Header.Set("Accept-Encoding", "identity")
	switch {
	case length >= 0:
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+length-1))
	case off > 0:
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", off))
	}
	if v := v.ifRange(); v != "" && r.Header.Get("Range") != "" {
		r.Header.Set("If-Range", v)
	}
	resp, err := client.Do(r)
	if err == nil {
		return resp, nil
	}
	var f *step.Failure
	switch {
	case errors.As(err, &f):
		return nil, f
	case untrusted(err):
		return nil, &step.Failure{
			Kind: step.Invalid, Message: fmt.Sprintf("fetch %s: the server's certificate is not trusted: %v", redact(from), cause(err)),
			Fix: "give the server a certificate for its name by an authority that the machine trusts",
		}
	}
	return nil, cause(err)
}

// cause takes the URL, with its secrets, out of an error of net/http.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// accept judges the first answer, or compares a later one with it.
func (s *Stream) accept(resp *http.Response) error {
	if f := refusal(resp.StatusCode, resp.Request.URL); f != nil {
		return f
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return &step.Failure{
			Kind: step.Unsupported, Message: fmt.Sprintf("fetch %s: the server applies Content-Encoding %q although none was accepted", redact(s.url), e),
			Fix: "serve the file as it is",
		}
	}
	v := versionOf(resp.Header)
	if s.attempts > 1 && s.at > 0 && v.contradicts(s.version) {
		return s.changed("its ETag or Last-Modified differs")
	}
	total := resp.ContentLength
	if resp.StatusCode == http.StatusPartialContent {
		from, size, ok := contentRange(resp.Header.Get("Content-Range"))
		if !ok || from != s.at {
			return fmt.Errorf("the server answered with range %q when %d- was asked for", resp.Header.Get("Content-Range"), s.at)
		}
		total = size
	}
	if s.at > 0 && s.size >= 0 && total >= 0 && total != s.size {
		return s.changed(fmt.Sprintf("its size was %d and is %d now", s.size, total))
	}
	if s.at == 0 {
		s.version, s.size, s.url = v, total, resp.Request.URL
		s.ranges = resp.Header.Get("Accept-Ranges") == "bytes"
	}
	if resp.StatusCode == http.StatusOK && s.at > 0 {
		resp.Body = skipTo{resp.Body, s.at}
	}
	return nil
}

func (s *Stream) changed(how string) error {
	return &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("fetch %s: the file changed while it was read: %s", redact(s.url), how), Fix: "start again when the file is complete"}
}

// contentRange parses "bytes 5-9/10"; size is -1 for "*".
func contentRange(v string) (from, size int64, ok bool) {
	span, total, ok := strings.Cut(strings.TrimPrefix(v, "bytes "), "/")
	if !ok || !strings.HasPrefix(v, "bytes ") {
		return 0, 0, false
	}
	first, _, ok := strings.Cut(span, "-")
	if !ok {
		return 0, 0, false
	}
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil || from < 0 {
		return 0, 0, false
	}
	if total == "*" {
		return from, -1, true
	}
	size, err = strconv.ParseInt(total, 10, 64)
	return from, size, err == nil && size >= 0
}

func (s *Stream) drop() {
	if s.body != nil {
		_ = s.body.Close()
		s.cancel()
		s.body = nil
	}
}

// Close ends the stream.
func (s *Stream) Close() error {
	s.drop()
	return nil
}
