package web

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/internal/web/relay"
)

func addReviews(s *runtime.Scheme) error {
	for _, add := range []func(*runtime.Scheme) error{authenticationv1.AddToScheme, authorizationv1.AddToScheme} {
		if err := add(s); err != nil {
			return fmt.Errorf("register the API kinds: %w", err)
		}
	}
	return nil
}

// credential is a token, or a certificate with its key.
type credential struct {
	token secret.String
	cert  []byte
	key   secret.String
}

// config is the API server's, as this person. Nothing of who the role is goes along.
func (c credential) config(api *rest.Config) *rest.Config {
	own := rest.AnonymousClientConfig(api)
	own.UserAgent = "ingot-web"
	own.QPS, own.Burst = -1, -1
	if !c.token.IsZero() {
		own.BearerToken = c.token.Reveal()
		return own
	}
	own.CertData, own.KeyData = c.cert, []byte(c.key.Reveal())
	return own
}

// end is when the credential says that it ends. It is not checked here that it says the truth: the API server does, with each request.
func (c credential) end() (time.Time, error) {
	if c.token.IsZero() {
		block, _ := pem.Decode(c.cert)
		if block == nil {
			return time.Time{}, errors.New("no certificate in PEM")
		}
		x, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, fmt.Errorf("read the certificate: %w", err)
		}
		return x.NotAfter, nil
	}
	var claims struct {
		Expiry float64 `json:"exp"`
	}
	if parts := strings.Split(c.token.Reveal(), "."); len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && json.Unmarshal(text, &claims) == nil && claims.Expiry > 0 {
			return time.Unix(int64(claims.Expiry), 0), nil
		}
	}
	return time.Time{}, nil
}

// person is somebody who is logged in, with what is held open for them.
type person struct {
	server *Server
	name   string
	groups []string
	until  time.Time
	config *rest.Config
	http   *http.Client
	live   client.WithWatch

	ctx    context.Context
	cancel context.CancelFunc

	mu    sync.Mutex
	views map[string]*view
}

// newPerson asks the API server who shows this.
func (s *Server) newPerson(ctx context.Context, c credential) (*person, error) {
	end, err := c.end()
	if err != nil {
		return nil, err
	}
	now := s.o.Now()
	p := &person{server: s, config: c.config(s.o.API), until: now.Add(longestSession), views: map[string]*view{}}
	if !end.IsZero() && end.Before(p.until) {
		p.until = end
	}
	if p.http, err = rest.HTTPClientFor(p.config); err != nil {
		return nil, fmt.Errorf("client of the API server: %w", err)
	}
	if p.live, err = client.NewWithWatch(p.config, client.Options{HTTPClient: p.http, Scheme: s.scheme, Mapper: s.o.Mapper}); err != nil {
		return nil, fmt.Errorf("client of the API server: %w", err)
	}
	review := &authenticationv1.SelfSubjectReview{}
	if err := p.live.Create(ctx, review); err != nil {
		return nil, fmt.Errorf("ask the API server who that is: %w", err)
	}
	p.name, p.groups = review.Status.UserInfo.Username, review.Status.UserInfo.Groups
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// console carries a machine's serial console.
func (s *Server) console(w http.ResponseWriter, r *http.Request, who *person) {
	s.consoles.Serve(w, r, relay.Person{Name: who.name, Config: who.config, API: who.live, Ended: who.ctx, Until: who.until})
}

func (p *person) me() Me { return Me{p.name, p.groups, p.until} }

// ended: logged out, or no longer taken by the API server.
func (p *person) ended() bool { return p.ctx.Err() != nil }

// close ends all that is open for the person.
func (p *person) close() {
	p.cancel()
	p.http.CloseIdleConnections()
}

// may asks the API server whether the person has a right to a resource, or to a part of it ("machines/console"); namespace "" is all of them.
func (p *person) may(ctx context.Context, verb, group, resource, namespace string) (bool, error) {
	resource, part, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: resource, Subresource: part, Namespace: namespace},
	}}
	if err := p.live.Create(ctx, review); err != nil {
		return false, fmt.Errorf("ask the API server for the rights of %s: %w", p.name, err)
	}
	return review.Status.Allowed, nil
}
