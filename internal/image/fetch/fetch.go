// Package fetch reads one file over HTTP(S) from its first byte to its last, over as many connections as that takes.
//
// It owns the rules for where an image may come from, resuming after a dropped connection, and reading parts of the same file. It refuses to dial: the transport
// is given, so that every connection stays a flow of the communication matrix. It never trusts what it reads; the digest, checked by the caller, is the only proof.
//
// Rules of addresses (Policy): http and https only; no link-local, multicast or unspecified address; a loopback address only when the URL that was asked for is itself
// on the loopback, so that no server can send us to ourselves; never from https down to http. Redirects are followed up to ten times under the same rules.
// No cookie, no Referer and no Authorization travels to another host; a user and password in the URL go to that URL's host only.
//
// Invariants: bytes come in order and each once, whatever the connections do; a resumed part belongs to the same version of the file (If-Range with a strong ETag, or
// Last-Modified, RFC 9110 section 13.1.5; else the total size must agree); retries are bounded.
package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/ingotmetal/ingot/step"
)

// Retry bounds what is done about dropped connections.
type Retry struct {
	// Attempts is how many tries in a row may fail without one new byte; 0: 6.
	Attempts int
	// Total is how many tries one file may need in all; 0: 64.
	Total int
	// First and Longest are the waits, doubled from one to the other; 0: 500 ms and 15 s.
	First, Longest time.Duration
	// Stall is how long a connection may give nothing before it counts as dropped; 0: 30 s.
	Stall time.Duration
}

func (r Retry) withDefaults() Retry {
	return Retry{
		Attempts: cmp.Or(r.Attempts, 6), Total: cmp.Or(r.Total, 64),
		First: cmp.Or(r.First, 500*time.Millisecond), Longest: cmp.Or(r.Longest, 15*time.Second), Stall: cmp.Or(r.Stall, 30*time.Second),
	}
}

func (r Retry) wait(failures int) time.Duration {
	d := r.First
	for range failures - 1 {
		d = min(2*d, r.Longest)
	}
	return min(d, r.Longest)
}

// Client fetches files. Transport must be set.
type Client struct {
	Transport http.RoundTripper
	Retry     Retry
}

// Open asks for the file and returns when its answer has begun. The context bounds the whole stream.
func (c *Client) Open(ctx context.Context, rawURL string) (*Stream, error) {
	u, policy, err := check(rawURL)
	if err != nil {
		return nil, err
	}
	if c.Transport == nil {
		return nil, &step.Failure{Kind: step.Internal, Message: "fetch " + redact(u) + ": no transport was given"}
	}
	s := &Stream{ctx: ctx, retry: c.Retry.withDefaults(), asked: u, url: u, size: -1}
	s.client = &http.Client{Transport: c.Transport, CheckRedirect: policy.redirect}
	if err := s.connect(); err != nil {
		return nil, err
	}
	if s.ranges && s.size >= 0 {
		s.parts = &Parts{ctx: ctx, client: s.client, stall: s.retry.Stall, url: s.url, version: s.version, size: s.size}
	}
	return s, nil
}

// Small fetches a whole file of at most limit bytes.
func (c *Client) Small(ctx context.Context, rawURL string, limit int64) ([]byte, error) {
	s, err := c.Open(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	b, err := io.ReadAll(io.LimitReader(s, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("fetch %s: more than %d bytes, which is too large for its purpose", redact(s.asked), limit)}
	}
	return b, nil
}

// redact takes the password and the query, which may hold a signature, out of a URL that is shown.
func redact(u *url.URL) string {
	c := *u
	if c.RawQuery != "" {
		c.RawQuery = "…"
	}
	return c.Redacted()
}

// refusal judges an answer's status: nil means that the body can be used.
func refusal(status int, u *url.URL) *step.Failure {
	f := &step.Failure{Message: fmt.Sprintf("fetch %s: the server answered %d %s", redact(u), status, http.StatusText(status))}
	switch {
	case status == http.StatusOK || status == http.StatusPartialContent:
		return nil
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.Kind, f.Fix = step.Denied, "make the image readable for the machine, or put working credentials into its URL"
	case status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500:
		f.Kind = step.Unreachable
	case status == http.StatusNotFound || status == http.StatusGone:
		f.Kind, f.Fix = step.Invalid, "correct the URL, or put the file there"
	case status == http.StatusRequestedRangeNotSatisfiable:
		f.Kind, f.Message = step.Unreachable, f.Message+": the file became shorter while it was read"
	default:
		f.Kind, f.Fix = step.Invalid, "correct the URL"
	}
	return f
}

// permanent says whether trying again can help.
func permanent(err error) bool {
	var f *step.Failure
	return errors.As(err, &f) && f.Kind != step.Unreachable
}
