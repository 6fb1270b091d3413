package agentapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/attestation"
	"github.com/ingotmetal/ingot/matrix/identity"
)

// Defaults of Options.
const (
	defaultLifetime    = identity.BootLifetime
	defaultReportEvery = 2 * time.Second
)

// bodyTime is how long a client may take to send a request's body.
const bodyTime = 30 * time.Second

// Options are what the server stands on.
type Options struct {
	Windows    Windows
	Boots      Boots
	Logs       Logs
	FirstBoots FirstBoots
	// Identities may be nil: then no firewall is let in here.
	Identities Identities
	Authority  Authority
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Logger must be given.
	Logger *slog.Logger
	// CertificateLifetime of agents: 1 h when zero. ReportEvery is how often a running step's progress is asked for: 2 s when zero.
	CertificateLifetime time.Duration
	ReportEvery         time.Duration
}

// Server answers agents and provisioned systems. It may be used by several goroutines.
type Server struct {
	o      Options
	mux    *http.ServeMux
	newest *sequences
	// challenger asks TPMs for proofs.
	challenger *attestation.Challenger
	// refusedSources and refusedBoots count what was refused, by source address and by source and subject.
	refusedSources, refusedBoots *limiter
	// trafficking holds one token for each answer with bytes to measure by.
	trafficking chan struct{}
}

// New makes a Server.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.CertificateLifetime = cmp.Or(o.CertificateLifetime, defaultLifetime)
	o.ReportEvery = cmp.Or(o.ReportEvery, defaultReportEvery)
	s := &Server{o: o, mux: http.NewServeMux(), newest: newSequences(), challenger: attestation.NewChallenger(), refusedSources: newSourceLimiter(), refusedBoots: newBootLimiter(),
		trafficking: make(chan struct{}, trafficAtOnce)}
	s.mux.HandleFunc("POST "+protocol.PathEnroll, s.enroll)
	s.mux.HandleFunc("POST "+protocol.PathExchange, s.exchange)
	s.mux.HandleFunc("POST "+protocol.PathLog, s.log)
	s.mux.HandleFunc("GET "+protocol.PathTraffic+"{boot}", s.traffic)
	s.mux.HandleFunc("POST "+protocol.PathFirstBoot+"{namespace}/{name}/{token}", s.firstBoot)
	if o.Identities != nil {
		s.mux.HandleFunc("POST "+protocol.PathFirstBoot+"{namespace}/{name}/{token}"+protocol.PathIdentity, s.identity)
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// TLSConfig is what the listener's TLS must do: TLS 1.3, and a client certificate checked against the agents' CA where one is shown. Certificate gives the server's own.
func (s *Server) TLSConfig(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: certificate,
		// Enrolment and first-boot reports come without one; every other path asks for it.
		ClientAuth: tls.VerifyClientCertIfGiven,
		ClientCAs:  s.o.Authority.Pool(),
		Time:       s.o.Now,
		NextProtos: []string{"http/1.1"},
	}
}

// HTTPServer is the server with timeouts that fit the long poll. Ending ctx answers the held exchanges, so that Shutdown need not wait for them.
func (s *Server) HTTPServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       3 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		// Handshakes of port scanners and of agents with certificates that ran out.
		ErrorLog: slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelDebug),
	}
}

// mayTry says whether a source may ask for a subject (a boot, a host) again after what was refused to it, and answers the request if not. Subject "" asks for the
// source alone, before anything is read.
func (s *Server) mayTry(w http.ResponseWriter, source, subject string) bool {
	now := s.o.Now()
	if s.refusedSources.allows(source, now) && (subject == "" || s.refusedBoots.allows(source+" "+subject, now)) {
		return true
	}
	w.Header().Set("Retry-After", "10")
	answerError(w, http.StatusTooManyRequests, protocol.CodeBusy, "too many refused requests, ask again later")
	return false
}

func (s *Server) noteRefused(source, subject string) {
	now := s.o.Now()
	s.refusedSources.note(source, now)
	s.refusedBoots.note(source+" "+subject, now)
}

// read decodes a JSON body of at most protocol.MaxBodyBytes. It answers the request itself when it cannot.
func (s *Server) read(w http.ResponseWriter, r *http.Request, limit int64, into any) bool {
	body := s.body(w, r, limit)
	d := json.NewDecoder(body)
	err := d.Decode(into)
	if err == nil && d.More() {
		err = errors.New("more than one JSON value")
	}
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &large):
		answerError(w, http.StatusRequestEntityTooLarge, protocol.CodeInvalid, fmt.Sprintf("the body is larger than %d bytes", limit))
	default:
		answerError(w, http.StatusBadRequest, protocol.CodeInvalid, "the body is not the JSON that this path takes")
	}
	return false
}

// body bounds a request's body in size and in time.
func (s *Server) body(w http.ResponseWriter, r *http.Request, limit int64) io.Reader {
	// Not every ResponseWriter has deadlines (a test's recorder has none); the size holds anyway.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	return http.MaxBytesReader(w, r.Body, limit)
}

// fail answers an error of one of the contracts.
func (s *Server) fail(w http.ResponseWriter, message, bootID string, err error) {
	if errors.Is(err, ErrNotReady) || errors.Is(err, ErrConflict) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		w.Header().Set("Retry-After", "1")
		answerError(w, http.StatusServiceUnavailable, protocol.CodeBusy, "not ready, ask again")
		return
	}
	s.o.Logger.Error(message, "boot", printable(bootID), "err", err) //nolint:sloglint // each caller gives a constant
	answerError(w, http.StatusInternalServerError, protocol.CodeInternal, "internal error, ask again")
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	// A client that went away asks again.
	_ = json.NewEncoder(w).Encode(body)
}

func answerError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(protocol.Error{Code: code, Message: message})
}

// refuse is the one answer to whoever is not let in.
func refuse(w http.ResponseWriter) {
	answerError(w, http.StatusForbidden, protocol.CodeRefused, "refused")
}
