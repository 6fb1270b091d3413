package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ingotmetal/ingot/internal/secret"
)

// backdate is how far before now a certificate begins, so that a peer whose clock is behind still accepts it. A machine that boots the
// agent may have a real-time clock that is minutes off.
const backdate = 10 * time.Minute

// CA signs certificates. Its methods may be called concurrently.
type CA struct {
	cert *x509.Certificate
	pem  []byte
	key  *ecdsa.PrivateKey
}

// NewCA makes a self-signed CA with a new key. It may sign leaves only, no further CAs.
func NewCA(commonName string, now time.Time, lifetime time.Duration) (*CA, error) {
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName, Organization: []string{"Ingot"}},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign the CA certificate %q: %w", commonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back the CA certificate %q: %w", commonName, err)
	}
	return &CA{cert: cert, pem: encodeCert(der), key: key}, nil
}

// LoadCA takes a CA from its PEM texts. It refuses a certificate that is no CA and a key that does not belong to it.
func LoadCA(certPEM []byte, keyPEM secret.String) (*CA, error) {
	cert, err := parseCert(certPEM)
	if err != nil {
		return nil, fmt.Errorf("CA certificate: %w", err)
	}
	if !cert.IsCA {
		return nil, fmt.Errorf("certificate %q is not a CA: give the CA's own certificate", cert.Subject.CommonName)
	}
	key, err := ParseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("CA key: %w", err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("the key does not belong to the CA certificate %q: certificate and key come from different CAs", cert.Subject.CommonName)
	}
	return &CA{cert: cert, pem: encodeCert(cert.Raw), key: key}, nil
}

// CertPEM is the CA's certificate, for those who trust it.
func (c *CA) CertPEM() []byte { return bytes.Clone(c.pem) }

// CertDER is the same in DER.
func (c *CA) CertDER() []byte { return bytes.Clone(c.cert.Raw) }

// NotAfter is the end of the CA's life.
func (c *CA) NotAfter() time.Time { return c.cert.NotAfter }

// KeyPEM is the CA's private key, for storage.
func (c *CA) KeyPEM() (secret.String, error) { return EncodeKey(c.key) }

// Pool holds the CA alone.
func (c *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.cert)
	return pool
}

// Sign makes a leaf certificate in DER for a public key.
func (c *CA) Sign(public crypto.PublicKey, p Profile, now time.Time) ([]byte, error) {
	if err := checkKey(public); err != nil {
		return nil, err
	}
	template, err := p.template(now)
	if err != nil {
		return nil, err
	}
	if template.NotAfter.After(c.cert.NotAfter) {
		template.NotAfter = c.cert.NotAfter
	}
	if !template.NotAfter.After(now) {
		return nil, fmt.Errorf("the CA %q ended at %s: make a new CA and trust it", c.cert.Subject.CommonName, c.cert.NotAfter.Format(time.RFC3339))
	}
	if template.SerialNumber, err = newSerial(); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, public, c.key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate %q: %w", p.CommonName, err)
	}
	return der, nil
}

// SignPEM is Sign with the result in PEM.
func (c *CA) SignPEM(public crypto.PublicKey, p Profile, now time.Time) ([]byte, error) {
	der, err := c.Sign(public, p, now)
	if err != nil {
		return nil, err
	}
	return encodeCert(der), nil
}

// SignRequest makes a leaf certificate in DER for a PKCS #10 request in DER. Only the request's key is used, and only after its
// signature has proved that the sender holds the private half.
func (c *CA) SignRequest(csrDER []byte, p Profile, now time.Time) ([]byte, error) {
	public, err := RequestKey(csrDER)
	if err != nil {
		return nil, err
	}
	return c.Sign(public, p, now)
}

// RequestKey is the public key of a PKCS #10 request in DER, once its signature is proved.
func RequestKey(csrDER []byte) (crypto.PublicKey, error) {
	csr, err := x509.ParseCertificateRequest(csrDER)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request: its signature does not prove the key: %w", err)
	}
	if err := checkKey(csr.PublicKey); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	return csr.PublicKey, nil
}

// NewRequest makes a PKCS #10 request in DER. The name is a wish that a signer may ignore.
func NewRequest(key *ecdsa.PrivateKey, p Profile) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:  pkix.Name{CommonName: p.CommonName, Organization: p.Organizations},
		DNSNames: p.DNSNames,
	}, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request for %q: %w", p.CommonName, err)
	}
	return der, nil
}

// NewKey makes a P-256 key.
func NewKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate a P-256 key: %w", err)
	}
	return key, nil
}

// EncodeKey is a private key as PKCS #8 PEM.
func EncodeKey(key *ecdsa.PrivateKey) (secret.String, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return secret.String{}, fmt.Errorf("encode a private key: %w", err)
	}
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))), nil
}

// ParseKey reads a P-256 private key from PKCS #8 or SEC 1 PEM.
func ParseKey(keyPEM secret.String) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(keyPEM.Reveal()))
	if block == nil {
		return nil, errors.New("no PEM block found: a P-256 private key in PEM is needed")
	}
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("PEM block %q is no private key: a P-256 private key is needed", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("private key is %T: a P-256 key is needed", parsed)
	}
	return key, nil
}

func checkKey(public crypto.PublicKey) error {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return fmt.Errorf("public key is %T: a P-256 key is needed", public)
	}
	return nil
}

// newSerial gives 127 random bits: positive, and within the 20 octets of RFC 5280 section 4.1.2.2.
func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func parseCert(certPEM []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no CERTIFICATE block found: a certificate in PEM is needed")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return cert, nil
}
