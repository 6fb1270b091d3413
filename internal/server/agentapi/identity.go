package agentapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"net/http"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
)

// Identities are what Firewalls' machines trade their first-boot tokens for.
type Identities interface {
	// Identity has a request signed that came with the token of the host's system. The token is worth one key; its hash is as in Window. ErrUnknown: no, for good. ErrNotReady, ErrConflict: ask again.
	Identity(ctx context.Context, namespace, name, tokenHash, keyHash string, csr []byte) (protocol.IdentityResponse, error)
}

// identity trades the token of a first boot for an identity. The path holds a credential and is never logged.
func (s *Server) identity(w http.ResponseWriter, r *http.Request) {
	source := sourceOf(r)
	namespace, name, token := r.PathValue("namespace"), r.PathValue("name"), r.PathValue("token")
	if len(namespace)+len(name) > 2*maxBootIDBytes || len(token) > maxTokenBytes {
		refuse(w)
		return
	}
	subject := namespace + "/" + name
	if !s.mayTry(w, source, subject) {
		return
	}
	hash := HashToken(token)
	known, err := s.o.FirstBoots.FirstBootTokenHash(r.Context(), namespace, name)
	if err != nil && !errors.Is(err, ErrUnknown) {
		s.failFirstBoot(w, namespace, name, err)
		return
	}
	if err != nil || known == "" || !sameHash(hash, known) {
		s.refuseIdentity(w, source, subject)
		return
	}
	// The body is read only now: whoever holds no token costs no memory.
	var q protocol.IdentityRequest
	if !s.read(w, r, maxEnrollBytes, &q) {
		return
	}
	csr, err := x509.ParseCertificateRequest(q.CSR)
	if err == nil {
		err = csr.CheckSignature()
	}
	public, ok := publicOf(csr)
	if err != nil || !ok {
		answerError(w, http.StatusBadRequest, protocol.CodeInvalid, "the csr is no certificate request with a P-256 key")
		return
	}
	given, err := s.o.Identities.Identity(r.Context(), namespace, name, hash, keyHash(public), q.CSR)
	switch {
	case errors.Is(err, ErrUnknown):
		s.refuseIdentity(w, source, subject)
	case err != nil:
		s.failFirstBoot(w, namespace, name, err)
	default:
		s.o.Logger.Info("Firewall's machine has its identity", "machine", subject, "source", source)
		answer(w, given)
	}
}

func publicOf(csr *x509.CertificateRequest) (*ecdsa.PublicKey, bool) {
	if csr == nil {
		return nil, false
	}
	k, ok := csr.PublicKey.(*ecdsa.PublicKey)
	return k, ok && k.Curve == elliptic.P256()
}

func (s *Server) refuseIdentity(w http.ResponseWriter, source, subject string) {
	s.noteRefused(source, subject)
	s.o.Logger.Warn("Identity refused", "machine", printable(subject), "source", source)
	refuse(w)
}
