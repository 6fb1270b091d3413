package agentapi

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/pki"
)

// commonNamePrefix begins the common name of every agent's certificate; the boot's ID follows.
const commonNamePrefix = "ingot:agent:"

// agentGroup is the organization of every agent's certificate.
const agentGroup = "ingot:agent"

const (
	maxBootIDBytes = 253
	maxTokenBytes  = 512
	maxMACs        = 256
	// maxEnrollBytes is far above any enrolment, and small, since anybody may send one.
	maxEnrollBytes = 64 << 10
	// redeemTries bounds the writers that may come between.
	redeemTries = 5
)

// HashToken is how tokens are kept: SHA-256 in hex.
func HashToken(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// enroll trades a token for a certificate.
func (s *Server) enroll(w http.ResponseWriter, r *http.Request) {
	source := sourceOf(r)
	var req protocol.EnrollRequest
	if !s.mayTry(w, source, "") || !s.read(w, r, maxEnrollBytes, &req) {
		return
	}
	public, err := checkEnroll(req)
	if err != nil {
		answerError(w, http.StatusBadRequest, protocol.CodeInvalid, err.Error())
		return
	}
	if !s.mayTry(w, source, req.BootID) {
		return
	}
	admitted, err := s.redeem(r.Context(), req, keyHash(public))
	switch {
	case err != nil:
		s.fail(w, "Boot window not redeemed", req.BootID, err)
		return
	case admitted.reason != "":
		s.noteRefused(source, req.BootID)
		s.o.Logger.Warn("Enrolment refused", "boot", printable(req.BootID), "source", source, "reason", admitted.reason)
		refuse(w)
		return
	case admitted.challenge != nil:
		answer(w, protocol.EnrollResponse{TPMChallenge: admitted.challenge})
		return
	}
	certificate, err := s.sign(public, req.BootID)
	if err != nil {
		s.fail(w, "Agent's certificate not signed", req.BootID, err)
		return
	}
	s.o.Logger.Info("Agent enrolled", "boot", req.BootID, "source", source, "version", printable(req.AgentVersion))
	answer(w, certificate)
}

// checkEnroll proves the key of a request and bounds the rest.
func checkEnroll(req protocol.EnrollRequest) (crypto.PublicKey, error) {
	if req.BootID == "" || len(req.BootID) > maxBootIDBytes || req.Token == "" || len(req.Token) > maxTokenBytes || len(req.MACAddresses) > maxMACs ||
		len(req.SystemUUID) > protocol.MaxUUIDBytes || len(req.TPMTrouble) > protocol.MaxTPMTroubleBytes {
		return nil, errors.New("boot ID, token, MAC addresses, system UUID or TPM trouble are missing or too long")
	}
	public, err := pki.RequestKey(req.CSR)
	if err != nil {
		return nil, errors.New("the certificate request does not prove a P-256 key")
	}
	return public, nil
}

// redeem lets a key in exactly once.
func (s *Server) redeem(ctx context.Context, req protocol.EnrollRequest, keyHash string) (admission, error) {
	for range redeemTries {
		window, err := s.o.Windows.Window(ctx, req.BootID)
		if errors.Is(err, ErrUnknown) {
			return admission{reason: "no window for this boot"}, nil
		}
		if err != nil {
			return admission{}, err
		}
		now := s.o.Now()
		reason, redeemed := judge(window, req, keyHash, now)
		if reason != "" || redeemed {
			return admission{reason: reason}, nil
		}
		admitted, err := s.askTPM(ctx, window, req, keyHash, now)
		if err != nil || admitted.reason != "" || admitted.challenge != nil {
			return admitted, err
		}
		err = s.o.Windows.Redeem(ctx, window, Enrolment{KeyHash: keyHash, SystemUUID: req.SystemUUID, At: now, TPM: admitted.evidence})
		switch {
		case err == nil:
			return admitted, nil
		case errors.Is(err, ErrUnknown):
			return admission{reason: "the window was closed meanwhile"}, nil
		case !errors.Is(err, ErrConflict):
			return admission{}, err
		}
	}
	return admission{}, fmt.Errorf("redeem the window of boot %s: it changed %d times meanwhile: %w", req.BootID, redeemTries, ErrConflict)
}

// judge decides an enrolment. Redeemed: this very key redeemed the window before.
func judge(w Window, req protocol.EnrollRequest, keyHash string, now time.Time) (reason string, redeemed bool) {
	if w.TokenHash == "" || !sameHash(HashToken(req.Token), w.TokenHash) {
		return "wrong token", false
	}
	if w.KeyHash != "" {
		if !sameHash(keyHash, w.KeyHash) {
			return "the token was traded for another key before", false
		}
		return "", true
	}
	switch {
	case now.Before(w.OpensAt):
		return "the window is not open yet", false
	case !now.Before(w.ClosesAt):
		return "the window is closed", false
	}
	named := func(mac string) bool { return slices.Contains(w.MACAddresses, strings.ToLower(mac)) }
	if len(w.MACAddresses) > 0 && !slices.ContainsFunc(req.MACAddresses, named) {
		return "none of the machine's MAC addresses is the window's", false
	}
	return "", false
}

// sign makes the certificate of a boot.
func (s *Server) sign(public crypto.PublicKey, bootID string) (protocol.EnrollResponse, error) {
	profile := pki.ClientProfile(commonNamePrefix+bootID, s.o.CertificateLifetime, agentGroup)
	der, err := s.o.Authority.Sign(public, profile, s.o.Now())
	if err != nil {
		return protocol.EnrollResponse{}, fmt.Errorf("sign the certificate of boot %s: %w", bootID, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return protocol.EnrollResponse{}, fmt.Errorf("read back the certificate of boot %s: %w", bootID, err)
	}
	return protocol.EnrollResponse{CertificateDER: [][]byte{der}, NotAfter: leaf.NotAfter}, nil
}

// renew answers a certificate request inside of an exchange. The key must be the one that the connection proved.
func (s *Server) renew(csr []byte, shown *x509.Certificate, bootID string) (*protocol.EnrollResponse, error) {
	public, err := pki.RequestKey(csr)
	if err != nil {
		return nil, err
	}
	if keyHash(public) != keyHash(shown.PublicKey) {
		return nil, errors.New("the certificate request is for another key")
	}
	certificate, err := s.sign(public, bootID)
	return &certificate, err
}

// keyHash names a public key: SHA-256 of its SubjectPublicKeyInfo, hex. Empty for a key that has none, which pki.RequestKey never gives.
func keyHash(public crypto.PublicKey) string {
	// The error is of a kind of key that has no hash.
	hash, _ := protocol.KeyHash(public)
	return hash
}

func sameHash(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
