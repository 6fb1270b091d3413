package agentapi_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
	"github.com/ingotmetal/ingot/step"
)

func TestOnlyTheBootsOwnCertificateIsHeard(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	site.Open("a", "t")
	site.Open("b", "t")
	a, nobody := newCaller(t, site), newCaller(t, site)
	if s := a.enroll("a", "t"); s != http.StatusOK {
		t.Fatal(s)
	}
	logs := func(bootID string) protocol.LogRequest {
		return protocol.LogRequest{BootID: bootID, First: 1, Lines: []protocol.LogLine{{Level: "INFO", Text: "x\x1b[2Jy"}}}
	}
	for name, c := range map[string]struct {
		who  *caller
		boot string
		want int
	}{"own boot": {a, "a", http.StatusOK}, "other boot": {a, "b", http.StatusForbidden}, "no boot": {a, "", http.StatusForbidden}, "no certificate": {nobody, "a", http.StatusForbidden}} {
		if s := c.who.json(protocol.PathExchange, idle(c.boot), nil); s != c.want {
			t.Errorf("exchange, %s: %d", name, s)
		}
		want := c.want
		if want == http.StatusOK {
			want = http.StatusNoContent
		}
		if s := c.who.json(protocol.PathLog, logs(c.boot), nil); s != want {
			t.Errorf("log, %s: %d", name, s)
		}
	}
	if log := site.Log("a"); !strings.Contains(log, "x.[2Jy") {
		t.Errorf("log %q: a control character went through, or the line is missing", log)
	}
	foreign := agentapitest.New(t, "127.0.0.1")
	der, err := foreign.CA().Sign(nobody.key.Public(), pki.ClientProfile("ingot:agent:a", time.Hour), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	nobody.shown = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: nobody.key}
	if s := nobody.json(protocol.PathExchange, idle("a"), nil); s != 0 && s != http.StatusForbidden {
		t.Errorf("a certificate of another CA: %d", s)
	}
	site.Stop()
	site.Offset = 61 * time.Minute
	site.Start()
	if s := a.json(protocol.PathExchange, idle("a"), nil); s != 0 && s != http.StatusForbidden {
		t.Errorf("a certificate that ran out: %d", s)
	}
}

// A connection may outlive its certificate; what comes over it then is refused.
func TestExpiryOnAnOpenConnection(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	var offset atomic.Int64
	site.Options.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	site.Start()
	site.Open("a", "t")
	a := newCaller(t, site)
	if s := a.enroll("a", "t"); s != http.StatusOK {
		t.Fatal(s)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: site.CA().Pool(), Certificates: []tls.Certificate{*a.shown},
	}}}
	defer client.CloseIdleConnections()
	ask := func() int {
		body, err := json.Marshal(idle("a"))
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site.Endpoint()+protocol.PathExchange, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	if s := ask(); s != http.StatusOK {
		t.Errorf("before: %d", s)
	}
	offset.Store(int64(61 * time.Minute))
	if s := ask(); s != http.StatusForbidden {
		t.Errorf("after: %d", s)
	}
}

func TestRenewalIsForTheKeyOfTheConnection(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	site.Open("a", "t")
	a, other := newCaller(t, site), newCaller(t, site)
	if s := a.enroll("a", "t"); s != http.StatusOK {
		t.Fatal(s)
	}
	req := idle("a")
	req.CSR = other.csr()
	if s := a.json(protocol.PathExchange, req, nil); s != http.StatusBadRequest {
		t.Errorf("another key: %d", s)
	}
	req.CSR = a.csr()
	var answer protocol.ExchangeResponse
	if s := a.json(protocol.PathExchange, req, &answer); s != http.StatusOK || answer.Certificate == nil {
		t.Errorf("the own key: %d, certificate %v", s, answer.Certificate)
	}
}

func TestExchangeWaitsAndWakes(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	site.Open("a", "t")
	a := newCaller(t, site)
	if s := a.enroll("a", "t"); s != http.StatusOK {
		t.Fatal(s)
	}
	got := make(chan protocol.ExchangeResponse, 1)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	waiting.Go(func() {
		var answer protocol.ExchangeResponse
		req := idle("a")
		req.Wait = time.Hour
		a.json(protocol.PathExchange, req, &answer)
		got <- answer
	})
	site.Await("a", "the held exchange", time.Minute, func(protocol.ExchangeRequest) bool { return true })
	drive := []byte("drive")
	site.Want("a", &protocol.Step{ID: "s1", Kind: step.WriteImage, WriteImage: &protocol.WriteImage{ConfigDrive: drive}})
	if answer := <-got; answer.Step == nil || answer.Step.ID != "s1" || !bytes.Equal(answer.Step.WriteImage.ConfigDrive, drive) || answer.ReportEvery <= 0 {
		t.Errorf("answer %+v", answer)
	}
	// The same step again comes without its parameters.
	var again protocol.ExchangeResponse
	req := protocol.ExchangeRequest{BootID: "a", StepID: "s1", Phase: step.Running, Sequence: 5}
	if s := a.json(protocol.PathExchange, req, &again); s != http.StatusOK || again.Step == nil || again.Step.ID != "s1" || again.Step.WriteImage != nil {
		t.Errorf("%d, step %+v", s, again.Step)
	}
	req.Sequence = 4
	if s := a.json(protocol.PathExchange, req, nil); s != http.StatusConflict {
		t.Errorf("an overtaken exchange: %d", s)
	}
	site.Supersede("a")
	req.Sequence = 6
	if a.json(protocol.PathExchange, req, &again); !again.Superseded {
		t.Error("not superseded")
	}
}

func TestBadExchanges(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	site.Open("a", "t")
	a := newCaller(t, site)
	if s := a.enroll("a", "t"); s != http.StatusOK {
		t.Fatal(s)
	}
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"no JSON":               {"nothing", http.StatusBadRequest},
		"two values":            {`{"bootID":"a","phase":"idle"}{}`, http.StatusBadRequest},
		"unknown phase":         {`{"bootID":"a","phase":"asleep"}`, http.StatusBadRequest},
		"running nothing":       {`{"bootID":"a","phase":"running"}`, http.StatusBadRequest},
		"finished, no outcome":  {`{"bootID":"a","phase":"finished","stepID":"s"}`, http.StatusBadRequest},
		"idle with an outcome":  {`{"bootID":"a","phase":"idle","outcome":{}}`, http.StatusBadRequest},
		"larger than the bound": {`{"bootID":"` + strings.Repeat("a", protocol.MaxBodyBytes) + `"}`, http.StatusRequestEntityTooLarge},
	} {
		if s, text := a.post(protocol.PathExchange, "application/json", []byte(c.body)); s != c.want {
			t.Errorf("%s: %d %s", name, s, text)
		}
	}
	if s, _ := newCaller(t, site).post(protocol.PathEnroll, "application/json", bytes.Repeat([]byte(" "), 64<<10+1)); s != http.StatusRequestEntityTooLarge {
		t.Errorf("a large enrolment: %d", s)
	}
	if s, _ := a.post("/v1/agent/other", "application/json", nil); s != http.StatusNotFound {
		t.Errorf("an unknown path: %d", s)
	}
	site.Fail(agentapi.ErrNotReady)
	if s := a.json(protocol.PathExchange, idle("a"), nil); s != http.StatusServiceUnavailable {
		t.Errorf("not ready: %d", s)
	}
	site.Fail(errors.New("secret of the API server"))
	body, err := json.Marshal(idle("a"))
	if err != nil {
		t.Fatal(err)
	}
	if s, text := a.post(protocol.PathExchange, "application/json", body); s != http.StatusInternalServerError || strings.Contains(string(text), "secret") {
		t.Errorf("broken: %d %s", s, text)
	}
}

func TestFirstBoot(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	site.Open("host-1", "once")
	machine := newCaller(t, site)
	form := url.Values{
		"pub_key_ed25519": {"ssh-ed25519 AAAA root@host\n"}, "pub_key_rsa": {"N/A"}, "instance_id": {"uuid-1"}, "hostname": {"host-1"}, "fqdn": {"host-1.example.org"},
		"kernel": {"6.1\x1b[31m"}, "other": {"x"},
	}.Encode()
	const kind = "application/x-www-form-urlencoded"
	if s, _ := machine.post(protocol.PathFirstBoot+"ns/host-1/wrong", kind, []byte(form)); s != http.StatusForbidden || site.FirstBoot("host-1") != nil {
		t.Errorf("a wrong token: %d", s)
	}
	for range 2 {
		if s, text := machine.post(protocol.PathFirstBoot+"ns/host-1/once", kind, []byte(form)); s != http.StatusOK {
			t.Errorf("%d %s", s, text)
		}
	}
	want := &agentapi.FirstBoot{
		InstanceID: "uuid-1", Hostname: "host-1", FQDN: "host-1.example.org", Kernel: "6.1.[31m", HostKeys: map[string]string{"ed25519": "ssh-ed25519 AAAA root@host."},
	}
	if d := cmp.Diff(want, site.FirstBoot("host-1")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if s, _ := machine.post(protocol.PathFirstBoot+"ns/host-1/once", kind, bytes.Repeat([]byte("a=b&"), 16<<10+1)); s != http.StatusBadRequest {
		t.Errorf("a large form: %d", s)
	}
}
