package agentapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
)

func TestEnrolmentIsGoodOnceForOneKey(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	site.Open("b", "right", mac)
	first, second := newCaller(t, site), newCaller(t, site)
	if s := first.enroll("b", "wrong", mac); s != http.StatusForbidden {
		t.Errorf("a wrong token: %d", s)
	}
	if s := first.enroll("b", "right", "52:54:00:00:00:02"); s != http.StatusForbidden {
		t.Errorf("a foreign MAC address: %d", s)
	}
	if s := first.enroll("c", "right", mac); s != http.StatusForbidden {
		t.Errorf("an unknown boot: %d", s)
	}
	if s := first.enroll("b", "right", "00:00:00:00:00:09", strings.ToUpper(mac)); s != http.StatusOK {
		t.Fatalf("the right token: %d", s)
	}
	if s := first.enroll("b", "right", mac); s != http.StatusOK {
		t.Errorf("the same key again: %d", s)
	}
	if s := second.enroll("b", "right", mac); s != http.StatusForbidden {
		t.Errorf("another key: %d", s)
	}
	site.Change("b", func(w *agentapi.Window) { w.ClosesAt = time.Now().Add(-time.Second) })
	if s := first.enroll("b", "right", mac); s != http.StatusOK {
		t.Errorf("the same key after the window closed: %d", s)
	}
	site.Change("b", nil)
	if s := first.enroll("b", "right", mac); s != http.StatusForbidden {
		t.Errorf("the same key after the window was deleted: %d", s)
	}
	if n := site.Enrolments("b"); n != 1 {
		t.Errorf("redeemed %d times", n)
	}
}

func TestEnrolmentOutsideOfTheWindow(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	for name, change := range map[string]func(w *agentapi.Window){
		"before":          func(w *agentapi.Window) { w.OpensAt = time.Now().Add(time.Minute) },
		"after":           func(w *agentapi.Window) { w.ClosesAt = time.Now() },
		"without a token": func(w *agentapi.Window) { w.TokenHash = "" },
	} {
		site.Open(name, "t")
		site.Change(name, change)
		if s := newCaller(t, site).enroll(name, "t"); s != http.StatusForbidden {
			t.Errorf("%s: %d", name, s)
		}
	}
}

// Two keys that come at the same moment: one gets in, whatever the order of reading and writing.
func TestEnrolmentRace(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	site.Open("b", "t")
	const callers = 8
	status := make([]int, callers)
	var racing sync.WaitGroup
	for i := range callers {
		c := newCaller(t, site)
		racing.Go(func() { status[i] = c.enroll("b", "t") })
	}
	racing.Wait()
	in := 0
	for _, s := range status {
		if s == http.StatusOK {
			in++
		}
	}
	if in != 1 || site.Enrolments("b") != 1 {
		t.Errorf("answers %v, redeemed %d times", status, site.Enrolments("b"))
	}
}

// Whoever is not let in learns nothing: all refusals are the same bytes.
func TestRefusalsTellNothing(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	site.Open("b", "t", mac)
	site.Open("used", "t")
	if s := newCaller(t, site).enroll("used", "t"); s != http.StatusOK {
		t.Fatal(s)
	}
	c := newCaller(t, site)
	var refusals []string
	for _, r := range []protocol.EnrollRequest{
		{BootID: "b", Token: "wrong"}, {BootID: "nothing", Token: "t"}, {BootID: "b", Token: "t"}, {BootID: "used", Token: "t"},
	} {
		r.CSR = c.csr()
		body, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		status, text := c.post(protocol.PathEnroll, "application/json", body)
		if status != http.StatusForbidden {
			t.Errorf("%+v: %d", r, status)
		}
		refusals = append(refusals, string(text))
	}
	status, text := c.post(protocol.PathFirstBoot+"ns/nothing/t", "application/x-www-form-urlencoded", nil)
	if status != http.StatusForbidden {
		t.Errorf("first boot: %d", status)
	}
	for _, r := range append(refusals, string(text)) {
		if r != refusals[0] {
			t.Errorf("refusals differ: %q and %q", r, refusals[0])
		}
	}
}

func TestRefusedEnrolmentsAreLimitedPerBoot(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	site.Open("b", "right")
	site.Open("other", "right")
	c := newCaller(t, site)
	limited := false
	for range 30 {
		if c.enroll("b", "wrong") == http.StatusTooManyRequests {
			limited = true
			break
		}
	}
	if !limited {
		t.Fatal("thirty wrong tokens in a row were all looked at")
	}
	if s := c.enroll("b", "right"); s != http.StatusTooManyRequests {
		t.Errorf("the right token right after: %d", s)
	}
	if s := newCaller(t, site).enroll("other", "right"); s != http.StatusOK {
		t.Errorf("another machine behind the same address: %d", s)
	}
	site.Stop()
	site.Offset = time.Minute
	site.Start()
	if s := c.enroll("b", "right"); s != http.StatusOK {
		t.Errorf("the right token a minute later: %d", s)
	}
}

// What the agent calls its machine is kept with the enrolment, and is bounded: it ends up in an object.
func TestEnrolmentKeepsTheMachinesUUID(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	site.Open("b", "right")
	c := newCaller(t, site)
	request := protocol.EnrollRequest{BootID: "b", Token: "right", CSR: c.csr(), SystemUUID: strings.Repeat("4", protocol.MaxUUIDBytes+1)}
	var answer protocol.EnrollResponse
	if s := c.json(protocol.PathEnroll, request, &answer); s != http.StatusBadRequest {
		t.Errorf("a UUID that is too long: %d", s)
	}
	request.SystemUUID = "4c4c4544-0034-4a10-8035-b4c04f465931"
	if s := c.json(protocol.PathEnroll, request, &answer); s != http.StatusOK || site.SystemUUID("b") != request.SystemUUID {
		t.Errorf("status %d, kept %q", s, site.SystemUUID("b"))
	}
}
