package redfish

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/pin"
	"github.com/ingotmetal/ingot/step"
)

// client speaks HTTP with one BMC under one login.
type client struct {
	opts     Options
	addr     bmc.Address
	base     string
	http     *http.Client
	budget   *budget
	settle   func(ctx context.Context, d time.Duration) error
	username string
	password secret.String
	// sshHostKey is the known key of the BMC's SSH server, trustsAny the host's word that none is verified.
	sshHostKey string
	trustsAny  bool

	mu      sync.Mutex
	session session
	// sessions is where logins are made; empty: basic authentication.
	sessions link
	closed   bool
	// login is held while a session is being made, so that concurrent calls that found theirs gone share the next one.
	login sync.Mutex
}

// session is a login. The zero value is none.
type session struct {
	token secret.String
	path  link
}

func newClient(d *Driver, addr bmc.Address, t bmc.Target) (*client, error) {
	c := &client{
		opts: d.opts, addr: addr, base: addr.BaseURL(), budget: d.budgets.of(addr.HostPort(), d.opts), settle: d.settle, username: t.Username, password: t.Password,
		sshHostKey: t.SSHHostKey, trustsAny: t.DisableCertificateVerification,
	}
	c.http = &http.Client{Transport: d.opts.Transport, CheckRedirect: c.checkRedirect}
	if c.http.Transport != nil {
		return c, nil
	}
	conf, err := tlsConfig(addr, t)
	if err != nil {
		return nil, err
	}
	c.http.Transport = &http.Transport{
		DialContext:         d.opts.Dial,
		TLSClientConfig:     conf,
		TLSHandshakeTimeout: d.opts.CallTimeout,
		// HTTP/2 stays off: many BMCs' servers announce it and break under it.
		Protocols:              http1(),
		MaxIdleConnsPerHost:    d.opts.Concurrency,
		MaxConnsPerHost:        d.opts.Concurrency,
		IdleConnTimeout:        d.opts.IdleTimeout,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return c, nil
}

// tlsConfig says by what a BMC is known: by its pinned certificate, else by a CA.
func tlsConfig(addr bmc.Address, t bmc.Target) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.DisableCertificateVerification}
	if len(t.CAPEM) > 0 {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(t.CAPEM) {
			return nil, faultf(step.Invalid, "the CA given for BMC certificates holds no certificate in PEM form").withFix("correct the partition's CA bundle for BMCs")
		}
	}
	pins, err := pin.Parse(t.CertificatePin)
	switch {
	case err != nil:
		return nil, faultf(step.Invalid, "the BMC's pinned certificate: %w", err).withFix("correct the host's annotation " + ingot.BMCCertificateAnnotation)
	case len(pins) == 0:
		return conf, nil
	case addr.Insecure:
		return nil, faultf(step.Invalid, "a certificate is pinned, and plain HTTP shows none").withFix("use an address with https, or remove the host's annotation " + ingot.BMCCertificateAnnotation)
	}
	// What a CA would say is replaced by the comparison, which every handshake goes through, resumed ones too.
	conf.InsecureSkipVerify = true
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 || !pin.Matches(pins, s.PeerCertificates[0].Raw) {
			return untrusted(s.PeerCertificates, t.CertificatePin)
		}
		return nil
	}
	return conf, nil
}

// untrusted is the failure of a BMC that shows another certificate than the pinned one. No user, password or token was sent.
func untrusted(shown []*x509.Certificate, pinned string) *fault {
	if len(shown) == 0 {
		return faultf(step.Untrusted, "the BMC shows no certificate, and %s is pinned", pinned)
	}
	is := pin.Of(shown[0].Raw)
	return faultf(step.Untrusted, "the BMC shows the certificate %s (valid from %s), and %s is pinned", is, shown[0].NotBefore.UTC().Format(time.RFC3339), pinned).
		withFix("if its certificate was changed on purpose: kubectl annotate bmh NAME --overwrite " + ingot.BMCCertificateAnnotation + "=" + is.String() + "; else somebody else answers in the BMC's place")
}

func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// maxRedirects is how many redirects are followed: BMCs redirect between paths with and without a trailing slash.
const maxRedirects = 3

func (c *client) checkRedirect(r *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case r.URL.Scheme+"://"+r.URL.Host != first.URL.Scheme+"://"+first.URL.Host:
		return faultf(step.Internal, "%s %s: redirected to another place, %s://%s, which is not followed", first.Method, first.URL.Path, r.URL.Scheme, clip(r.URL.Host, 80))
	case first.Method != http.MethodGet:
		return faultf(step.Internal, "%s %s: redirected, which is only followed for GET", first.Method, first.URL.Path)
	case len(via) > maxRedirects:
		return faultf(step.Internal, "%s %s: redirected more than %d times", first.Method, first.URL.Path, maxRedirects)
	}
	return c.budget.take(r.Context())
}

// request is one call.
type request struct {
	method string
	path   link
	body   any
	// upload is what is sent in the place of body.
	upload *upload
	// ifMatch is sent as If-Match where not empty.
	ifMatch string
	// anonymous: without any credentials.
	anonymous bool
	// fresh: an answer that was kept from an earlier call is of no use (RFC 9111 §5.2.1.4).
	fresh bool
	// mask are texts that no error may repeat.
	mask []string
}

// answer is a 2xx answer with its whole body.
type answer struct {
	status int
	header http.Header
	body   []byte
	// where is method and path, for messages.
	where string
}

// get reads a resource into a view.
func (c *client) get(ctx context.Context, path link, schema string, into any) (*answer, error) {
	a, err := c.do(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	return a, decode(a.body, a.where, schema, into)
}

// do calls once, and once more after a new login where the BMC has forgotten the session: a request that was refused for its login did nothing.
func (c *client) do(ctx context.Context, r request) (*answer, error) {
	c.mu.Lock()
	now, closed := c.session, c.closed
	c.mu.Unlock()
	if closed {
		return nil, faultf(step.Internal, "%s %s: the session is closed", r.method, r.path)
	}
	a, err := c.once(ctx, r, now)
	if statusOf(err) != http.StatusUnauthorized || r.anonymous || now.token.IsZero() {
		return a, err
	}
	c.opts.Logger.Info("BMC forgot our session", "bmc", c.addr.String())
	if now, err = c.relogin(ctx, now); err != nil {
		return nil, err
	}
	return c.once(ctx, r, now)
}

func (c *client) once(ctx context.Context, r request, s session) (*answer, error) {
	if err := c.budget.enter(ctx); err != nil {
		return nil, err
	}
	defer c.budget.leave()
	if err := c.budget.take(ctx); err != nil {
		return nil, err
	}
	a, err := c.send(ctx, r, s)
	if err != nil {
		c.budget.failures.Add(1)
	}
	return a, err
}

func (c *client) send(ctx context.Context, r request, s session) (*answer, error) {
	callCtx, cancel, body := c.sending(ctx, r)
	defer cancel()
	req, err := c.build(callCtx, r, s)
	if err != nil {
		return nil, err
	}
	if r.upload != nil {
		req.Body, req.ContentLength = io.NopCloser(body), r.upload.length()
		req.Header.Set("Content-Type", r.upload.kind)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unanswered(ctx, callCtx, r, err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, c.opts.MaxBodyBytes+1))
	if err == nil {
		// A server that hears our end of a TLS connection first may end its answer in good order, in the middle of it.
		err = callCtx.Err()
	}
	switch {
	case err != nil:
		return nil, c.unanswered(ctx, callCtx, r, err)
	case int64(len(content)) > c.opts.MaxBodyBytes:
		return nil, faultf(step.Internal, "%s %s: the answer is larger than %d bytes", r.method, r.path, c.opts.MaxBodyBytes)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		mask := append([]string{c.password.Reveal(), s.token.Reveal()}, r.mask...)
		return nil, statusFault(r.method, string(r.path), resp.StatusCode, content, mask)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: content, where: r.method + " " + string(r.path)}, nil
}

// unanswered is why there is no answer: the call's own end where it has a reason, else what the connection said.
func (c *client) unanswered(ctx, call context.Context, r request, err error) error {
	if f, own := errors.AsType[*fault](context.Cause(call)); own && ctx.Err() == nil {
		return f
	}
	return transportFault(ctx, r.method, string(r.path), err)
}

func (c *client) build(ctx context.Context, r request, s session) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return nil, faultf(step.Internal, "%s %s: %w", r.method, r.path, err)
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+string(r.path), body)
	if err != nil {
		return nil, faultf(step.Internal, "%s %s: %w", r.method, r.path, err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("OData-Version", "4.0")
	req.Header.Set("User-Agent", "ingot")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.fresh {
		req.Header.Set("Cache-Control", "no-cache")
	}
	if r.ifMatch != "" {
		req.Header.Set("If-Match", r.ifMatch)
	}
	switch {
	case r.anonymous:
	case !s.token.IsZero():
		req.Header.Set("X-Auth-Token", s.token.Reveal())
	default:
		req.SetBasicAuth(c.username, c.password.Reveal())
	}
	return req, nil
}

// connect makes the first login. Without a place to make sessions, or where none can be made, the credentials go with every request.
func (c *client) connect(ctx context.Context, sessions link) error {
	c.mu.Lock()
	c.sessions = sessions
	c.mu.Unlock()
	if sessions == "" {
		return nil
	}
	_, err := c.relogin(ctx, session{})
	return err
}

// hasSession says whether calls are made under a session, not with basic authentication.
func (c *client) hasSession() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.session.token.IsZero()
}

// relogin replaces the session that a call found gone, unless another call did so meanwhile.
func (c *client) relogin(ctx context.Context, gone session) (session, error) {
	c.login.Lock()
	defer c.login.Unlock()
	c.mu.Lock()
	now, path := c.session, c.sessions
	c.mu.Unlock()
	if !now.token.Equal(gone.token) {
		return now, nil
	}
	now, err := c.makeSession(ctx, path)
	if err != nil {
		return session{}, err
	}
	c.mu.Lock()
	c.session = now
	c.mu.Unlock()
	return now, nil
}

// makeSession logs in (DSP0266 §13.3.4). A refusal of the credentials is final; a BMC that cannot make a session now, because it has none or they are used up,
// gets basic authentication, which is the zero session.
func (c *client) makeSession(ctx context.Context, path link) (session, error) {
	body := map[string]string{"UserName": c.username, "Password": c.password.Reveal()}
	a, err := c.once(ctx, request{method: http.MethodPost, path: path, body: body, anonymous: true}, session{})
	switch status := statusOf(err); {
	case err == nil:
	case status == 0 || bmc.KindOf(wrap("", "", err)) == step.Denied:
		return session{}, err
	case status == http.StatusServiceUnavailable && !said(err, "SessionLimitExceeded", "CreateLimitReachedForResource"):
		return session{}, err
	default:
		c.opts.Logger.Info("BMC makes no session, using basic authentication", "bmc", c.addr.String(), "err", err)
		return session{}, nil
	}
	c.budget.logins.Add(1)
	return session{token: secret.New(a.header.Get("X-Auth-Token")), path: linkOf(a.header.Get("Location"))}, nil
}

// logout ends the session at the BMC, where they are few, and makes further calls fail.
func (c *client) logout(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.CallTimeout)
	defer cancel()
	c.mu.Lock()
	now, closed := c.session, c.closed
	c.closed = true
	c.mu.Unlock()
	defer c.http.CloseIdleConnections()
	if closed || now.token.IsZero() || now.path == "" {
		return nil
	}
	_, err := c.once(ctx, request{method: http.MethodDelete, path: now.path}, now)
	if status := statusOf(err); status == http.StatusUnauthorized || status == http.StatusNotFound {
		return nil
	}
	return err
}

// patch changes a resource. Where the BMC wants to know which version is meant (428), or knows another one (412), the version is read and the change is sent once
// more. eager reads it first.
func (c *client) patch(ctx context.Context, path link, body any, eager bool, mask ...string) (*answer, error) {
	r := request{method: http.MethodPatch, path: path, body: body, mask: mask}
	if eager {
		tag, err := c.etag(ctx, path)
		if err != nil {
			return nil, err
		}
		r.ifMatch = tag
	}
	a, err := c.do(ctx, r)
	if status := statusOf(err); status != http.StatusPreconditionRequired && status != http.StatusPreconditionFailed {
		return a, err
	}
	tag, tagErr := c.etag(ctx, path)
	if tagErr != nil {
		return nil, tagErr
	}
	if tag == r.ifMatch {
		// The same version again is refused by BMCs that send weak tags and compare strong ones.
		tag = strings.TrimPrefix(tag, "W/")
	}
	r.ifMatch = tag
	return c.do(ctx, r)
}

func (c *client) etag(ctx context.Context, path link) (string, error) {
	var view struct {
		Tag text `json:"@odata.etag"`
	}
	a, err := c.do(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return "", err
	}
	if tag := a.header.Get("ETag"); tag != "" {
		return tag, nil
	}
	if err := json.Unmarshal(a.body, &view); err != nil {
		return "", faultf(step.Internal, "%s: expected JSON with an @odata.etag: %w", a.where, err)
	}
	return string(view.Tag), nil
}

// errNoPath is what a BMC that links to nowhere gets.
var errNoPath = errors.New("the BMC gives no link to it")

// mediumMask are the parts of a medium's URL that a BMC's error must not repeat: its path is the boot's one-time secret.
func mediumMask(raw string) []string {
	mask := []string{raw}
	if u, err := url.Parse(raw); err == nil && len(u.Path) > 1 {
		mask = append(mask, u.EscapedPath(), u.Path)
	}
	return mask
}
