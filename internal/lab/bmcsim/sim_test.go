package bmcsim_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/redfish"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim/machinetest"
	"github.com/ingotmetal/ingot/internal/secret"
)

const uuid = "4c4c4544-0050-3010-8051-b9c04f4d3533"

// rig is one BMC and a client that trusts it.
type rig struct {
	server  *bmcsim.Server
	bmc     *bmcsim.BMC
	machine *machinetest.Machine
	client  *http.Client
	base    string
}

func newRig(t testing.TB, o bmcsim.Options, change func(*bmcsim.Config)) rig {
	t.Helper()
	server, err := bmcsim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	m := machinetest.New(machinetest.Hardware(uuid))
	c := bmcsim.Config{Name: "node-1", Machine: m, Attach: m.Attach, Username: "admin", Password: secret.New("secret")}
	if change != nil {
		change(&c)
	}
	b, err := server.Add(c)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: server.Roots()}}
	t.Cleanup(transport.CloseIdleConnections)
	return rig{server: server, bmc: b, machine: m, client: &http.Client{Transport: transport}, base: "https://" + b.HostPort()}
}

// do makes a request with basic authentication.
func (r rig) do(t testing.TB, method, path string, body any) (int, map[string]any) {
	t.Helper()
	return r.as(t, "secret", method, path, body)
}

func (r rig) as(t testing.TB, password, method, path string, body any) (int, map[string]any) {
	t.Helper()
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, r.base+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth("admin", password)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if len(raw) > 0 && json.Unmarshal(raw, &doc) != nil && !strings.HasPrefix(string(raw), "<?xml") {
		t.Fatalf("%s %s: %d with a body that is no JSON object: %s", method, path, resp.StatusCode, raw)
	}
	return resp.StatusCode, doc
}

// links are all values of @odata.id, and of targets and info links of actions, in a document.
func links(v any) (out []string) {
	switch v := v.(type) {
	case map[string]any:
		for k, sub := range v {
			if s, isText := sub.(string); isText && (k == "@odata.id" || k == "@Redfish.ActionInfo" || k == "Members@odata.nextLink" || k == "TaskMonitor") {
				out = append(out, s)
				continue
			}
			out = append(out, links(sub)...)
		}
	case []any:
		for _, sub := range v {
			out = append(out, links(sub)...)
		}
	}
	return out
}

// targets are where a document's actions are.
func targets(doc map[string]any) (out []string) {
	actions, _ := doc["Actions"].(map[string]any)
	for _, a := range actions {
		action, _ := a.(map[string]any)
		target, _ := action["target"].(string)
		out = append(out, target)
	}
	return out
}

// TestEveryLinkResolves walks all links from the root, for every personality, with a medium inserted and a task done.
func TestEveryLinkResolves(t *testing.T) {
	media := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Unix(1, 0), strings.NewReader("an image"))
	}))
	t.Cleanup(media.Close)
	for _, p := range bmcsim.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			r := newRig(t, bmcsim.Options{}, func(c *bmcsim.Config) { c.Personality = p })
			for range 700 {
				r.machine.Say("hello")
			}
			seen := map[string]bool{"/redfish/v1/": false}
			if p.InsertByTask {
				status, _ := r.do(t, http.MethodPost, "/redfish/v1/"+mediaOf(p)+"/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia", map[string]any{"Image": media.URL + "/a.iso"})
				if status != http.StatusAccepted {
					t.Fatalf("insert: %d", status)
				}
			}
			for todo := []string{"/redfish/v1/"}; len(todo) > 0; todo = todo[1:] {
				path := todo[0]
				status, doc := r.do(t, http.MethodGet, path, nil)
				if strings.Contains(path, "/TaskMonitors/") {
					if status != http.StatusAccepted && status != http.StatusNoContent {
						t.Errorf("task monitor: %d", status)
					}
					continue
				}
				if status != http.StatusOK {
					t.Errorf("GET %s: %d", path, status)
					continue
				}
				checkDocument(t, path, doc)
				for _, target := range targets(doc) {
					if status, _ := r.do(t, http.MethodPost, target, map[string]any{"Nonsense": true}); status != http.StatusBadRequest && status != http.StatusNoContent {
						t.Errorf("POST %s: %d", target, status)
					}
				}
				for _, l := range links(doc) {
					l, _, _ = strings.Cut(l, "#") // an element of a resource's array is no resource
					if _, known := seen[l]; !known {
						seen[l] = true
						todo = append(todo, l)
					}
				}
			}
			if len(seen) < 23 {
				t.Errorf("only %d resources are linked from the root: %v", len(seen), seen)
			}
		})
	}
}

func mediaOf(p bmcsim.Personality) string {
	id := func(s string) string {
		if s == "" {
			return "1"
		}
		return s
	}
	if p.MediaUnderSystem {
		return "Systems/" + id(p.SystemID)
	}
	return "Managers/" + id(p.ManagerID)
}

// checkDocument holds what every resource must have (DSP0266 §9.6).
func checkDocument(t *testing.T, path string, doc map[string]any) {
	t.Helper()
	plain, _, _ := strings.Cut(path, "?")
	if doc["@odata.id"] != plain {
		t.Errorf("GET %s: its @odata.id is %v", path, doc["@odata.id"])
	}
	kind, isText := doc["@odata.type"].(string)
	if !isText || !strings.HasPrefix(kind, "#") || doc["Name"] == nil {
		t.Errorf("GET %s: @odata.type %v, Name %v", path, doc["@odata.type"], doc["Name"])
	}
	members, isCollection := doc["Members"].([]any)
	if isCollection != strings.HasSuffix(kind, "Collection") {
		t.Errorf("GET %s: a %s with members: %v", path, kind, isCollection)
	}
	if !isCollection && doc["Id"] == nil {
		t.Errorf("GET %s: no Id", path)
	}
	if isCollection && doc["Members@odata.nextLink"] == nil && !strings.Contains(path, "?") && doc["Members@odata.count"] != float64(len(members)) {
		t.Errorf("GET %s: %v members counted, %d listed", path, doc["Members@odata.count"], len(members))
	}
}

// TestNothingIsAnonymous: of all methods on all resources, only the root's and the login answer a stranger.
func TestNothingIsAnonymous(t *testing.T) {
	r := newRig(t, bmcsim.Options{ControlPath: "/lab/faults"}, nil)
	open := []string{"GET /redfish", "GET /redfish/v1", "GET /redfish/v1/", "GET /redfish/v1/odata", "GET /redfish/v1/$metadata", "POST /redfish/v1/SessionService/Sessions"}
	paths := []string{
		"/redfish", "/redfish/v1/", "/redfish/v1/odata", "/redfish/v1/$metadata", "/redfish/v1/SessionService", "/redfish/v1/SessionService/Sessions", "/redfish/v1/Systems", "/redfish/v1/Systems/1",
		"/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", "/redfish/v1/Systems/1/LogServices/HostLogger/Entries", "/redfish/v1/Managers/1/VirtualMedia/Cd",
		"/redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia", "/redfish/v1/TaskService/Tasks", "/redfish/v1/nowhere", "/lab/faults", "/",
	}
	for _, password := range []string{"", "wrong"} {
		for _, path := range paths {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete} {
				if slices.Contains(open, method+" "+path) {
					continue
				}
				if status, _ := r.as(t, password, method, path, map[string]any{"ResetType": "On"}); status != http.StatusUnauthorized {
					t.Errorf("%s %s by a stranger with password %q: %d", method, path, password, status)
				}
			}
		}
	}
	if r.machine.Powered() {
		t.Error("a stranger turned the machine on")
	}
}

// TestGofish: a client that is not ours drives the whole.
func TestGofish(t *testing.T) {
	media := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Unix(1, 0), strings.NewReader("an image"))
	}))
	t.Cleanup(media.Close)
	r := newRig(t, bmcsim.Options{}, nil)
	c, err := gofish.ConnectContext(t.Context(), gofish.ClientConfig{Endpoint: r.base, Username: "admin", Password: "secret", HTTPClient: r.client})
	must(t, err)
	defer c.Logout()
	systems, err := c.Service.Systems()
	must(t, err)
	sys := systems[0]
	must(t, sys.SetBoot(redfish.Boot{
		BootSourceOverrideEnabled: redfish.OnceBootSourceOverrideEnabled, BootSourceOverrideTarget: redfish.CdBootSourceOverrideTarget, BootSourceOverrideMode: redfish.LegacyBootSourceOverrideMode,
	}))
	managers, err := sys.ManagedBy()
	must(t, err)
	drives, err := managers[0].VirtualMedia()
	must(t, err)
	must(t, drives[0].InsertMedia(media.URL+"/a.iso", true, true))
	must(t, sys.Reset(redfish.OnResetType))
	boots := r.machine.Boots()
	if len(boots) != 1 || boots[0].Device != bmc.BootCD || boots[0].Mode != bmc.ModeLegacy || !boots[0].Once || boots[0].Medium == nil {
		t.Fatalf("boots %+v, want one from the medium", boots)
	}
	content := make([]byte, 8)
	_, err = boots[0].Medium.Image.ReadAt(content, 0)
	must(t, err)
	if string(content) != "an image" {
		t.Errorf("the medium reads %q", content)
	}
	must(t, drives[0].EjectMedia())
	secure, err := sys.SecureBoot()
	must(t, err)
	secure.SecureBootEnable = true
	must(t, secure.Update())
	if got := r.bmc.PeekBoot(); got.Mode != bmc.ModeLegacy || got.Device != bmc.BootNone || got.Medium != nil {
		t.Errorf("the next boot is %+v, want legacy from the machine's own order", got)
	}
	for what, n := range map[string]int{"processors": count(sys.Processors()), "memory": count(sys.Memory()), "interfaces": count(sys.EthernetInterfaces()), "storage": count(sys.Storage()), "log services": count(sys.LogServices())} {
		if n == 0 {
			t.Errorf("gofish finds no %s", what)
		}
	}
	chassis, err := c.Service.Chassis()
	must(t, err)
	if len(chassis) != 1 {
		t.Errorf("%d chassis", len(chassis))
	}
}

func count[T any](list []T, err error) int {
	if err != nil {
		return 0
	}
	return len(list)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOnceIsGivenOutOnce: by whichever boot comes first, and not lost by one that fails.
func TestOnceIsGivenOutOnce(t *testing.T) {
	r := newRig(t, bmcsim.Options{}, nil)
	const system = "/redfish/v1/Systems/1"
	reset := func(kind string) int {
		status, _ := r.do(t, http.MethodPost, system+"/Actions/ComputerSystem.Reset", map[string]any{"ResetType": kind})
		return status
	}
	set := func(boot map[string]any) {
		t.Helper()
		if status, doc := r.do(t, http.MethodPatch, system, map[string]any{"Boot": boot}); status != http.StatusNoContent {
			t.Fatalf("set boot: %d %v", status, doc)
		}
	}
	set(map[string]any{"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"})
	r.machine.Break(errors.New("no power in the rack"))
	if status := reset("On"); status != http.StatusInternalServerError {
		t.Fatalf("a machine that does not start: %d", status)
	}
	r.machine.Break(nil)
	if status := reset("On"); status != http.StatusNoContent {
		t.Fatalf("power on: %d", status)
	}
	set(map[string]any{"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"})
	r.machine.RebootByItself()
	r.machine.RebootByItself()
	set(map[string]any{"BootSourceOverrideEnabled": "Continuous", "BootSourceOverrideTarget": "Hdd"})
	r.machine.RebootByItself()
	r.machine.RebootByItself()
	var got []bmc.Device
	for _, b := range r.machine.Boots() {
		got = append(got, b.Device)
	}
	if want := []bmc.Device{bmc.BootPXE, bmc.BootPXE, bmc.BootNone, bmc.BootDisk, bmc.BootDisk}; !slices.Equal(got, want) {
		t.Errorf("booted from %v, want %v", got, want)
	}
	for kind, want := range map[string]int{"On": http.StatusConflict, "Explode": http.StatusBadRequest, "": http.StatusBadRequest} {
		if status := reset(kind); status != want {
			t.Errorf("reset %q of a machine that is on: %d, want %d", kind, status, want)
		}
	}
}

// TestFaultsFollowTheSeed, and are set over the control path.
func TestFaultsFollowTheSeed(t *testing.T) {
	sequence := func(seed uint64) (out []int) {
		r := newRig(t, bmcsim.Options{ControlPath: "/lab/faults"}, nil)
		status, _ := r.do(t, http.MethodPut, "/lab/faults", bmcsim.Faults{Seed: seed, ErrorChance: 0.3, BusyChance: 0.3})
		if status != http.StatusOK || r.bmc.Faults().Seed != seed {
			t.Fatalf("set faults: %d, %+v", status, r.bmc.Faults())
		}
		for range 40 {
			status, _ := r.do(t, http.MethodGet, "/redfish/v1/Systems/1", nil)
			out = append(out, status)
		}
		return out
	}
	a, b, c := sequence(7), sequence(7), sequence(8)
	if !slices.Equal(a, b) || slices.Equal(a, c) {
		t.Errorf("seed 7: %v\nagain: %v\nseed 8: %v", a, b, c)
	}
	for _, want := range []int{200, 500, 503} {
		if !slices.Contains(a, want) {
			t.Errorf("40 requests never got a %d: %v", want, a)
		}
	}
	r := newRig(t, bmcsim.Options{}, nil)
	if status, _ := r.do(t, http.MethodPut, "/lab/faults", bmcsim.Faults{}); status != http.StatusNotFound {
		t.Errorf("the control path is there without being asked for: %d", status)
	}
	r = newRig(t, bmcsim.Options{ControlPath: "/lab/faults"}, nil)
	if status, _ := r.do(t, http.MethodPut, "/lab/faults", map[string]any{"nonsense": 1}); status != http.StatusBadRequest {
		t.Errorf("unknown faults were taken: %d", status)
	}
}

func TestFixedAddress(t *testing.T) {
	r := newRig(t, bmcsim.Options{}, nil)
	host := r.bmc.HostPort()
	must(t, r.bmc.Close())
	m := machinetest.New(machinetest.Hardware(uuid))
	again, err := r.server.Add(bmcsim.Config{Name: "node-1", Machine: m, Listen: host, Username: "admin", Password: secret.New("secret")})
	must(t, err)
	if again.Address() != "redfish-virtualmedia+https://"+host+"/redfish/v1/Systems/1" {
		t.Errorf("address %s, want one at %s", again.Address(), host)
	}
	if _, err := bmc.ParseAddress(again.AddressFor("redfish")); err != nil {
		t.Error(err)
	}
	if _, err := r.server.Add(bmcsim.Config{Name: "node-2", Machine: m, Listen: host}); err == nil {
		t.Error("two BMCs at one address")
	}
}
