package bmcsim

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"github.com/ingotmetal/ingot/internal/secret"
)

// login is a session.
type login struct {
	id    string
	token string
	used  time.Time
}

// Sessions are few, as on real BMCs, and end when unused.
const (
	maxSessions    = 16
	sessionTimeout = 30 * time.Minute
)

// authenticate lets a request in by its session or by basic authentication; else it is the refusal.
func (b *BMC) authenticate(c *call) *reply {
	refused := refuse(http.StatusUnauthorized, "NoValidSession", "There is no valid session established with the implementation.")
	refused.header = map[string]string{"WWW-Authenticate": `Basic realm="Redfish"`}
	if token := c.header.Get("X-Auth-Token"); token != "" {
		if b.who.NoSessions || b.sessionOf(token) == nil {
			return &refused
		}
		return nil
	}
	user, password, given := (&http.Request{Header: c.header}).BasicAuth()
	if !given || !b.credentials(user, password) {
		return &refused
	}
	return nil
}

func (b *BMC) credentials(user, password string) bool {
	userOK := secret.New(user).Equal(secret.New(b.config.Username))
	return secret.New(password).Equal(b.config.Password) && userOK
}

func (b *BMC) sessionOf(token string) *login {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[token]
	if s == nil || time.Since(s.used) > sessionTimeout {
		delete(b.sessions, token)
		return nil
	}
	s.used = time.Now()
	return s
}

// createSession is the one request that carries a password in its body.
func createSession(c *call) reply {
	var ask struct{ UserName, Password string }
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	if !c.b.credentials(ask.UserName, ask.Password) {
		return refuse(http.StatusUnauthorized, "ResourceAtUriUnauthorized", "While accessing the resource at /redfish/v1/SessionService/Sessions, the service received an authorization error.")
	}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	for token, s := range c.b.sessions {
		if time.Since(s.used) > sessionTimeout {
			delete(c.b.sessions, token)
		}
	}
	if len(c.b.sessions) >= maxSessions {
		return refuse(http.StatusServiceUnavailable, "SessionLimitExceeded", "The session establishment failed due to the number of simultaneous sessions exceeding the limit of the implementation.")
	}
	c.b.nextID++
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // never fails (crypto/rand, since Go 1.24)
	s := &login{id: strconv.Itoa(c.b.nextID), token: base64.RawURLEncoding.EncodeToString(raw), used: time.Now()}
	c.b.sessions[s.token] = s
	return reply{
		status: http.StatusCreated, body: c.b.sessionDoc(s),
		header: map[string]string{"X-Auth-Token": s.token, "Location": sessionsPath + "/" + s.id},
	}
}

const sessionsPath = "/redfish/v1/SessionService/Sessions"

func (b *BMC) sessionDoc(s *login) doc {
	return resource(sessionsPath+"/"+s.id, "#Session.v1_7_0.Session", s.id, "User Session", doc{"UserName": b.config.Username})
}

func (b *BMC) sessionService(*call) reply {
	return ok(resource("/redfish/v1/SessionService", "#SessionService.v1_1_9.SessionService", "SessionService", "Session Service", doc{
		"ServiceEnabled": true, "SessionTimeout": int(sessionTimeout.Seconds()), "Sessions": ref(sessionsPath), "Status": healthy(),
	}))
}

func (b *BMC) listSessions(*call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for _, s := range b.sessions {
		ids = append(ids, s.id)
	}
	return ok(collection(sessionsPath, "SessionCollection", "Session Collection", ids))
}

func (b *BMC) byID(id string) *login {
	for _, s := range b.sessions {
		if s.id == id {
			return s
		}
	}
	return nil
}

func (b *BMC) readSession(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byID(c.part)
	if s == nil {
		return notFound(c)
	}
	return ok(b.sessionDoc(s))
}

func (b *BMC) deleteSession(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byID(c.part)
	if s == nil {
		return notFound(c)
	}
	delete(b.sessions, s.token)
	return noContent()
}

// SessionCount is how many logins there are now, for tests of who logs out.
func (b *BMC) SessionCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sessions)
}
