package bmctest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// httpBoot: the machine is told what to fetch and whom to trust; saying it again leaves it at that.
func httpBoot(t *testing.T, r *run) {
	set := bmc.BootSetting{Device: bmc.BootHTTP, Mode: bmc.ModeUEFI, Once: true, URI: "https://192.0.2.1:8082/media/a.iso", Authorities: certificate(t)}
	if !r.can(bmc.CanUEFIHTTP) {
		if err := r.boot(t).Set(t.Context(), set); err == nil {
			t.Error("UEFI HTTP boot was taken by a BMC without it")
		}
		return
	}
	noURI := set
	noURI.URI = ""
	if err := r.boot(t).Set(t.Context(), noURI); err == nil {
		t.Error("UEFI HTTP boot of nothing was taken")
	} else if k := bmc.KindOf(err); k != step.Invalid && k != step.Unsupported {
		t.Errorf("UEFI HTTP boot of nothing: %s", k)
	}
	for range 2 {
		if err := r.boot(t).Set(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	shown := set
	shown.Once, shown.Authorities = r.can(bmc.CanBootOnce), ""
	r.overrideIs(t, shown)
	got := r.restarted(t)
	if got.Device != bmc.BootHTTP || got.URI != set.URI {
		t.Errorf("booted %+v, want by HTTP from %s", got, set.URI)
	}
	if got.Authorities != "" && got.Authorities != set.Authorities {
		t.Errorf("the firmware trusts %q, want the one certificate, once", got.Authorities)
	}
}

func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "boot server"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
