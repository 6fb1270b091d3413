package agentapi_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
)

// reply is an answer whose body is read as it is wanted, and closed at the test's end.
type reply struct {
	status int
	header http.Header
	body   io.Reader
}

// get asks for a path and gives the answer, status 0 where the connection was refused.
func (c *caller) get(path string) reply {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.site.Endpoint()+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := c.client().Do(req)
	if err != nil {
		return reply{}
	}
	c.t.Cleanup(func() { _ = resp.Body.Close() })
	return reply{resp.StatusCode, resp.Header, resp.Body}
}

// TestTrafficIsForAgentsAndBounded: bytes to measure by go to the boot's own agent, as many as were asked for and no more than the bound, to two at a time.
func TestTrafficIsForAgentsAndBounded(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	site.Open("a", "t")
	site.Open("b", "t")
	a, nobody := newCaller(t, site), newCaller(t, site)
	if s := a.enroll("a", "t"); s != http.StatusOK {
		t.Fatal(s)
	}
	const path = protocol.PathTraffic
	for name, c := range map[string]struct {
		who  *caller
		path string
		want int
	}{
		"own boot":       {a, path + "a?bytes=1000000", http.StatusOK},
		"other boot":     {a, path + "b?bytes=10", http.StatusForbidden},
		"no boot":        {a, path + "?bytes=10", http.StatusNotFound},
		"no certificate": {nobody, path + "a?bytes=10", http.StatusForbidden},
		"no number":      {a, path + "a", http.StatusBadRequest},
		"nothing":        {a, path + "a?bytes=0", http.StatusBadRequest},
		"too much":       {a, path + "a?bytes=67108865", http.StatusBadRequest},
	} {
		resp := c.who.get(c.path)
		if resp.status != c.want {
			t.Errorf("%s: %+v", name, resp)
			continue
		}
		if n, err := io.Copy(io.Discard, resp.body); c.want == http.StatusOK && (n != 1_000_000 || err != nil) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
	// Answers that nobody reads are under way until their connections end.
	const most = path + "a?bytes=67108864"
	first, second := a.get(most), a.get(most)
	if first.status != http.StatusOK || second.status != http.StatusOK {
		t.Fatalf("two at a time: %+v, %+v", first, second)
	}
	if third := a.get(most); third.status != http.StatusServiceUnavailable || third.header.Get("Retry-After") == "" {
		t.Errorf("a third one: %+v", third)
	}
}
