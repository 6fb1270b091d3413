package console

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/server/console/line"
	"github.com/ingotmetal/ingot/internal/server/console/wire"
	"github.com/ingotmetal/ingot/matrix"
)

// reach opens a host's console at the partition role, which holds the BMC's password.
func (p *process) reach(ctx context.Context, host client.ObjectKey) (line.Way, error) {
	site := &ingot.Partition{}
	if err := p.live.Get(ctx, client.ObjectKey{Name: p.o.Partition}, site); err != nil {
		return nil, fmt.Errorf("read Partition %s: %w", p.o.Partition, err)
	}
	if site.Status.OperatorEndpoint == "" {
		return nil, fmt.Errorf("the partition role of %s has published no endpoint", p.o.Partition)
	}
	target, err := url.JoinPath(site.Status.OperatorEndpoint, "v1", "hosts", host.Namespace, host.Name, "serial")
	if err != nil || !strings.HasPrefix(target, "https://") {
		return nil, fmt.Errorf("the partition role of %s publishes the endpoint %q, which is no https URL", p.o.Partition, site.Status.OperatorEndpoint)
	}
	secure, err := p.clientTLS()
	if err != nil {
		return nil, err
	}
	dialer := websocket.Dialer{NetDialContext: p.bound.DialContext(matrix.ConsoleToPartition), TLSClientConfig: secure, HandshakeTimeout: time.Minute}
	conn, response, err := dialer.DialContext(ctx, "wss"+strings.TrimPrefix(target, "https"), nil) //nolint:bodyclose // refused closes it, and an upgraded one has none
	if err != nil {
		return nil, refused(response, err)
	}
	wire.Alive(conn)
	w := &way{conn: conn, stop: make(chan struct{})}
	go w.beat()
	return w, nil
}

// clientTLS shows our certificate, and trusts the site's CA alone.
func (p *process) clientTLS() (*tls.Config, error) {
	now, err := p.certificates.ServerConfig(tls.NoClientCert).GetConfigForClient(&tls.ClientHelloInfo{})
	if err != nil {
		return nil, fmt.Errorf("read our certificate: %w", err)
	}
	roots, err := pki.Authorities(p.o.TLS.CA)
	if err != nil {
		return nil, fmt.Errorf("--tls-ca: %w", err)
	}
	// HTTP/1.1: a WebSocket takes the whole connection.
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, Certificates: now.Certificates, NextProtos: []string{"http/1.1"}}, nil
}

func refused(response *http.Response, err error) error {
	if response == nil {
		return fmt.Errorf("dial the partition role: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	const most = 2048
	text, _ := io.ReadAll(io.LimitReader(response.Body, most)) // what was read is what can be told
	err = fmt.Errorf("the partition role refuses the console: %s: %s", response.Status, strings.TrimSpace(string(text)))
	if response.StatusCode == http.StatusNotFound {
		return &line.Final{Err: err}
	}
	return err
}

// way is a console at the partition role. It implements line.Way.
type way struct {
	conn *websocket.Conn
	rest []byte

	writing sync.Mutex
	once    sync.Once
	stop    chan struct{}
}

func (w *way) beat() {
	t := time.NewTicker(wire.Beat)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			_ = wire.Ping(w.conn) // the read fails where this did
		case <-w.stop:
			return
		}
	}
}

// Read implements io.Reader.
func (w *way) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		b, m, err := wire.Read(w.conn)
		switch {
		case err != nil && websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseAbnormalClosure):
			return 0, io.EOF
		case err != nil:
			return 0, fmt.Errorf("read from the partition role: %w", err)
		case m == nil:
			w.rest = b
		case m.Type == wire.End && m.Final:
			return 0, &line.Final{Err: errors.New(m.Text)}
		case m.Type == wire.End:
			return 0, errors.New(m.Text)
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// Write implements io.Writer.
func (w *way) Write(p []byte) (int, error) {
	w.writing.Lock()
	defer w.writing.Unlock()
	if err := wire.SendBytes(w.conn, p); err != nil {
		return 0, fmt.Errorf("write to the partition role: %w", err)
	}
	return len(p), nil
}

// Close implements io.Closer.
func (w *way) Close() error {
	w.once.Do(func() { close(w.stop) })
	return w.conn.Close()
}
