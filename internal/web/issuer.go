package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/internal/issuer"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/internal/signin"
)

const (
	// callbackPath is where the issuer sends the browser back to: the front end takes the code out of the address, and sends it on.
	callbackPath = "/login/callback"
	// loginCookie ties a login that is under way to the browser that began it: nobody can be logged in as somebody else by a link.
	loginCookie = "__Host-ingot-login"
	// loginTime is how long a person may take at the issuer; mostLogins bounds the memory of those who began: anybody may begin.
	loginTime  = 10 * time.Minute
	mostLogins = 256
	// issuerTime bounds what the issuer is asked while a browser waits.
	issuerTime = 30 * time.Second
)

// attempt is a login at an issuer that is under way.
type attempt struct {
	client  *signin.Client
	request *signin.Request
	then    string
	until   time.Time
}

// attempts are all of them, by the SHA-256 of their cookie.
type attempts struct {
	mu   sync.Mutex
	open map[[sha256.Size]byte]attempt
}

// begin keeps an attempt, and gives its cookie's value. Where there are too many, the oldest goes.
func (a *attempts) begin(one attempt, now time.Time) string {
	id := rand.Text() + rand.Text()
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, x := range a.open {
		if !now.Before(x.until) {
			delete(a.open, key)
		}
	}
	for len(a.open) >= mostLogins {
		var oldest [sha256.Size]byte
		first := true
		for key, x := range a.open {
			if first || x.until.Before(a.open[oldest].until) {
				oldest, first = key, false
			}
		}
		delete(a.open, oldest)
	}
	a.open[sha256.Sum256([]byte(id))] = one
	return id
}

// take gives the attempt of a cookie that has this state, once. Another state takes nothing: a page that guesses cannot end a login.
func (a *attempts) take(id, state string, now time.Time) (attempt, bool) {
	key := sha256.Sum256([]byte(id))
	a.mu.Lock()
	defer a.mu.Unlock()
	one, ok := a.open[key]
	if !ok || !one.request.Ours(state) {
		return attempt{}, false
	}
	delete(a.open, key)
	return one, now.Before(one.until)
}

// issuers are those of the file, read anew each time: the API server takes changes of it as well.
func (s *Server) issuers() ([]issuer.Known, error) {
	if s.o.Issuers == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.o.Issuers)
	if err != nil {
		return nil, fmt.Errorf("read the site's issuers: %w", err)
	}
	return issuer.Read(text)
}

// listIssuers says where people may log in. It is asked by who is nobody yet, and tells what the browser is sent to anyway.
func (s *Server) listIssuers(w http.ResponseWriter, _ *http.Request) {
	known, err := s.issuers()
	if err != nil {
		s.o.Log.Error("issuers not read", "err", err)
		refuse(w, http.StatusServiceUnavailable, "the site's issuers cannot be read: the controller role's log says why; a token still logs you in")
		return
	}
	names := make([]string, 0, len(known))
	for _, k := range known {
		names = append(names, k.URL)
	}
	reply(w, names)
}

// beginIssuer sends the browser to an issuer.
func (s *Server) beginIssuer(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Issuer string `json:"issuer"`
		// Then is where the person wanted to go: a path of this page.
		Then string `json:"then"`
	}
	if !readJSON(w, r, &ask) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), issuerTime)
	defer cancel()
	one, err := s.begin(ctx, ask.Issuer)
	if err != nil {
		s.o.Log.Warn("login at the issuer not begun", "err", err)
		refuse(w, http.StatusBadGateway, "the login at the issuer cannot begin: "+err.Error())
		return
	}
	one.then = own(ask.Then)
	id := s.attempts.begin(one, s.o.Now())
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Value: id, Path: "/", MaxAge: int(loginTime.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	reply(w, map[string]string{"url": one.request.URL})
}

func (s *Server) begin(ctx context.Context, name string) (attempt, error) {
	known, err := s.issuers()
	if err != nil {
		return attempt{}, err
	}
	for _, k := range known {
		if k.URL != name {
			continue
		}
		client, err := signin.Open(ctx, signin.Issuer{URL: k.URL, ClientID: k.ClientID, CA: k.CA}, s.o.DialIssuer)
		if err != nil {
			return attempt{}, err
		}
		request, err := client.Begin(strings.TrimSuffix(s.o.Endpoint, "/")+callbackPath, client.Online())
		return attempt{client: client, request: request, until: s.o.Now().Add(loginTime)}, err
	}
	return attempt{}, fmt.Errorf("%q is no issuer of this site: load the page anew", name)
}

// own keeps a way back inside this page: anything else leads to the overview.
func own(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\t\r\n") || strings.HasPrefix(u.Path, loginPath) {
		return "/"
	}
	return path
}

// finishIssuer takes what the issuer sent back, which the front end read from its address.
func (s *Server) finishIssuer(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		State       string `json:"state"`
		Code        string `json:"code"`
		Error       string `json:"error"`
		Description string `json:"description"`
	}
	if !readJSON(w, r, &ask) {
		return
	}
	var one attempt
	ok := false
	if c, err := r.Cookie(loginCookie); err == nil {
		one, ok = s.attempts.take(c.Value, ask.State, s.o.Now())
	}
	if !ok {
		refuse(w, http.StatusForbidden, "this is no answer to a login that this browser began, it was used before, or it took longer than ten minutes: log in again")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	if ask.Error != "" || ask.Code == "" {
		refuse(w, http.StatusForbidden, signin.Denied(ask.Error, ask.Description).Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), issuerTime)
	defer cancel()
	tokens, err := one.client.Finish(ctx, one.request, secret.New(ask.Code))
	if err != nil {
		s.o.Log.Warn("login at the issuer not finished", "err", err)
		code := http.StatusBadGateway
		if _, refused := errors.AsType[*signin.Refused](err); refused {
			code = http.StatusForbidden
		}
		refuse(w, code, err.Error()+": log in again")
		return
	}
	w.Header().Set("Ingot-Then", one.then)
	s.enter(w, r, credential{token: tokens.ID})
}
