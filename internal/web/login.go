package web

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/internal/web/ticket"
)

// bodyBytes bounds what is sent to us: a token with hundreds of groups has some tens of KiB.
const bodyBytes = 256 << 10

// problem is an answer that is none: what went wrong, for people.
type problem struct {
	Error string `json:"error"`
}

func refuse(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(problem{text}) // a browser that is gone needs no answer
}

func reply(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what) // a browser that is gone needs no answer
}

// readJSON takes a body that only a script of our own page can have sent: forms of other sites cannot say that they are JSON.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "the request is no JSON: send it with Content-Type application/json")
		return false
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytes))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "the request is no JSON of the expected shape, or too long")
		return false
	}
	return true
}

// known serves those who are logged in.
func (s *Server) known(serve func(w http.ResponseWriter, r *http.Request, who *person)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who := s.sessions.of(r)
		if who == nil {
			refuse(w, http.StatusUnauthorized, "log in first: at this address, or by POST /session/token")
			return
		}
		serve(w, r, who)
	}
}

// Me is who is logged in.
type Me struct {
	Name   string    `json:"name"`
	Groups []string  `json:"groups,omitempty"`
	Until  time.Time `json:"until"`
}

func (s *Server) whoAmI(w http.ResponseWriter, r *http.Request) {
	s.known(func(w http.ResponseWriter, _ *http.Request, who *person) { reply(w, who.me()) })(w, r)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	s.sessions.leave(r)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) loginByToken(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Token string `json:"token"`
	}
	if !readJSON(w, r, &ask) {
		return
	}
	if ask.Token == "" {
		refuse(w, http.StatusBadRequest, "a token is needed: `ingot token create` makes one")
		return
	}
	s.enter(w, r, credential{token: secret.New(ask.Token)})
}

func (s *Server) loginByLink(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Code string `json:"code"`
	}
	if !readJSON(w, r, &ask) {
		return
	}
	if s.o.Tickets == "" {
		refuse(w, http.StatusForbidden, "this site gives no login links: log in with a token")
		return
	}
	t, err := ticket.Take(s.o.Tickets, ask.Code, s.o.Now())
	switch {
	case errors.Is(err, ticket.ErrNone):
		refuse(w, http.StatusForbidden, err.Error())
		return
	case err != nil:
		s.o.Log.Error("login link not read", "err", err)
		refuse(w, http.StatusServiceUnavailable, "the link cannot be read: the controller role's log says why")
		return
	}
	s.enter(w, r, credential{cert: t.CertPEM, key: secret.New(string(t.KeyPEM))})
}

// enter asks the API server who that is, and begins a session.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, c credential) {
	who, err := s.newPerson(r.Context(), c)
	switch {
	case apierrors.IsUnauthorized(err):
		refuse(w, http.StatusUnauthorized, "the API server knows no such token, or its time is over")
		return
	case err != nil:
		s.o.Log.Error("person not made out", "err", err)
		refuse(w, http.StatusServiceUnavailable, "the API server cannot be asked who you are: try again")
		return
	}
	s.sessions.leave(r)
	http.SetCookie(w, s.sessions.begin(who))
	s.o.Log.Info("web session begins", "who", who.name, "until", who.until)
	reply(w, who.me())
}
