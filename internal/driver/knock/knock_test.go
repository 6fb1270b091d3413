package knock

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim/machinetest"
	"github.com/ingotmetal/ingot/internal/lab/ipmisim"
	"github.com/ingotmetal/ingot/internal/secret"
)

const uuid = "4c4c4544-0050-3010-8051-b9c04f4d3533"

func prober(timeout time.Duration) *Prober {
	d := (&net.Dialer{}).DialContext
	return New(Options{Redfish: d, IPMI: d, Timeout: timeout})
}

// closed closes at the end of the test.
func closed(t *testing.T, c io.Closer) {
	t.Helper()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// One address with both services, as most BMCs are: both are found, and nothing is asked that needs a login or changes the machine.
func TestProbe(t *testing.T) {
	server, err := bmcsim.New(bmcsim.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	closed(t, server)
	m := machinetest.New(machinetest.Hardware(uuid))
	b, err := server.Add(bmcsim.Config{Name: "a", Machine: m, Listen: "127.73.1.5:0", Username: "admin", Password: secret.New("calvin-8472")})
	if err != nil {
		t.Fatal(err)
	}
	i, err := ipmisim.Start(t.Context(), ipmisim.Config{Machine: m, Listen: "127.73.1.5:0", Username: "admin", Password: secret.New("calvin-8472")})
	if err != nil {
		t.Fatal(err)
	}
	closed(t, i)
	ports := Ports{Redfish: netip.MustParseAddrPort(b.HostPort()).Port(), IPMI: netip.MustParseAddrPort(i.HostPort()).Port()}
	f := prober(time.Minute).Probe(t.Context(), netip.MustParseAddr("127.73.1.5"), ports)
	if f.Redfish == nil || f.Redfish.UUID != uuid || f.Redfish.Version != "1.20.0" || f.Redfish.Vendor == "" || len(f.Redfish.CertificateSHA256) != 64 || f.Redfish.Port != ports.Redfish {
		t.Errorf("Redfish: %+v", f.Redfish)
	}
	if f.IPMI == nil || f.IPMI.Version != "2.0" || f.IPMI.Port != ports.IPMI {
		t.Errorf("IPMI: %+v", f.IPMI)
	}
	if len(m.Boots()) != 0 {
		t.Errorf("the machine was started: %v", m.Boots())
	}
	// Nobody listens on the neighbour's address.
	if f := prober(time.Minute).Probe(t.Context(), netip.MustParseAddr("127.73.1.6"), ports); f.Found() {
		t.Errorf("%+v", f)
	}
}

// seen is what a server was asked.
type seen struct {
	mu       sync.Mutex
	requests []*http.Request
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	http.Redirect(w, r, "https://127.73.2.9/elsewhere", http.StatusFound)
}

// Who answers cannot have it ask somebody else, and is asked once, without any credential.
func TestAsksOnceWithoutCredentials(t *testing.T) {
	s := &seen{}
	server := httptest.NewTLSServer(s)
	defer server.Close()
	at := netip.MustParseAddrPort(server.Listener.Addr().String())
	var dialed []string
	p := New(Options{Timeout: time.Minute, Redfish: func(ctx context.Context, network, address string) (net.Conn, error) {
		dialed = append(dialed, address)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}})
	if r := p.redfish(t.Context(), at); r != nil {
		t.Errorf("a redirect is a service root: %+v", r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) != 1 || len(dialed) != 1 || dialed[0] != at.String() {
		t.Fatalf("%d requests, dialed %v", len(s.requests), dialed)
	}
	r := s.requests[0]
	if r.Method != http.MethodGet || r.URL.Path != "/redfish/v1/" || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || r.Header.Get("X-Auth-Token") != "" || len(r.TLS.PeerCertificates) != 0 {
		t.Errorf("%+v", r)
	}
}

// What is no BMC, or a hostile one, is nothing.
func TestOthers(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"a web server":  func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>hello</html>")) },
		"another API":   func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"version":"1.0"}`)) },
		"no root":       func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		"a login first": func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) },
		"too much": func(w http.ResponseWriter) {
			_, _ = w.Write([]byte(`{"RedfishVersion":"1.0.0","x":"` + strings.Repeat("x", 1<<20) + `"}`))
		},
		"too long a version": func(w http.ResponseWriter) {
			_, _ = w.Write([]byte(`{"RedfishVersion":"` + strings.Repeat("1", 99) + `"}`))
		},
	} {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
		if r := prober(time.Minute).redfish(t.Context(), netip.MustParseAddrPort(server.Listener.Addr().String())); r != nil {
			t.Errorf("%s: %+v", name, r)
		}
		server.Close()
	}
}

// A service that accepts and says nothing does not hold a probe for ever.
func TestSilence(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.73.3.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, l)
	u, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.73.3.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, u)
	ports := Ports{Redfish: netip.MustParseAddrPort(l.Addr().String()).Port(), IPMI: netip.MustParseAddrPort(u.LocalAddr().String()).Port()}
	if f := prober(50*time.Millisecond).Probe(t.Context(), netip.MustParseAddr("127.73.3.1"), ports); f.Found() {
		t.Errorf("%+v", f)
	}
}

// pong and capable are answers as BMCs send them: the first of the ASF specification's form, the second of a Supermicro X11 with IPMI 2.0.
var (
	pong    = []byte{6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x40, pingTag, 0, 16, 0, 0, 0x11, 0xbe, 0, 0, 0, 0, 0x81, 0, 0, 0, 0, 0, 0, 0}
	capable = []byte{6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x81, 0x1c, 0x63, 0x20, 0, 0x38, 0, 1, 0x80, 0x04, 0x02, 0, 0, 0, 0, 0x21}
)

func TestDatagrams(t *testing.T) {
	changed := func(b []byte, at int, to byte) []byte {
		c := append([]byte{}, b...)
		c[at] = to
		return c
	}
	for _, c := range []struct {
		name    string
		b       []byte
		version string
		bmc     bool
	}{
		{"a pong", pong, "", true},
		{"a pong of who has no IPMI", changed(pong, 20, 0x01), "", false},
		{"a pong to another's ping", changed(pong, 9, 0), "", false},
		{"a pong cut short", pong[:20], "", false},
		{"version 2.0", capable, "2.0", true},
		{"version 1.5", func() []byte {
			b := changed(capable, 22, 0x04)
			b[29] = checksum(b[17:29])
			return b
		}(), "1.5", true},
		{"a wrong checksum", changed(capable, 29, 0), "", false},
		{"a completion code", changed(capable, 20, 0xc1), "", false},
		{"our own question", askCapabilities(), "", false},
		{"our own ping", ping(), "", false},
		{"nothing", nil, "", false},
	} {
		if version, bmc := parseDatagram(c.b); version != c.version || bmc != c.bmc {
			t.Errorf("%s: %q %v", c.name, version, bmc)
		}
	}
}

func FuzzDatagram(f *testing.F) {
	for _, b := range [][]byte{pong, capable, ping(), askCapabilities(), pong[:17], {6, 0, 0xff, 7}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if version, bmc := parseDatagram(b); version != "" && !bmc || version != "" && version != "1.5" && version != "2.0" {
			t.Errorf("%q %v", version, bmc)
		}
	})
}

func FuzzRoot(f *testing.F) {
	for _, s := range []string{
		`{"@odata.type":"#ServiceRoot.v1_15_0.ServiceRoot","Id":"RootService","RedfishVersion":"1.15.1","UUID":"4C4C4544-0050-3010-8051-B9C04F4D3533","Vendor":"Dell","Product":"Integrated Dell Remote Access Controller","Systems":{"@odata.id":"/redfish/v1/Systems"}}`,
		`{"RedfishVersion":"1.0.0","UUID":7,"Vendor":null}`, `{"RedfishVersion":{}}`, `[]`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRoot(b)
		if err != nil {
			return
		}
		for _, s := range []string{r.UUID, r.Vendor, r.Product, r.Version} {
			if len(s) > maxText || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Errorf("%q", s)
			}
		}
		if r.UUID != "" && !uuidForm.MatchString(r.UUID) || r.Version == "" {
			t.Errorf("%+v", r)
		}
	})
}
