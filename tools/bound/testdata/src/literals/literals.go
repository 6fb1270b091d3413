package literals

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
)

type dial func(context.Context, string, string) (net.Conn, error)

func transports(d dial, t http.RoundTripper) {
	_ = &http.Transport{}                 // want `net/http\.Transport without DialContext`
	_ = &http.Transport{DialContext: nil} // want `net/http\.Transport without DialContext`
	_ = &http.Transport{DialContext: d}
	_ = new(http.Transport)     // want `net/http\.Transport without DialContext`
	_ = http.Client{}           // want `net/http\.Client without Transport`
	_ = http.Client{Timeout: 1} // want `net/http\.Client without Transport`
	_ = http.Client{Transport: t}
	_ = http.Client{t, nil, nil, 0}
	_ = http.Client{nil, nil, nil, 0} // want `net/http\.Client without Transport`
	_ = []http.Client{{}}             // want `net/http\.Client without Transport`
	_ = []*http.Client{{}}            // want `net/http\.Client without Transport`
	_ = &httputil.ReverseProxy{}      // want `ReverseProxy without Transport`
	var zero http.Client              // want `net/http\.Client without Transport`
	_ = zero
	var none *http.Client
	_ = none
}

func later(d dial) *http.Client {
	t := &http.Transport{}
	t.DialContext = d
	c := new(http.Client)
	c.Transport = t
	return c
}

func laterNil() *http.Transport {
	t := &http.Transport{} // want `net/http\.Transport without DialContext`
	t.DialContext = nil
	return t
}

type holder struct {
	client http.Client // want `net/http\.Client without Transport`
	given  *http.Client
}

type client = http.Client

var aliased = client{} // want `net/http\.Client without Transport`

func parameter(c http.Client) {}
