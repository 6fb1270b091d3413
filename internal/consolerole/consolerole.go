// Package consolerole is the way to a partition's console role as a person: for the command line with its kubeconfig, and for the web page with the session of who looks.
//
// It owns which partition is asked, whose certificate or token is shown, and to whom. It refuses to decide who sees what: the console role does, by the name that is shown to it.
//
// Invariant: a token is sent to nobody but a server that the partition's own CA vouches for.
package consolerole

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/websocket"
	"k8s.io/client-go/rest"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/server/console/wire"
)

// Role is a partition's console role, and how it is reached.
type Role struct {
	Partition *ingot.Partition
	Transport *http.Transport
	Header    http.Header
}

// Choose is the partition of a name, or without one the only one that has a console role.
func Choose(all []ingot.Partition, name string) (*ingot.Partition, error) {
	var found []*ingot.Partition
	for i := range all {
		if all[i].Status.ConsoleEndpoint != "" && (name == "" || all[i].Name == name) {
			found = append(found, &all[i])
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, fmt.Errorf("%d partitions have consoles: say which one with --partition", len(found))
	case name != "":
		return nil, fmt.Errorf("partition %s has published no endpoint for consoles: does its console role run, and does its partition role have --console-endpoint?", name)
	}
	return nil, errors.New("no partition has published an endpoint for consoles: does the console role run, and does the partition role have --console-endpoint?")
}

// As gathers the config's certificate and token, and trusts what the partition published.
func As(ctx context.Context, config *rest.Config, p *ingot.Partition, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*Role, error) {
	ours, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("read the client certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(p.Status.CABundle) {
		return nil, fmt.Errorf("partition %s publishes no CA certificate to verify it by", p.Name)
	}
	secure := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}
	if ours != nil {
		secure.Certificates, secure.GetClientCertificate = ours.Certificates, ours.GetClientCertificate
	}
	header, err := Credentials(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Role{p, &http.Transport{TLSClientConfig: secure, DialContext: dial}, header}, nil
}

// Credentials are the header that the config's credentials make, a plugin's token included. Nothing is sent for that.
func Credentials(ctx context.Context, config *rest.Config) (http.Header, error) {
	seen := &capture{}
	through, err := rest.HTTPWrappersForConfig(config, seen)
	if err != nil {
		return nil, fmt.Errorf("read the credentials: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://console.invalid/", nil)
	if err != nil {
		return nil, fmt.Errorf("read the credentials: %w", err)
	}
	response, err := through.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("read the credentials: %w", err)
	}
	_ = response.Body.Close()
	header := http.Header{}
	if token := seen.header.Get("Authorization"); token != "" {
		header.Set("Authorization", token)
	}
	return header, nil
}

// capture is a transport that sends nothing, and keeps the header that would have been.
type capture struct{ header http.Header }

// RoundTrip implements http.RoundTripper.
func (c *capture) RoundTrip(r *http.Request) (*http.Response, error) {
	c.header = r.Header
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// URL is one of the role's, by https or wss.
func (r *Role) URL(scheme string, query url.Values, parts ...string) (string, error) {
	target, err := url.JoinPath(r.Partition.Status.ConsoleEndpoint, parts...)
	if err != nil || !strings.HasPrefix(target, "https://") {
		return "", fmt.Errorf("partition %s publishes the console endpoint %q, which is no https URL", r.Partition.Name, r.Partition.Status.ConsoleEndpoint)
	}
	target = scheme + strings.TrimPrefix(target, "https")
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return target, nil
}

// Open opens a console: mode is type, look or take-over. Where the role refuses, its answer comes with the error, and the caller closes it.
func (r *Role) Open(ctx context.Context, target console.Target, mode string) (*websocket.Conn, *http.Response, error) {
	where, err := r.URL("wss", url.Values{"mode": {mode}}, "v1", "consoles", string(target.Kind), target.Namespace, target.Name)
	if err != nil {
		return nil, nil, err
	}
	dialer := websocket.Dialer{NetDialContext: r.Transport.DialContext, TLSClientConfig: r.Transport.TLSClientConfig, HandshakeTimeout: wire.Silence}
	return dialer.DialContext(ctx, where, r.Header.Clone())
}
