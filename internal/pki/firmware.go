package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"time"
)

// The certificate of servers that machines' firmware fetches from. RSA, since much firmware is built without elliptic curves (EDK II before 2023), and long-lived, since
// BMCs keep what they were told to trust.
const (
	firmwareKeyBits  = 3072
	firmwareLifetime = 5 * 365 * 24 * time.Hour
)

// IssueFirmware makes a self-signed RSA certificate for a server that firmware fetches from, where there is none for these hosts or it is past half its life. Whoever trusts it
// trusts this one server: it signs nothing else.
func IssueFirmware(f Files, name string, now time.Time, hosts ...string) error {
	p := ServerProfile(name, hosts...)
	p.Lifetime = firmwareLifetime
	template, err := p.template(now)
	if err != nil {
		return err
	}
	if text, err := os.ReadFile(f.Cert); err == nil && firmwareStands(text, template, now) {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, firmwareKeyBits)
	if err != nil {
		return fmt.Errorf("make the RSA key of %s: %w", name, err)
	}
	if template.SerialNumber, err = newSerial(); err != nil {
		return err
	}
	// Firmware without elliptic curves exchanges keys by RSA encryption.
	template.KeyUsage |= x509.KeyUsageKeyEncipherment
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("sign the certificate of %s: %w", name, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key of %s: %w", name, err)
	}
	// The key first: a certificate that is there has its key.
	if err := WriteFile(f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return err
	}
	return WriteFile(f.Cert, encodeCert(der), 0o600)
}

func firmwareStands(text []byte, want *x509.Certificate, now time.Time) bool {
	have, err := parseCert(text)
	if err != nil || !now.Before(dueAt(have)) || !slices.Equal(have.DNSNames, want.DNSNames) || len(have.IPAddresses) != len(want.IPAddresses) {
		return false
	}
	for i := range want.IPAddresses {
		if !have.IPAddresses[i].Equal(want.IPAddresses[i]) {
			return false
		}
	}
	return true
}

// FirmwareServer is the TLS configuration of a server that firmware fetches from: TLS 1.2 or later. Key exchange by RSA encryption comes last: with it a recorded session can
// be read by who gets the key later, and firmware without elliptic curves can do nothing better.
func FirmwareServer(f Files) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("load the certificate for firmware: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{pair},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		},
	}, nil
}
