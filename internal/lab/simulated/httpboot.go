package simulated

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// maxMedium is more than any agent's medium has.
const maxMedium = 256 << 20

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
	image, err := fetch(ctx, &http.Client{Transport: transport, Timeout: fetchPatience}, plan.URI, maxMedium)
	if err != nil {
		return nil, fmt.Errorf("HTTP boot: %w", err)
	}
	return archiveOf(&bmcsim.Medium{URL: plan.URI, Size: int64(len(image)), Image: bytes.NewReader(image)})
}
