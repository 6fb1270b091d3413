package agentapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/agent/tpm"
	"github.com/ingotmetal/ingot/internal/agent/tpm/tpmtest"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
)

// machine is a caller with a TPM of its own.
type machine struct {
	*caller
	tpm *tpm.Session
}

func newMachine(t *testing.T, site *agentapitest.Site) machine {
	t.Helper()
	connection, err := tpmtest.New(t).Connect()
	if err != nil {
		t.Fatal(err)
	}
	session, err := tpm.Open(connection)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
	return machine{newCaller(t, site), session}
}

// request is what the machine's agent asks with first.
func (m machine) request(boot string) protocol.EnrollRequest {
	shown := m.tpm.Identity()
	return protocol.EnrollRequest{BootID: boot, Token: "t", CSR: m.csr(), MACAddresses: []string{mac}, TPM: &shown}
}

func (m machine) send(req protocol.EnrollRequest) (int, protocol.EnrollResponse) {
	m.t.Helper()
	var answer protocol.EnrollResponse
	status := m.json(protocol.PathEnroll, req, &answer)
	return status, answer
}

// prove answers a challenge for the key that the machine asks with.
func (m machine) prove(boot string, c *protocol.TPMChallenge) (*protocol.TPMProof, error) {
	m.t.Helper()
	hash, err := protocol.KeyHash(m.key.Public())
	if err != nil {
		m.t.Fatal(err)
	}
	p, err := m.tpm.Prove(*c, func(secret []byte) []byte { return protocol.TPMBinding(boot, hash, secret) })
	return &p, err
}

// enrol goes all the way.
func (m machine) enrol(boot string) int {
	m.t.Helper()
	req := m.request(boot)
	status, answer := m.send(req)
	if status != http.StatusOK || answer.TPMChallenge == nil {
		return status
	}
	if len(answer.CertificateDER) > 0 {
		m.t.Error("a certificate came with a challenge")
	}
	var err error
	if req.TPMProof, err = m.prove(boot, answer.TPMChallenge); err != nil {
		m.t.Fatal(err)
	}
	status, answer = m.send(req)
	if status == http.StatusOK && len(answer.CertificateDER) == 0 {
		m.t.Error("let in without a certificate")
	}
	return status
}

func open(site *agentapitest.Site, boot string, d attest.Demand) {
	site.Open(boot, "t")
	site.Change(boot, func(w *agentapi.Window) { w.TPM = d })
}

// TestEnrolmentByPolicy takes machines with and without a TPM through every policy.
func TestEnrolmentByPolicy(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	first := newMachine(t, site)
	open(site, "pin", attest.Demand{Policy: attest.Prefer})
	if s := first.enrol("pin"); s != http.StatusOK {
		t.Fatalf("status %d: %+v", s, site.Refusals("pin"))
	}
	e := site.Evidence("pin")
	if e == nil || len(e.EndorsementKey) != attest.FingerprintLength || len(e.PCRs) == 0 {
		t.Fatalf("evidence %+v", e)
	}
	mine := e.EndorsementKey
	for name, c := range map[string]struct {
		policy     attest.Policy
		pinned     string
		hasTPM     bool
		wantStatus int
		wantReason string
	}{
		"never, none":              {attest.Never, "", false, http.StatusOK, ""},
		"prefer, none":             {attest.Prefer, "", false, http.StatusOK, ""},
		"require, none":            {attest.Require, "", false, http.StatusForbidden, "the policy requires one"},
		"prefer, none, pinned":     {attest.Prefer, mine, false, http.StatusForbidden, "shows no TPM"},
		"never, another pinned":    {attest.Never, strings.Repeat("0", 64), true, http.StatusOK, ""},
		"prefer, its own pinned":   {attest.Prefer, mine, true, http.StatusOK, ""},
		"require, its own pinned":  {attest.Require, mine, true, http.StatusOK, ""},
		"prefer, another pinned":   {attest.Prefer, strings.Repeat("0", 64), true, http.StatusForbidden, mine},
		"an earlier release's":     {"", "", true, http.StatusOK, ""},
		"require, nothing pinned":  {attest.Require, "", true, http.StatusOK, ""},
		"require, another pinned":  {attest.Require, strings.Repeat("0", 64), true, http.StatusForbidden, mine},
		"an earlier one's, pinned": {"", mine, false, http.StatusOK, ""},
	} {
		open(site, name, attest.Demand{Policy: c.policy, EndorsementKey: c.pinned})
		status := 0
		if c.hasTPM {
			status = first.enrol(name)
		} else {
			status = newCaller(t, site).enroll(name, "t")
		}
		refusals := site.Refusals(name)
		if status != c.wantStatus || (len(refusals) > 0) != (c.wantReason != "") || len(refusals) > 0 && !strings.Contains(refusals[0].Reason, c.wantReason) {
			t.Errorf("%s: %d, refusals %+v", name, status, refusals)
		}
		asked := c.hasTPM && status == http.StatusOK && (c.policy == attest.Prefer || c.policy == attest.Require)
		if e := site.Evidence(name); (e != nil) != asked {
			t.Errorf("%s: evidence %+v", name, e)
		}
	}
}

// TestNeighbourWithTheTokenAndAnotherTPM is the attack that the TPM is there for: the neighbour has read the token from the network, knows the host's endorsement key, which is public, and is faster.
func TestNeighbourWithTheTokenAndAnotherTPM(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	host, neighbour := newMachine(t, site), newMachine(t, site)
	open(site, "first", attest.Demand{Policy: attest.Prefer})
	if s := host.enrol("first"); s != http.StatusOK {
		t.Fatal(s)
	}
	demand := attest.Demand{Policy: attest.Prefer, EndorsementKey: site.Evidence("first").EndorsementKey}
	open(site, "b", demand)
	// As itself, as nobody, and as the host.
	if s := neighbour.enrol("b"); s != http.StatusForbidden {
		t.Errorf("with its own TPM: %d", s)
	}
	if s := newCaller(t, site).enroll("b", "t", mac); s != http.StatusForbidden {
		t.Errorf("without a TPM: %d", s)
	}
	pretending := neighbour.request("b")
	shown := host.tpm.Identity()
	pretending.TPM = &shown
	status, answer := neighbour.send(pretending)
	if status != http.StatusOK || answer.TPMChallenge == nil || len(answer.CertificateDER) > 0 {
		t.Fatalf("with the host's public keys: %d, %+v", status, answer)
	}
	if _, err := neighbour.prove("b", answer.TPMChallenge); err == nil {
		t.Error("the neighbour's TPM opens the host's challenge")
	}
	// With the host's endorsement key and an attestation key of its own.
	mixed := host.tpm.Identity()
	mixed.AttestationKey = neighbour.tpm.Identity().AttestationKey
	pretending.TPM = &mixed
	if status, answer = neighbour.send(pretending); status != http.StatusOK || answer.TPMChallenge == nil {
		t.Fatalf("with keys of both: %d", status)
	}
	if _, err := host.prove("b", answer.TPMChallenge); err == nil {
		t.Error("the host's TPM opens a challenge for an attestation key that it does not have")
	}
	guessed := pretending
	guessed.TPMProof = &protocol.TPMProof{Secret: make([]byte, 32), Quote: []byte("quote"), Signature: []byte("signature")}
	if s, _ := neighbour.send(guessed); s != http.StatusForbidden {
		t.Errorf("with a guessed secret: %d", s)
	}
	// The window is the host's still.
	if n := site.Enrolments("b"); n != 0 {
		t.Fatalf("the neighbour was let in")
	}
	if s := host.enrol("b"); s != http.StatusOK {
		t.Errorf("the host after it: %d", s)
	}
	if len(site.Refusals("b")) < 3 {
		t.Errorf("refusals %+v", site.Refusals("b"))
	}
}

// TestNeighbourStealsTheHostsProof: even who could read the host's proof, which travels in TLS, has no use of it for another key, another boot, or later.
func TestNeighbourStealsTheHostsProof(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	host, neighbour := newMachine(t, site), newCaller(t, site)
	open(site, "b", attest.Demand{Policy: attest.Require})
	open(site, "c", attest.Demand{Policy: attest.Require})
	req := host.request("b")
	_, answer := host.send(req)
	proof, err := host.prove("b", answer.TPMChallenge)
	if err != nil {
		t.Fatal(err)
	}
	stolen := req
	stolen.TPMProof, stolen.CSR = proof, neighbour.csr()
	if s := neighbour.json(protocol.PathEnroll, stolen, nil); s != http.StatusForbidden {
		t.Errorf("for another key: %d", s)
	}
	stolen.CSR, stolen.BootID = req.CSR, "c"
	if s := neighbour.json(protocol.PathEnroll, stolen, nil); s != http.StatusForbidden {
		t.Errorf("for another boot: %d", s)
	}
	site.Stop()
	site.Start()
	req.TPMProof = proof
	if s, _ := host.send(req); s != http.StatusForbidden {
		t.Errorf("after the partition role started again: %d", s)
	}
	if s := host.enrol("b"); s != http.StatusOK {
		t.Errorf("the host itself, from the beginning: %d", s)
	}
}

// TestTPMIsAskedOnlyWithTheToken: whoever has no token learns nothing of policy or pin, and costs no cryptography.
func TestTPMIsAskedOnlyWithTheToken(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	m := newMachine(t, site)
	open(site, "b", attest.Demand{Policy: attest.Require})
	req := m.request("b")
	req.Token = "wrong"
	if status, answer := m.send(req); status != http.StatusForbidden || answer.TPMChallenge != nil {
		t.Errorf("%d %+v", status, answer)
	}
	req.Token = "t"
	req.TPM.AttestationKey = req.TPM.EndorsementKey
	if status, _ := m.send(req); status != http.StatusForbidden {
		t.Errorf("keys that are none: %d", status)
	}
	if r := site.Refusals("b"); len(r) != 1 || !strings.Contains(r[0].Reason, "cannot be used") {
		t.Errorf("%+v", r)
	}
	req.TPMTrouble = strings.Repeat("x", protocol.MaxTPMTroubleBytes+1)
	if status, _ := m.send(req); status != http.StatusBadRequest {
		t.Errorf("a trouble without end: %d", status)
	}
}
