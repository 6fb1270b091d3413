package web

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/docs"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/docsite"
	"github.com/ingotmetal/ingot/internal/web/relay"
)

// Options are a server's.
type Options struct {
	// API is where the API server is; whom it says we are is not used.
	API *rest.Config
	// Mapper knows the API's kinds.
	Mapper meta.RESTMapper
	// Tickets is the folder of login links; empty: there are none.
	Tickets string
	// Issuers is the AuthenticationConfiguration with the issuers that people may log in at; empty: there are none.
	Issuers string
	// Endpoint is the URL that people reach the page by: issuers send them back to it.
	Endpoint string
	// DialIssuer opens the connections to issuers.
	DialIssuer func(ctx context.Context, network, address string) (net.Conn, error)
	// DialConsole opens the connections to console roles; nil: the page has no consoles.
	DialConsole func(ctx context.Context, network, address string) (net.Conn, error)
	// Certificate is the page's own, as it is shown now; nil: it is not told.
	Certificate func() *x509.Certificate
	Now         func() time.Time
	Log         *slog.Logger
}

// Server serves the page.
type Server struct {
	o        Options
	scheme   *runtime.Scheme
	front    *front
	sessions *book
	attempts attempts
	consoles *relay.Relay
}

// New makes a server. Close ends what it holds open.
func New(o Options) (*Server, error) {
	scheme, err := session.Scheme()
	if err != nil {
		return nil, err
	}
	if err := addReviews(scheme); err != nil {
		return nil, err
	}
	f, err := openFront()
	if err != nil {
		return nil, err
	}
	return &Server{o: o, scheme: scheme, front: f, sessions: newBook(o.Now), attempts: attempts{open: map[[sha256.Size]byte]attempt{}},
		consoles: &relay.Relay{Dial: o.DialConsole, Log: o.Log}}, nil
}

// Close ends all sessions.
func (s *Server) Close() { s.sessions.close() }

// Handler is all of it. It must be served over TLS: the cookie is sent over nothing else.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{name}", s.front.asset)
	mux.HandleFunc("GET /session", s.whoAmI)
	mux.HandleFunc("POST /session/token", s.loginByToken)
	mux.HandleFunc("POST /session/link", s.loginByLink)
	mux.HandleFunc("GET /session/issuers", s.listIssuers)
	mux.HandleFunc("POST /session/issuer", s.beginIssuer)
	mux.HandleFunc("POST /session/code", s.finishIssuer)
	mux.HandleFunc("DELETE /session", s.logout)
	mux.HandleFunc("POST /hosts", s.known(s.changeHosts))
	mux.Handle("GET "+docsPath, docsite.Handler(docsPath, docs.Pages, s.o.Log))
	mux.HandleFunc("POST /firewalls", s.known(s.replaceFirewall))
	if s.o.DialConsole != nil {
		mux.HandleFunc("GET /consoles/{kind}/{namespace}/{name}", s.known(s.console))
	}
	mux.HandleFunc("GET /", s.serve)
	return headers(http.NewCrossOriginProtection().Handler(mux))
}

// docsPath is where the documentation is, for anybody: who cannot log in reads there how to.
const docsPath = "/docs/"

// policy lets a page load from here only, and run nothing that is in it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// form is how a page is asked for.
type form int

const (
	asHTML form = iota
	asJSON
	asEvents
)

func formOf(r *http.Request) (path string, f form) {
	if path, ok := strings.CutSuffix(r.URL.Path, ".json"); ok {
		if path == "/index" {
			path = "/"
		}
		return path, asJSON
	}
	accept := r.Header.Get("Accept")
	switch {
	case strings.Contains(accept, "text/event-stream"):
		return r.URL.Path, asEvents
	case strings.Contains(accept, "application/json"):
		return r.URL.Path, asJSON
	}
	return r.URL.Path, asHTML
}

// serve gives a page in the form that is asked for.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	path, f := formOf(r)
	w.Header().Set("Vary", "Accept")
	p, ok := find(path)
	p.query = r.URL.Query()
	switch {
	case f == asHTML:
		s.front.index(w, r, ok || path == loginPath || path == callbackPath)
	case !ok:
		refuse(w, http.StatusNotFound, "there is no such page")
	case f == asEvents:
		s.known(func(w http.ResponseWriter, r *http.Request, who *person) { s.stream(w, r, who, p) })(w, r)
	default:
		s.known(func(w http.ResponseWriter, r *http.Request, who *person) { s.once(w, r, who, p) })(w, r)
	}
}
