package redfish_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/pin"
	"github.com/ingotmetal/ingot/step"
)

// badBMC is a small correct BMC, of which a test breaks a part.
type badBMC map[string]http.HandlerFunc

const (
	rootDoc    = `{"@odata.id":"/redfish/v1/","@odata.type":"#ServiceRoot.v1_5_0.ServiceRoot","Id":"RootService","RedfishVersion":"1.6.0","Systems":{"@odata.id":"/redfish/v1/Systems"},"Links":{"Sessions":{"@odata.id":"/redfish/v1/SessionService/Sessions"}}}`
	systemsDoc = `{"@odata.id":"/redfish/v1/Systems","@odata.type":"#ComputerSystemCollection.ComputerSystemCollection","Members":[{"@odata.id":"/redfish/v1/Systems/1"}]}`
	systemDoc  = `{"@odata.id":"/redfish/v1/Systems/1","@odata.type":"#ComputerSystem.v1_5_0.ComputerSystem","Id":"1","PowerState":"Off",
		"Boot":{"BootSourceOverrideEnabled":"Disabled","BootSourceOverrideTarget":"None","BootSourceOverrideMode":"UEFI","BootSourceOverrideTarget@Redfish.AllowableValues":["None","Pxe","Hdd"]},
		"VirtualMedia":{"@odata.id":"/redfish/v1/Systems/1/VirtualMedia"},
		"Actions":{"#ComputerSystem.Reset":{"target":"/redfish/v1/Systems/1/Actions/ComputerSystem.Reset","ResetType@Redfish.AllowableValues":["On","ForceOff"]}}}`
	mediaDoc = `{"@odata.id":"/redfish/v1/Systems/1/VirtualMedia","@odata.type":"#VirtualMediaCollection.VirtualMediaCollection","Members":[{"@odata.id":"/redfish/v1/Systems/1/VirtualMedia/1"}]}`
	driveDoc = `{"@odata.id":"/redfish/v1/Systems/1/VirtualMedia/1","@odata.type":"#VirtualMedia.v1_3_0.VirtualMedia","Id":"1","MediaTypes":["CD"],"Inserted":false,"Image":null,
		"Actions":{"#VirtualMedia.InsertMedia":{"target":"/redfish/v1/Systems/1/VirtualMedia/1/Insert"},"#VirtualMedia.EjectMedia":{"target":"/redfish/v1/Systems/1/VirtualMedia/1/Eject"}}}`
	insertPath = "/redfish/v1/Systems/1/VirtualMedia/1/Insert"
	resetPath  = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"
	sessPath   = "/redfish/v1/SessionService/Sessions"
)

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func login(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Auth-Token", "token-31337")
	w.Header().Set("Location", sessPath+"/1")
	w.WriteHeader(http.StatusCreated)
	fmt.Fprint(w, `{"@odata.id":"/redfish/v1/SessionService/Sessions/1","Id":"1"}`)
}

func goodBMC() badBMC {
	return badBMC{
		"/redfish/v1/": says(200, rootDoc), sessPath: login, sessPath + "/1": says(204, ""), "/redfish/v1/Systems": says(200, systemsDoc),
		"/redfish/v1/Systems/1": says(200, systemDoc), "/redfish/v1/Systems/1/VirtualMedia": says(200, mediaDoc), "/redfish/v1/Systems/1/VirtualMedia/1": says(200, driveDoc),
		insertPath: says(204, ""), resetPath: says(204, ""),
	}
}

// ServeHTTP implements http.Handler.
func (b badBMC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := b[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	http.NotFound(w, r)
}

// What a test does with a session.
type use func(ctx context.Context, s bmc.Session) error

func opening(context.Context, bmc.Session) error { return nil }

func reading(ctx context.Context, s bmc.Session) error {
	_, err := s.Power().State(ctx)
	return err
}
func turningOn(ctx context.Context, s bmc.Session) error { return s.Power().Do(ctx, bmc.PowerOn) }
func inserting(ctx context.Context, s bmc.Session) error {
	return s.Media().Insert(ctx, "http://boot/media/secret-name.iso")
}

func booting(d bmc.Device, m bmc.Mode) use {
	return func(ctx context.Context, s bmc.Session) error {
		return s.Boot().Set(ctx, bmc.BootSetting{Device: d, Mode: m, Once: true})
	}
}

// replaceIn changes a text of a document that must be there.
func replaceIn(doc, old, new string) string {
	if !strings.Contains(doc, old) {
		panic("nothing to replace: " + old)
	}
	return strings.Replace(doc, old, new, 1)
}

const passwordInError = `{"error":{"code":"Base.1.8.GeneralError","@Message.ExtendedInfo":[{"MessageId":"Base.1.8.InsufficientPrivilege","Message":"user admin with password hunter2-0815 may not"}]}}`

// extended is an error body with one message.
func extended(id, message string) string {
	return fmt.Sprintf(`{"error":{"code":"Base.1.8.GeneralError","message":"see info","@Message.ExtendedInfo":[{"MessageId":"Base.1.8.%s","Message":%q}]}}`, id, message)
}

func TestBadAnswers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		path  string
		bad   http.HandlerFunc
		use   use
		kind  step.FailureKind
		words string
	}{
		{"root is broken JSON", "/redfish/v1/", says(200, `{"RedfishVersion": `), opening, step.Internal, "GET /redfish/v1/: expected a Redfish ServiceRoot, got broken JSON"},
		{"root is an HTML page", "/redfish/v1/", says(200, "<html><body>Login</body></html>"), opening, step.Internal, "expected a Redfish ServiceRoot, got an HTML or XML page"},
		{"root is a list", "/redfish/v1/", says(200, "[]"), opening, step.Internal, "JSON that is no object"},
		{"root is empty", "/redfish/v1/", says(200, ""), opening, step.Internal, "got an empty answer"},
		{"root is another thing", "/redfish/v1/", says(200, `{"@odata.type":"#Chassis.v1_0_0.Chassis"}`), opening, step.Internal, "got a #Chassis.v1_0_0.Chassis"},
		{"no Redfish at all", "/redfish/v1/", says(404, "not found"), opening, step.Unsupported, "404 Not Found"},
		{"login refused", sessPath, says(401, ""), opening, step.Denied, "401 Unauthorized"},
		{"login forbidden, password repeated", sessPath, says(403, passwordInError), opening, step.Denied, "user admin with password *** may not"},
		{"too many sessions, so basic authentication", sessPath, says(503, extended("SessionLimitExceeded", "too many")), opening, "", ""},
		{"login while starting", sessPath, says(503, extended("ServiceTemporarilyUnavailable", "try again in 30 seconds")), opening, step.Busy, "try again in 30 seconds"},
		{"no systems", "/redfish/v1/Systems", says(200, `{"@odata.id":"/redfish/v1/Systems","Members":[]}`), opening, step.Invalid, "the BMC has no systems"},
		{"members are null", "/redfish/v1/Systems", says(200, `{"@odata.id":"/redfish/v1/Systems","Members":null}`), opening, step.Invalid, "the BMC has no systems"},
		{"two systems and no path", "/redfish/v1/Systems", says(200, `{"@odata.id":"/x","Members":[{"@odata.id":"/redfish/v1/Systems/1"},{"@odata.id":"/redfish/v1/Systems/2"}]}`), opening, step.Invalid, "the BMC has 2 systems and the address names none of them"},
		{"member links to another host, so to its path here", "/redfish/v1/Systems", says(200, `{"@odata.id":"/x","Members":[{"@odata.id":"https://evil.example/redfish/v1/Systems/1"}]}`), opening, "", ""},
		{"system is gone", "/redfish/v1/Systems/1", says(404, ""), opening, step.Invalid, "the BMC has no such system"},
		{"system without reset", "/redfish/v1/Systems/1", says(200, replaceIn(systemDoc, "#ComputerSystem.Reset", "#X.Reset")), opening, step.Unsupported, "no reset action"},
		{"password in broken JSON", "/redfish/v1/Systems/1", says(200, "hello hunter2-0815"), opening, step.Internal, "hello ***"},
		{"500", "/redfish/v1/Systems/1", says(500, extended("InternalError", "the fan is on fire")), opening, step.Internal, "500 Internal Server Error: the fan is on fire"},
		{"502", "/redfish/v1/Systems/1", says(502, "<html>"), opening, step.Unreachable, "502 Bad Gateway"},
		{"power state is null", "/redfish/v1/Systems/1", says(200, replaceIn(systemDoc, `"PowerState":"Off"`, `"PowerState":null`)), reading, step.Busy, "does not say the power state"},
		{"power state is a number", "/redfish/v1/Systems/1", says(200, replaceIn(systemDoc, `"PowerState":"Off"`, `"PowerState":7`)), reading, step.Internal, `unknown power state "7"`},
		{"power state is an object", "/redfish/v1/Systems/1", says(200, replaceIn(systemDoc, `"PowerState":"Off"`, `"PowerState":{}`)), reading, step.Busy, "does not say the power state"},
		{"reset in use", resetPath, says(400, extended("ResourceInUse", "firmware update runs")), turningOn, step.Busy, "firmware update runs"},
		{"reset in standby", resetPath, says(409, extended("ResourceInStandby", "standby")), turningOn, step.Busy, "standby"},
		{"reset conflict", resetPath, says(409, ""), turningOn, step.Busy, "409 Conflict"},
		{"reset not licensed", resetPath, says(403, extended("LicenseRequired", "needs a licence")), turningOn, step.Denied, "needs a licence"},
		{"error body is garbage", resetPath, says(400, `{"error":{"@Message.ExtendedInfo":[7,null,{"Message":3}],"message":[]}}`), turningOn, step.Internal, "400 Bad Request: 3"},
		{"no such boot source", "", nil, booting(bmc.BootCD, bmc.ModeUEFI), step.Unsupported, `cannot boot from "cd": it offers [None Pxe Hdd]`},
		{"no secure boot", "", nil, booting(bmc.BootPXE, bmc.ModeSecureBoot), step.Unsupported, "cannot switch UEFI Secure Boot"},
		{"patch refused", "/redfish/v1/Systems/1", patchSays(405, ""), booting(bmc.BootPXE, bmc.ModeUEFI), step.Unsupported, "PATCH /redfish/v1/Systems/1: 405"},
		{"patch always stale", "/redfish/v1/Systems/1", patchSays(412, ""), booting(bmc.BootPXE, bmc.ModeUEFI), step.Busy, "412 Precondition Failed"},
		{"insert repeats the URL", insertPath, says(500, extended("InternalError", "cannot mount http://boot/media/secret-name.iso")), inserting, step.Internal, "cannot mount ***"},
		{"insert says 202 and nothing", insertPath, says(202, ""), inserting, step.Timeout, "is not inserted"},
		{"insert says done and does nothing", insertPath, says(200, ""), inserting, step.Timeout, "is not inserted"},
		{"task fails", insertPath, taskAt("/redfish/v1/Tasks/1"), inserting, step.Internal, "task /redfish/v1/Tasks/1 ended as Exception: no route to ***"},
		{"task is nowhere", insertPath, taskAt("/redfish/v1/Tasks/none"), inserting, step.Unsupported, "GET /redfish/v1/Tasks/none: 404"},
		{"task never ends", insertPath, taskAt("/redfish/v1/Tasks/2"), inserting, step.Timeout, "task /redfish/v1/Tasks/2 did not end within"},
		{"endless redirect", "/redfish/v1/Systems/1", redirect("/redfish/v1/Systems/1"), opening, step.Internal, "redirected more than 3 times"},
		{"redirect to another host", "/redfish/v1/Systems/1", redirect("https://evil.example/"), opening, step.Internal, "redirected to another place, https://evil.example"},
		{"redirect to plain HTTP", "/redfish/v1/Systems/1", redirectDown, opening, step.Internal, "redirected to another place, http://127.0.0.1"},
		{"redirected POST", resetPath, redirect("/elsewhere"), turningOn, step.Internal, "only followed for GET"},
		{"huge body", "/redfish/v1/Systems/1", huge, opening, step.Internal, "the answer is larger than 65536 bytes"},
		{"slow body", "/redfish/v1/Systems/1", slow, opening, step.Unreachable, "no complete answer within the time for one call"},
		{"no answer", "/redfish/v1/Systems/1", hang, opening, step.Unreachable, "no complete answer within the time for one call"},
		{"connection cut", "/redfish/v1/Systems/1", cut, opening, step.Unreachable, "GET /redfish/v1/Systems/1"},
		{"session dropped for good", "/redfish/v1/Systems/1", says(401, ""), opening, step.Denied, "401 Unauthorized"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := goodBMC()
			b["/redfish/v1/Tasks/1"] = says(200, `{"@odata.type":"#Task.v1_0_0.Task","Id":"1","TaskState":"Exception","Messages":[{"Message":"no route to http://boot/media/secret-name.iso"}]}`)
			b["/redfish/v1/Tasks/2"] = says(200, `{"@odata.type":"#Task.v1_0_0.Task","Id":"2","TaskState":"Running"}`)
			if tt.bad != nil {
				b[tt.path] = tt.bad
			}
			server := httptest.NewTLSServer(b)
			t.Cleanup(server.Close)
			err := against(t, server, tt.use)
			if tt.kind == "" {
				if err != nil {
					t.Fatalf("error %v, want none", err)
				}
				return
			}
			checkBad(t, err, tt.kind, tt.words)
		})
	}
}

func checkBad(t *testing.T, err error, kind step.FailureKind, words string) {
	t.Helper()
	f := bmc.FailureOf(err)
	if f == nil || f.Kind != kind || !strings.Contains(f.Message, words) {
		t.Fatalf("failure %+v, want %s with %q", f, kind, words)
	}
	for _, secret := range []string{"hunter2-0815", "token-31337", "secret-name"} {
		if strings.Contains(f.Message, secret) || strings.Contains(f.Fix, secret) {
			t.Errorf("the failure repeats a secret: %+v", f)
		}
	}
	if strings.ContainsAny(f.Message, "\n\r\x00") || len(f.Message) > 1000 {
		t.Errorf("the message is not fit for one line: %q", f.Message)
	}
}

// against opens a session with a bad BMC and uses it.
func against(t *testing.T, server *httptest.Server, use use) error {
	t.Helper()
	o := fast()
	o.MaxBodyBytes, o.CallTimeout, o.FollowTimeout = 65536, 500*time.Millisecond, 200*time.Millisecond
	target := bmc.Target{
		Address: "redfish+" + server.URL, Username: "admin", Password: secret.New("hunter2-0815"),
		CAPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	}
	s, err := newDriver(t, o).Open(t.Context(), target)
	if err != nil {
		return err
	}
	defer func() {
		if err := s.Close(t.Context()); err != nil {
			t.Logf("close: %v", err)
		}
	}()
	return use(t.Context(), s)
}

func patchSays(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			says(status, body)(w, r)
			return
		}
		w.Header().Set("ETag", `W/"1"`)
		says(200, systemDoc)(w, r)
	}
}

func taskAt(location string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://name-of-the-bmc-inside.example"+location)
		w.WriteHeader(http.StatusAccepted)
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusTemporaryRedirect) }
}

func redirectDown(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "http://"+r.Host+r.URL.Path, http.StatusTemporaryRedirect)
}

func huge(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, `{"@odata.id":"/redfish/v1/Systems/1","Id":%q}`, strings.Repeat("x", 70000))
}

func slow(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, `{"@odata.id":"/redfish/v1/Systems/1",`)
	_ = http.NewResponseController(w).Flush() // the client notices by itself if not
	<-r.Context().Done()
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, `{"@odata.id":`)
	panic(http.ErrAbortHandler)
}

func TestCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(goodBMC())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are the test
	server.StartTLS()
	t.Cleanup(server.Close)
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	shown := pin.Of(server.Certificate().Raw).String()
	other := newSim(t, badPersonality()).server.CAPEM()
	address := "redfish+" + server.URL
	named := strings.Replace(address, "127.0.0.1", "localhost", 1)
	for _, tt := range []struct {
		name   string
		target bmc.Target
		kind   step.FailureKind
		words  string
	}{
		{"trusted", bmc.Target{Address: address, CAPEM: own}, "", ""},
		{"self-signed", bmc.Target{Address: address}, step.Invalid, "certificate is not trusted"},
		{"another CA", bmc.Target{Address: address, CAPEM: other}, step.Invalid, "certificate is not trusted"},
		{"not verified", bmc.Target{Address: address, DisableCertificateVerification: true}, "", ""},
		{"pinned", bmc.Target{Address: address, CertificatePin: shown}, "", ""},
		{"pinned under another name and CA", bmc.Target{Address: named, CAPEM: other, CertificatePin: shown}, "", ""},
		{"the next one is pinned too", bmc.Target{Address: address, CertificatePin: pin.Of([]byte("next")).String() + "," + shown}, "", ""},
		{"another is pinned", bmc.Target{Address: address, CAPEM: own, CertificatePin: pin.Of([]byte("old")).String()}, step.Untrusted, shown},
		{"another is pinned, and nothing is verified", bmc.Target{Address: address, DisableCertificateVerification: true, CertificatePin: pin.Of([]byte("old")).String()}, step.Untrusted, "is pinned"},
		{"the pin is none", bmc.Target{Address: address, CAPEM: own, CertificatePin: "sha256:0"}, step.Invalid, "is no pinned certificate"},
		{"pinned over plain HTTP", bmc.Target{Address: strings.Replace(address, "https", "http", 1), CertificatePin: shown}, step.Invalid, "plain HTTP shows none"},
		{"wrong name", bmc.Target{Address: named, CAPEM: own}, step.Invalid, "certificate is for another name"},
		{"CA is no PEM", bmc.Target{Address: address, CAPEM: []byte("none")}, step.Invalid, "holds no certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.target.Username, tt.target.Password = "admin", secret.New("hunter2-0815")
			s, err := newDriver(t, fast()).Open(t.Context(), tt.target)
			if tt.kind == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				return
			}
			checkBad(t, err, tt.kind, tt.words)
			if bmc.FailureOf(err).Fix == "" {
				t.Error("no word on what to do")
			}
		})
	}
}

// TestOldTLS: even an unverified BMC must speak TLS 1.2.
func TestOldTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(goodBMC())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10} // that is the case
	server.StartTLS()
	t.Cleanup(server.Close)
	_, err := newDriver(t, fast()).Open(t.Context(), bmc.Target{Address: "redfish+" + server.URL, DisableCertificateVerification: true})
	checkBad(t, err, step.Unreachable, "protocol version")
}

// TestTransportIsTheSchemes: HTTPS is never given up for HTTP by itself, and HTTP is spoken only where the scheme says so.
func TestTransportIsTheSchemes(t *testing.T) {
	server := httptest.NewServer(goodBMC())
	t.Cleanup(server.Close)
	plain := strings.TrimPrefix(server.URL, "http://")
	for address, want := range map[string]step.FailureKind{"redfish://" + plain: step.Invalid, "redfish+https://" + plain: step.Invalid, "redfish+http://" + plain: ""} {
		s, err := newDriver(t, fast()).Open(t.Context(), bmc.Target{Address: address, DisableCertificateVerification: true})
		if bmc.KindOf(err) != want {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
		if err == nil {
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestNamelessMedium: a BMC that has a medium and does not say which is believed, and asked to eject it.
func TestNamelessMedium(t *testing.T) {
	var inserted atomic.Bool
	b := goodBMC()
	turn := func(to bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { inserted.Store(to); w.WriteHeader(http.StatusNoContent) }
	}
	b[insertPath], b["/redfish/v1/Systems/1/VirtualMedia/1/Eject"] = turn(true), turn(false)
	b["/redfish/v1/Systems/1/VirtualMedia/1"] = func(w http.ResponseWriter, r *http.Request) {
		says(200, replaceIn(driveDoc, `"Inserted":false`, fmt.Sprintf(`"Inserted":%v`, inserted.Load())))(w, r)
	}
	server := httptest.NewTLSServer(b)
	t.Cleanup(server.Close)
	err := against(t, server, func(ctx context.Context, s bmc.Session) error {
		if err := inserting(ctx, s); err != nil {
			return err
		}
		if got, err := s.Media().Inserted(ctx); err != nil || got != "unknown:" {
			return fmt.Errorf("inserted is %q, %w", got, err)
		}
		return s.Media().Eject(ctx)
	})
	if err != nil || inserted.Load() {
		t.Errorf("error %v, still inserted %v", err, inserted.Load())
	}
}

// TestPatchWithETag: a BMC that wants a version gets the one it has.
func TestPatchWithETag(t *testing.T) {
	for _, tag := range []string{`"strong"`, `W/"weak"`} {
		var tries atomic.Int32
		b := goodBMC()
		b["/redfish/v1/Systems/1"] = func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method != http.MethodPatch:
				w.Header().Set("ETag", tag)
				says(200, systemDoc)(w, r)
			case r.Header.Get("If-Match") == tag && tries.Add(1) > 0:
				w.WriteHeader(http.StatusNoContent)
			default:
				tries.Add(1)
				w.WriteHeader(http.StatusPreconditionRequired)
			}
		}
		server := httptest.NewTLSServer(b)
		t.Cleanup(server.Close)
		if err := against(t, server, booting(bmc.BootPXE, bmc.ModeUEFI)); err != nil {
			t.Error(err)
		}
		if n := tries.Load(); n != 2 {
			t.Errorf("%d tries with tag %s, want one without and one with it", n, tag)
		}
	}
}
