package agentapi_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
)

// fuzzServer is a server whose requests come as if over TLS with the certificate of boot "a".
func fuzzServer(f *testing.F) (*agentapi.Server, *tls.ConnectionState) {
	f.Helper()
	site := agentapitest.New(f, "127.0.0.1")
	site.Start()
	site.Open("a", "t")
	c := newCaller(f, site)
	if s := c.enroll("a", "t"); s != http.StatusOK {
		f.Fatal(s)
	}
	o := site.Options
	o.Logger = slog.New(slog.DiscardHandler)
	return agentapi.New(o), &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{c.shown.Leaf}}}
}

func ask(api http.Handler, path, kind string, body []byte, state *tls.ConnectionState) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	r.TLS = state
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	return w
}

func FuzzEnroll(f *testing.F) {
	api, _ := fuzzServer(f)
	f.Add([]byte(`{"bootID":"a","token":"t","csr":"MIH=","macAddresses":["52:54:00:00:00:01"],"agentVersion":"1"}`))
	f.Add([]byte(`{"bootID":"","token":"","csr":""}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		// No fuzzer makes a signed request of a new key for a token that was traded: nothing may get in.
		if w := ask(api, protocol.PathEnroll, "application/json", body, &tls.ConnectionState{}); w.Code/100 == 2 || w.Body.Len() > 1024 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func FuzzExchange(f *testing.F) {
	api, state := fuzzServer(f)
	f.Add([]byte(`{"bootID":"a","phase":"idle"}`))
	f.Add([]byte(`{"bootID":"a","phase":"finished","stepID":"s","sequence":1,"outcome":{"inventory":{"cpu":{"count":2},"disks":[{"name":"/dev/sda","sizeBytes":1}]}}}`))
	f.Add([]byte(`{"bootID":"b","phase":"running","stepID":"s","progress":{"doneBytes":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var req protocol.ExchangeRequest
		if json.Unmarshal(body, &req) == nil && req.Wait > 0 {
			return
		}
		w := ask(api, protocol.PathExchange, "application/json", body, state)
		if w.Code == http.StatusOK && req.BootID != "a" {
			t.Errorf("boot %q was heard over the connection of boot a", req.BootID)
		}
		if w.Code >= http.StatusInternalServerError || w.Body.Len() > 4096 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func FuzzFirstBoot(f *testing.F) {
	api, _ := fuzzServer(f)
	f.Add("ns", "a", "t", []byte("pub_key_rsa=x&instance_id=i&hostname=h&fqdn=f"))
	f.Add("ns", "a", "wrong", []byte("%zz"))
	f.Add("", "..", "%2f", []byte(nil))
	f.Fuzz(func(t *testing.T, namespace, name, token string, body []byte) {
		path := protocol.PathFirstBoot + url.PathEscape(namespace) + "/" + url.PathEscape(name) + "/" + url.PathEscape(token)
		w := ask(api, path, "application/x-www-form-urlencoded", body, &tls.ConnectionState{})
		if w.Code == http.StatusOK && (name != "a" || token != "t") {
			t.Errorf("host %q, token %q got in", name, token)
		}
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
