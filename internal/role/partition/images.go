package partition

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/ingotmetal/ingot/internal/image/fetch"
	"github.com/ingotmetal/ingot/internal/image/verified"
	"github.com/ingotmetal/ingot/matrix"
)

// firmwareImages is the way to images of firmware. Their servers are trusted by the system's authorities and by the site's own. The images are kept in the role's own folder: the system's for temporary files may be in memory.
func (p *process) firmwareImages() (*verified.Fetcher, error) {
	folder := filepath.Join(p.o.DataDir, "firmware")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("partition role: folder for images of firmware: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(p.caPEM)
	dial := p.bound.DialContext(matrix.PartitionToImages)
	return verified.New(verified.Options{Folder: folder, Transport: func(policy fetch.Policy) http.RoundTripper {
		return &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := dial(ctx, network, address)
				if err != nil {
					return nil, err
				}
				// A name may resolve to anything; nothing was sent yet.
				if to, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
					if err := policy.Address(to.Addr()); err != nil {
						return nil, errors.Join(fmt.Errorf("dial %s: %w", address, err), c.Close())
					}
				}
				return c, nil
			},
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout: 30 * time.Second, ResponseHeaderTimeout: time.Minute,
			// One file is fetched by one transport.
			DisableKeepAlives: true,
			// What is hashed is what the server has.
			DisableCompression: true,
		}
	}}), nil
}
