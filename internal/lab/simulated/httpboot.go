package simulated

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// bootHTTP is UEFI HTTP boot of a medium as far as the boot archive: an address by DHCP, then the URI that the BMC named, by a server that the firmware was told to trust.
func (m *Machine) bootHTTP(ctx context.Context, plan bmcsim.BootPlan) ([]byte, error) {
	ack, err := m.lease(ctx, plainClient(m.mac()))
	if err != nil {
		return nil, fmt.Errorf("HTTP boot: %w", err)
	}
	dial, release, err := m.configure(ctx, ack)
	if err != nil {
		return nil, fmt.Errorf("HTTP boot: %w", err)
	}
	defer release()
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM([]byte(plan.Authorities))
	transport := &http.Transport{
		DialContext:     func(ctx context.Context, _, to string) (net.Conn, error) { return dial(ctx, to) },
		TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
	}
	defer transport.CloseIdleConnections()
	image := rangeReader{ctx: ctx, client: &http.Client{Transport: transport, Timeout: fetchPatience}, url: plan.URI}
	archive, err := archiveOf(&bmcsim.Medium{URL: plan.URI, Image: image})
	if err != nil {
		return nil, fmt.Errorf("HTTP boot: %w", err)
	}
	return archive, nil
}

// rangeReader reads a medium by ranges (RFC 9110 §14.2). Firmware fetches all of it; of the medium's 30 MB only what this machine looks at is fetched, so that a thousand of them can boot.
type rangeReader struct {
	ctx    context.Context // io.ReaderAt has no room for one
	client *http.Client
	url    string
}

// ReadAt implements io.ReaderAt.
func (r rangeReader) ReadAt(p []byte, offset int64) (int, error) {
	ask, err := http.NewRequestWithContext(r.ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return 0, err
	}
	ask.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+int64(len(p))-1))
	answer, err := r.client.Do(ask)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusPartialContent {
		return 0, fmt.Errorf("%s: status %d, want a range", r.url, answer.StatusCode)
	}
	return io.ReadFull(answer.Body, p)
}
