// Command issuer is a real OpenID provider for tests: github.com/zitadel/oidc's certified implementation with its example's pages and store, over TLS on loopback. It is a Go
// module of its own, so that the product does not pay for it.
//
// It writes its certificate to the file that is its one argument and prints "ready URL". Then it does what lines on its standard input say, and answers each with one line:
//
//	groups NAME a,b      what a person is in from now on
//	lifetime 5m          how long ID tokens are good from now on
//	forget NAME          no refresh token of the person is good any more
//	redirect URL         one more address that logins may lead back to
//	mint {"claims":...}  a token signed with its key, of any claims
//
// People are alice, bob and carol, with the password "good".
package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/crypto"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const clientID = "ingot"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "issuer:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("one argument is needed: the file that the certificate is written to")
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	certificate, err := selfSigned(os.Args[1])
	if err != nil {
		return err
	}
	url := "https://" + plain.Addr().String()
	p := newProvider()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	server := http.Server{Handler: exampleop.SetupServer(url, p, log, true), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_ = server.Serve(tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}))
	}()
	fmt.Println("ready", url)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(p.do(lines.Text()))
	}
	return lines.Err()
}

// provider is the example's store, with groups, lifetimes and a client for programs.
type provider struct {
	*storage.Storage

	mu       sync.Mutex
	groups   map[string][]string
	lifetime time.Duration
	refused  map[string]bool
	redirect []string
}

type people map[string]*storage.User

func (p people) GetUserByID(id string) *storage.User         { return p[id] }
func (p people) GetUserByUsername(name string) *storage.User { return p[name] }
func (people) ExampleClientID() string                       { return clientID }

func newProvider() *provider {
	all := people{}
	for _, name := range []string{"alice", "bob", "carol"} {
		all[name] = &storage.User{ID: name, Username: name, Password: "good", Email: name + "@example.org", EmailVerified: name != "carol"}
	}
	native := storage.NativeClient(clientID, "http://127.0.0.1/callback")
	return &provider{
		Storage: storage.NewStorageWithClients(all, map[string]*storage.Client{clientID: native}),
		groups:  map[string][]string{}, lifetime: time.Hour, refused: map[string]bool{},
	}
}

func (p *provider) do(line string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "groups":
		name, list, _ := strings.Cut(rest, " ")
		p.groups[name] = strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
	case "lifetime":
		d, err := time.ParseDuration(rest)
		if err != nil {
			return "error: " + err.Error()
		}
		p.lifetime = d
	case "forget":
		p.refused[rest] = true
	case "redirect":
		p.redirect = append(p.redirect, rest)
	case "mint":
		var claims map[string]any
		if err := json.Unmarshal([]byte(rest), &claims); err != nil {
			return "error: " + err.Error()
		}
		key, err := p.SigningKey(context.Background())
		if err != nil {
			return "error: " + err.Error()
		}
		signer, err := op.SignerFromKey(key)
		if err != nil {
			return "error: " + err.Error()
		}
		token, err := crypto.Sign(claims, signer)
		if err != nil {
			return "error: " + err.Error()
		}
		return token
	default:
		return "error: unknown word " + word
	}
	return "ok"
}

// GetClientByClientID gives the example's client what programs need.
func (p *provider) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := p.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return client{c, p.lifetime, append([]string{"http://127.0.0.1/callback"}, p.redirect...)}, nil
}

// SetUserinfoFromRequest adds the groups to ID tokens.
func (p *provider) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	if err := p.Storage.SetUserinfoFromRequest(ctx, info, request, scopes); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if groups := p.groups[request.GetSubject()]; groups != nil {
		info.AppendClaims("groups", groups)
	}
	return nil
}

// TokenRequestByRefreshToken refuses whom it was told to forget.
func (p *provider) TokenRequestByRefreshToken(ctx context.Context, token string) (op.RefreshTokenRequest, error) {
	r, err := p.Storage.TokenRequestByRefreshToken(ctx, token)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused[r.GetSubject()] {
		return nil, op.ErrInvalidRefreshToken
	}
	return r, nil
}

type client struct {
	op.Client
	lifetime time.Duration
	redirect []string
}

func (client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeDeviceCode}
}
func (c client) IDTokenLifetime() time.Duration     { return c.lifetime }
func (client) IDTokenUserinfoClaimsAssertion() bool { return true }
func (client) IsScopeAllowed(scope string) bool     { return scope == "groups" }
func (c client) RedirectURIs() []string             { return c.redirect }

func selfSigned(file string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, os.WriteFile(file, text, 0o600)
}
