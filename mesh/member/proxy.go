package member

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"time"
)

// Proxy is an HTTP proxy into the mesh, for browsers and other programs of the same host: CONNECT, and plain HTTP. The host in a request is a peer, as Peer takes it; nothing else is reached.
func (m *Member) Proxy() http.Handler {
	dial := func(ctx context.Context, _, address string) (net.Conn, error) { return m.Dial(ctx, address) }
	plain := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.Header.Del("Proxy-Authorization") },
		Transport: &http.Transport{DialContext: dial, IdleConnTimeout: time.Minute},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), answerTo(err))
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodConnect:
			m.connect(w, r)
		case r.URL.Scheme == "http" && r.URL.Host != "":
			if r.URL.Port() == "" {
				r.URL.Host = net.JoinHostPort(r.URL.Hostname(), "80")
			}
			plain.ServeHTTP(w, r)
		default:
			http.Error(w, "this is an HTTP proxy into the mesh: set it as the proxy of your program", http.StatusBadRequest)
		}
	})
}

func answerTo(err error) int {
	if errors.Is(err, ErrNoPeer) {
		return http.StatusForbidden
	}
	return http.StatusBadGateway
}

func (m *Member) connect(w http.ResponseWriter, r *http.Request) {
	to, err := m.Dial(r.Context(), r.Host)
	if err != nil {
		http.Error(w, err.Error(), answerTo(err))
		return
	}
	defer to.Close()
	h, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "CONNECT needs HTTP/1.1", http.StatusHTTPVersionNotSupported)
		return
	}
	c, buffered, err := h.Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	if _, err := c.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		return
	}
	// What the client sent with its request is the beginning of what it says.
	if n := buffered.Reader.Buffered(); n > 0 {
		begun, err := buffered.Peek(n)
		if err != nil {
			return
		}
		if _, err := to.Write(begun); err != nil {
			return
		}
	}
	Splice(context.WithoutCancel(r.Context()), c, to)
}
