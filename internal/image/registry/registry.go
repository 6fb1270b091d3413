// Package registry finds an image in an OCI registry and reads it with the host's credentials.
//
// It owns the talk of the OCI distribution specification that a pull needs: manifests, Bearer tokens, Basic. It refuses to push, to list and to keep anything on a disk.
// It is of our own since the agent travels on every boot: the two libraries of the field bring docker's configuration files, credential programs and pushing along, and dial by
// themselves; of what they do a pull of one layer needs the hundred lines below. What registries say is parsed by package artifact.
//
// Every request goes through fetch.Client: https only, its rules for addresses and redirects, its bounds and retries. Credentials go to the registry itself (Basic) or to
// the token server that it names over https; tokens to the registry itself; neither to the host of a redirect, where the blob often is.
//
// Invariants: a manifest asked for by digest has that digest, and the layer's digest in it is what the image writer verifies; so with a digest in the reference every byte is
// pinned, and with a tag it is what the registry says over TLS. No credential is in an error.
package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/ingotmetal/ingot/artifact"
	"github.com/ingotmetal/ingot/internal/image/checksum"
	"github.com/ingotmetal/ingot/internal/image/fetch"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// Credentials are a user name and a password or access token. The zero value is anonymous.
type Credentials struct {
	Username string
	Password secret.String
}

func (c Credentials) anonymous() bool { return c.Username == "" }

// Options are how to reach a registry.
type Options struct {
	// Transport makes the connections. Required.
	Transport   http.RoundTripper
	Credentials Credentials
	Retry       fetch.Retry
	Want        artifact.Want
}

// Image is a found image.
type Image struct {
	// URL is the blob's; it is fetched with Transport.
	URL string
	// Digest is "sha256:<hex>" or "sha512:<hex>" of the blob.
	Digest    string
	SizeBytes int64
	MediaType string
	// Manifest is the digest of the manifest that named the blob.
	Manifest string
	// Transport adds what the registry wants to see to requests for the blob.
	Transport http.RoundTripper
}

// maxHops is manifest behind index behind index.
const maxHops = 3

// maxTokenBytes bounds a token server's answer.
const maxTokenBytes = 256 << 10

// Find resolves a reference. Every error is a *step.Failure, except when the context was cancelled.
func Find(ctx context.Context, r artifact.Reference, o Options) (Image, error) {
	base := (&url.URL{Scheme: "https", Host: r.Endpoint(), Path: "/v2/" + r.Repository}).String()
	door := &doorkeeper{ctx: ctx, o: o, host: r.Endpoint(), scope: "repository:" + r.Repository + ":pull"}
	client := fetch.Client{Transport: door, Retry: o.Retry}
	version := r.Version()
	for range maxHops {
		body, err := client.Small(ctx, base+"/manifests/"+version, artifact.MaxManifestBytes)
		if err != nil {
			return Image{}, explain(err, r, o.Credentials)
		}
		digest, err := proven(body, version)
		if err != nil {
			return Image{}, &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the manifest of %s is another one than was asked for: %v", r, err), Fix: "see who answers for the registry"}
		}
		choice, err := artifact.Choose(body, o.Want)
		if err != nil {
			return Image{}, &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the image %s cannot be used: %v", r, err),
				Fix: "push the image as an artifact of one layer, for example: oras push registry.example/images/os:1 os.qcow2"}
		}
		if l := choice.Layer; l != nil {
			return Image{URL: base + "/blobs/" + l.Digest, Digest: l.Digest, SizeBytes: l.Size, MediaType: l.MediaType, Manifest: digest, Transport: door}, nil
		}
		version = choice.Manifest.Digest
	}
	return Image{}, &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the image %s is an index of indexes, more than %d deep", r, maxHops), Fix: "name the manifest by its digest"}
}

// proven is the digest of a manifest, which must be the version where that is one.
func proven(body []byte, version string) (string, error) {
	kind := checksum.SHA256
	if strings.HasPrefix(version, string(checksum.SHA512)+":") {
		kind = checksum.SHA512
	}
	d := checksum.Digest{Algorithm: kind}
	h := d.New()
	h.Write(body)
	got := d.Of(h).String()
	if strings.Contains(version, ":") && got != version {
		return "", fmt.Errorf("its digest is %s, and %s was asked for", got, version)
	}
	return got, nil
}

// explain says of a refused pull what to do about it.
func explain(err error, r artifact.Reference, c Credentials) error {
	var f *step.Failure
	if !errors.As(err, &f) {
		return err
	}
	out := *f
	out.Message = fmt.Sprintf("find the image %s: %s", r, f.Message)
	switch {
	case f.Kind == step.Denied && c.anonymous():
		out.Fix = "name a pull secret for the registry in spec.image.ociAuthSecretName, or make the image public"
	case f.Kind == step.Denied:
		out.Fix = "correct the pull secret of spec.image.ociAuthSecretName, or give its user the right to pull"
	case f.Kind == step.Invalid && out.Fix == "":
		out.Fix = "correct spec.image.url"
	}
	return &out
}

// doorkeeper gives each request for the registry what it wants to see. Safe for several goroutines.
type doorkeeper struct {
	ctx   context.Context
	o     Options
	host  string
	scope string

	mu     sync.Mutex
	header string
}

// accept names the kinds of manifest that are understood; registries give old ones to who names none.
var accept = strings.Join([]string{artifact.TypeIndex, artifact.TypeManifest, artifact.TypeDockerList, artifact.TypeDockerManifest, "*/*;q=0.1"}, ", ")

// RoundTrip implements http.RoundTripper. A request for another host, after a redirect, goes out as it is, without anything that is the registry's.
func (d *doorkeeper) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" || !strings.EqualFold(r.URL.Host, d.host) {
		r = r.Clone(r.Context())
		r.Header.Del("Authorization")
		return d.o.Transport.RoundTrip(r)
	}
	shown := d.pass()
	answer, err := d.try(r, shown)
	if err != nil || answer.StatusCode != http.StatusUnauthorized {
		return answer, err
	}
	pass, err := d.renew(answer.Header, shown)
	if err != nil || pass == "" {
		return answer, err
	}
	if err := answer.Body.Close(); err != nil {
		return nil, err
	}
	return d.try(r, pass)
}

func (d *doorkeeper) try(r *http.Request, pass string) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del("Authorization")
	if pass != "" {
		r.Header.Set("Authorization", pass)
	}
	r.Header.Set("Accept", accept)
	return d.o.Transport.RoundTrip(r)
}

func (d *doorkeeper) pass() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.header
}

// renew answers a refusal: "" where nothing better than what was shown is to be had. A token that ran out is asked for again.
func (d *doorkeeper) renew(h http.Header, shown string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.header != shown {
		return d.header, nil
	}
	basic := ""
	if c := d.o.Credentials; !c.anonymous() {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(c.Username, c.Password.Reveal())
		basic = r.Header.Get("Authorization")
	}
	for _, line := range h.Values("WWW-Authenticate") {
		for _, c := range artifact.ParseChallenges(line) {
			switch {
			case c.Scheme == "bearer" && c.Realm != "":
				token, err := d.token(c, basic)
				if err != nil {
					return "", err
				}
				d.header = "Bearer " + token
				return d.header, nil
			case c.Scheme == "basic" && basic != "" && shown != basic:
				d.header = basic
				return d.header, nil
			}
		}
	}
	return "", nil
}

// token asks the token server that the registry named, over https alone, for the right to pull and no other, whatever scope the registry spoke of.
func (d *doorkeeper) token(c artifact.Challenge, basic string) (string, error) {
	u, err := url.Parse(c.Realm)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the registry %s names no token server that is reached over https", d.host), Fix: "set the registry's realm to an https:// URL"}
	}
	if err := d.near(u); err != nil {
		return "", err
	}
	q := u.Query()
	q.Set("scope", d.scope)
	if c.Service != "" {
		q.Set("service", c.Service)
	}
	u.RawQuery = q.Encode()
	client := fetch.Client{Transport: shower{transport: d.o.Transport, host: u.Host, header: basic}, Retry: d.o.Retry}
	body, err := client.Small(d.ctx, u.String(), maxTokenBytes)
	if err != nil {
		return "", err
	}
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		// The body may be a secret: nothing of it is said.
		return "", &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the token server %s answered something else than JSON", u.Host)}
	}
	if answer.Token == "" {
		answer.Token = answer.AccessToken
	}
	if answer.Token == "" || strings.ContainsAny(answer.Token, "\r\n") {
		return "", &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the token server %s gave no token", u.Host)}
	}
	return answer.Token, nil
}

// near refuses a token server that is the machine itself, unless the registry is there too.
func (d *doorkeeper) near(u *url.URL) error {
	own, err := fetch.PolicyOf("https://" + d.host)
	if err != nil {
		return err
	}
	realm, err := fetch.PolicyOf(u.String())
	if err != nil {
		return err
	}
	if realm.LoopbackAllowed && !own.LoopbackAllowed {
		return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the registry %s names the machine itself as its token server", d.host)}
	}
	return nil
}

// shower shows a header to one host over https and to no other.
type shower struct {
	transport    http.RoundTripper
	host, header string
}

// RoundTrip implements http.RoundTripper.
func (s shower) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del("Authorization")
	if s.header != "" && r.URL.Scheme == "https" && strings.EqualFold(r.URL.Host, s.host) {
		r.Header.Set("Authorization", s.header)
	}
	return s.transport.RoundTrip(r)
}
