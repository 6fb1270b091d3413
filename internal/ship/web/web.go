// Package web is the sink that takes the audit trail by HTTPS.
//
// It owns one request a batch: POST, a line a record (application/x-ndjson), with the numbers of the first and last one in headers; 2xx means that the receiver has them for good. It refuses
// plain HTTP but to this machine, redirects, and credentials in the URL.
package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/ship"
)

// The headers of a request.
const (
	HeaderInstallation = "Ingot-Audit-Installation"
	HeaderFirst        = "Ingot-Audit-First"
	HeaderLast         = "Ingot-Audit-Last"
)

// timeout is for one batch.
const timeout = time.Minute

// Sink sends to one URL.
type Sink struct {
	url    string
	token  string
	client *http.Client
}

// New makes a sink. TokenFile holds a bearer token and is read for each request, so that it may be renewed; empty: none.
func New(target *url.URL, tokenFile string, transport *http.Transport) (*Sink, error) {
	switch {
	case target.User != nil:
		return nil, errors.New("the archive's URL holds a user or password, which stand in lists of processes: put a token into --secret-file")
	case target.Scheme != "https" && (target.Scheme != "http" || !Loopback(target.Hostname())):
		return nil, fmt.Errorf("the archive's URL begins with %s: https is needed, or http to an address of this machine", target.Scheme)
	}
	return &Sink{url: target.String(), token: tokenFile, client: &http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Loopback says whether a host is this machine.
func Loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// Dial is the shape of socket.Bound's.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Send is of ship.Sink.
func (s *Sink) Send(ctx context.Context, installation string, batch []ship.Item) error {
	var body bytes.Buffer
	for _, i := range batch {
		body.Write(i.Line)
		body.WriteByte('\n')
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, &body)
	if err != nil {
		return fmt.Errorf("make a request to the audit archive: %w", err)
	}
	first, last := batch[0].Record, batch[len(batch)-1].Record
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set(HeaderInstallation, installation)
	req.Header.Set(HeaderFirst, strconv.FormatUint(first.Seq, 10))
	req.Header.Set(HeaderLast, strconv.FormatUint(last.Seq, 10))
	req.Header.Set("Idempotency-Key", fmt.Sprintf("%d-%s", first.Seq, last.Hash))
	if s.token != "" {
		token, err := os.ReadFile(s.token)
		if err != nil {
			return fmt.Errorf("read the token for the audit archive: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	response, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("send records %d to %d to the audit archive: %w", first.Seq, last.Seq, err)
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, 512)) // what it says beside its code is for the log only
	switch {
	case response.StatusCode/100 == 2:
		return nil
	case response.StatusCode == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("the audit archive says %s: %w", response.Status, ship.ErrTooLarge)
	}
	return fmt.Errorf("send records %d to %d to the audit archive: it says %s: %q", first.Seq, last.Seq, response.Status, said)
}
