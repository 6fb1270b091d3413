package agent

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/matrix"
)

// errRefused marks an answer that says that asking again in the same way is of no use.
var errRefused = errors.New("refused")

// answerTime is how long an answer may take beyond the time that it may be held.
const answerTime = 30 * time.Second

// session is a way to the endpoint, with a client certificate or, for the enrolment, without.
type session struct {
	http     *http.Client
	endpoint string
	// notBefore and notAfter bound the certificate.
	notBefore, notAfter time.Time
}

// newSession makes a session; certificate is nil for the enrolment.
func (a *agent) newSession(certificate *tls.Certificate) *session {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return a.dial(ctx, matrix.AgentToPartition, address)
		},
		TLSClientConfig:     a.trust.config(a.clock, certificate),
		TLSHandshakeTimeout: answerTime,
		// HTTP/1.1 only: a connection that went silent is found by the request's own deadline.
		ForceAttemptHTTP2:   false,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     2 * time.Minute,
		DisableCompression:  true,
	}
	s := &session{endpoint: a.trust.endpoint.String(), http: &http.Client{
		Transport: transport,
		// A redirect would lead away from the pinned endpoint.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if certificate != nil {
		s.notBefore, s.notAfter = certificate.Leaf.NotBefore, certificate.Leaf.NotAfter
	}
	return s
}

func (s *session) expired(now time.Time) bool { return !now.Before(s.notAfter) }

// halfSpent says whether more than half of the certificate's life is over.
func (s *session) halfSpent(now time.Time) bool {
	return now.After(s.notBefore.Add(s.notAfter.Sub(s.notBefore) / 2))
}

// post sends a JSON body and reads a JSON answer of at most limit bytes into answer, which is nil where none is expected.
func (s *session) post(ctx context.Context, path string, body, answer any, limit int64) (http.Header, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode a request to %s: %w", path, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint+path, bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("make a request to %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return resp.Header, refusal(path, resp)
	}
	if answer == nil {
		return resp.Header, nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, limit)).Decode(answer); err != nil {
		return resp.Header, fmt.Errorf("read the answer to %s (at most %d bytes): %w", path, limit, err)
	}
	return resp.Header, nil
}

// refusal makes an error of an answer that is not 2xx.
func refusal(path string, resp *http.Response) error {
	var e protocol.Error
	// An answer without our body (a proxy's, say) leaves e empty; the status says enough then.
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&e)
	err := fmt.Errorf("the partition role answered %s with %s: %q", path, resp.Status, e.Message)
	if e.Code == protocol.CodeRefused {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return err
}

// alerted says whether the server ended the connection with a TLS alert.
func alerted(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// enrol trades the token for a certificate. The same key is used for the agent's whole life: an enrolment whose answer was lost, and one after the
// certificate ran out while the partition role was away, are told from a thief's by it.
func (a *agent) enrol(ctx context.Context) error {
	macs, err := a.hardware.Inspector.MACAddresses(ctx)
	if err != nil {
		return fmt.Errorf("list the MAC addresses to enrol with: %w", err)
	}
	uuid, err := a.hardware.Inspector.SystemUUID(ctx)
	if err != nil {
		return fmt.Errorf("read the system UUID to enrol with: %w", err)
	}
	if len(uuid) > protocol.MaxUUIDBytes {
		uuid = "" // it is none
	}
	csr, err := certificateRequest(a.key)
	if err != nil {
		return err
	}
	answer, err := a.ask(ctx, protocol.EnrollRequest{
		BootID: a.config.BootID, Token: a.config.Token, CSR: csr, MACAddresses: macs, SystemUUID: uuid, AgentVersion: a.version,
	})
	if err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	if err := a.adopt(answer); err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	a.logger.Info("Enrolled", "endpoint", a.config.Endpoint, "until", answer.NotAfter)
	return nil
}

// adopt takes a certificate into use.
func (a *agent) adopt(r protocol.EnrollResponse) error {
	if len(r.CertificateDER) == 0 {
		return errors.New("the partition role sent no certificate")
	}
	leaf, err := x509.ParseCertificate(r.CertificateDER[0])
	if err != nil {
		return fmt.Errorf("parse the agent's certificate: %w", err)
	}
	if !a.key.PublicKey.Equal(leaf.PublicKey) {
		return errors.New("the partition role sent a certificate for another key")
	}
	a.setSession(a.newSession(&tls.Certificate{Certificate: r.CertificateDER, PrivateKey: a.key, Leaf: leaf}))
	return nil
}

func certificateRequest(key *ecdsa.PrivateKey) ([]byte, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	return csr, nil
}

// TPM is the machine's TPM 2.0.
type TPM interface {
	// Open begins a conversation with it: ErrNoTPM where the machine has none.
	Open() (TPMSession, error)
}

// TPMSession is a conversation with a TPM; package tpm has it.
type TPMSession interface {
	Identity() protocol.TPMIdentity
	// Prove opens a challenge, and signs what bind makes of the secret.
	Prove(c protocol.TPMChallenge, bind func(secret []byte) []byte) (protocol.TPMProof, error)
	Close() error
}

// ErrNoTPM: the machine has no TPM 2.0.
var ErrNoTPM = errors.New("the machine has no TPM 2.0")

// ask sends an enrolment with what the machine's TPM shows, and answers the challenge where one comes.
func (a *agent) ask(ctx context.Context, req protocol.EnrollRequest) (protocol.EnrollResponse, error) {
	tpm, trouble := a.openTPM()
	if tpm != nil {
		defer func() { _ = tpm.Close() }()
		shown := tpm.Identity()
		req.TPM = &shown
	}
	req.TPMTrouble = trouble
	answer, err := a.askOnce(ctx, req)
	if err != nil || answer.TPMChallenge == nil {
		return answer, err
	}
	if tpm == nil {
		return answer, errors.New("the partition role asks for a proof of a TPM that was not shown")
	}
	hash, err := protocol.KeyHash(a.key.Public())
	if err != nil {
		return answer, err
	}
	proof, err := tpm.Prove(*answer.TPMChallenge, func(secret []byte) []byte { return protocol.TPMBinding(req.BootID, hash, secret) })
	if err != nil {
		return answer, err
	}
	req.TPMProof = &proof
	if answer, err = a.askOnce(ctx, req); err == nil && answer.TPMChallenge != nil {
		err = errors.New("the partition role asks for a proof again, after it had one")
	}
	return answer, err
}

// openTPM gives nil for a machine that has none, and for one whose TPM does not work; then trouble says why.
func (a *agent) openTPM() (tpm TPMSession, trouble string) {
	if a.hardware.TPM == nil {
		return nil, ""
	}
	tpm, err := a.hardware.TPM.Open()
	switch {
	case err == nil:
		return tpm, ""
	case errors.Is(err, ErrNoTPM):
		return nil, ""
	}
	a.logger.Warn("The machine's TPM is not usable", "err", err)
	trouble = err.Error()
	return nil, strings.ToValidUTF8(trouble[:min(len(trouble), protocol.MaxTPMTroubleBytes)], "")
}

func (a *agent) askOnce(ctx context.Context, req protocol.EnrollRequest) (protocol.EnrollResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	s := a.newSession(nil)
	defer s.http.CloseIdleConnections()
	var answer protocol.EnrollResponse
	header, err := s.post(ctx, protocol.PathEnroll, req, &answer, protocol.MaxBodyBytes)
	if header != nil {
		a.setClockFromAnswer(header)
	}
	return answer, err
}
