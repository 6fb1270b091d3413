package labtest

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/server/media"
	"github.com/ingotmetal/ingot/matrix"
)

const httpsPort = 8082

// mediumName is the medium's of a boot; a real one cannot be guessed.
func mediumName(bootID string) string { return "medium-of-" + bootID }

// BootURI is where firmware fetches the medium of a boot by UEFI HTTP boot.
func BootURI(bootID string) string {
	return "https://" + netip.AddrPortFrom(BootAddress.Addr(), httpsPort).String() + media.Prefix + mediumName(bootID) + media.Suffix
}

// media serves UEFI HTTP boot, and gives the PEM that firmware must trust for it.
func (s servers) media() string {
	s.t.Helper()
	files := pki.FilesIn(s.t.TempDir(), "firmware")
	if err := pki.IssueFirmware(files, "boot server", time.Now(), BootAddress.Addr().String()); err != nil {
		s.t.Fatal(err)
	}
	config, err := pki.FirmwareServer(files)
	if err != nil {
		s.t.Fatal(err)
	}
	trusted, err := os.ReadFile(files.Cert)
	if err != nil {
		s.t.Fatal(err)
	}
	l, err := s.boot.Listen(s.t.Context(), netip.AddrPortFrom(BootAddress.Addr(), httpsPort))
	if err != nil {
		s.t.Fatal(err)
	}
	web := &http.Server{ReadHeaderTimeout: time.Minute, Handler: &media.Handler{
		Windows: s.windows, Patched: s.artifacts.PatchedISO, ISODigest: s.artifacts.Files[bootmedia.ISO].SHA256, Flow: matrix.MachineToBootMedia, Now: time.Now, Log: s.log, Count: uncounted,
	}}
	s.run("HTTPS", func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = web.Close() })
		defer stop()
		_ = web.Serve(tls.NewListener(l, config))
		return nil
	})
	return string(trusted)
}

// Authorities are what firmware must trust for UEFI HTTP boot.
func (s Site) Authorities(t *testing.T) string {
	t.Helper()
	if s.authorities == "" {
		t.Fatal("a site without artifacts serves no medium")
	}
	return s.authorities
}
