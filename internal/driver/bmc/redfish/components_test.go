package redfish_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/bmctest"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/step"
)

// firmwareServer offers an image for each component: /bios-2.0, /bmc-9.9 and /nic:NIC1-23.1.
func firmwareServer(t testing.TB) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		component, version, found := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "-")
		if !found {
			http.NotFound(w, r)
			return
		}
		image, err := bmcsim.FirmwareImage(component, version)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(image)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// updatesRig is the firmware of the simulator's machines.
func updatesRig(t testing.TB, p bmcsim.Personality) *bmctest.Updates {
	t.Helper()
	if p.NoUpdates {
		return nil
	}
	at, own := firmwareServer(t), p.Firmware
	if own == "" {
		own = "1.0"
	}
	content := func(c bmc.Component) []byte {
		image, err := bmcsim.FirmwareImage(c.Name, c.Version)
		if err != nil {
			t.Error(err)
		}
		return append(image, make([]byte, 100_000)...)
	}
	if p.NoPush {
		content = nil
	}
	return &bmctest.Updates{
		Content:    content,
		Components: []bmc.Component{{Name: "bios", Version: "1.2.3"}, {Name: "bmc", Version: own}, {Name: "nic:NIC1", Version: "22.31.6"}},
		Images: map[string]bmc.Component{
			at + "/bios-2.0": {Name: "bios", Version: "2.0"}, at + "/bmc-9.9": {Name: "bmc", Version: "9.9"}, at + "/nic:NIC1-23.1": {Name: "nic:NIC1", Version: "23.1"},
		},
		Missing: at + "/missing", NotByURL: p.NoSimpleUpdate, Waits: p.UpdateOnReset, Forgets: p.UpdateByState || p.TaskWithoutPayload,
	}
}

// TestUpdateByAProtocolThatTheBMCLacks is refused before the BMC is asked for it.
func TestUpdateByAProtocolThatTheBMCLacks(t *testing.T) {
	s := newSim(t, bmcsim.Personality{NoPush: true})
	session, err := newDriver(t, fast()).Open(t.Context(), s.target)
	if err != nil {
		t.Fatal(err)
	}
	_, err = session.Components().Start(t.Context(), "bios", bmc.Image{URL: "scp://boot/bios.bin"})
	if f := bmc.FailureOf(err); f == nil || f.Kind != step.Unsupported || !strings.Contains(f.Message, "HTTP, HTTPS, TFTP") {
		t.Errorf("%+v", f)
	}
	if asked := s.bmc.FirmwareAsked(); len(asked) != 0 {
		t.Errorf("the BMC was asked for %v", asked)
	}
}

// TestFindsTheUpdateThatRuns, also where tasks do not say what they are for: a second one must not begin beside it.
func TestFindsTheUpdateThatRuns(t *testing.T) {
	for _, p := range []bmcsim.Personality{{Name: "payload"}, {Name: "no payload", TaskWithoutPayload: true}} {
		t.Run(p.Name, func(t *testing.T) {
			s := newSim(t, p, func(c *bmcsim.Config) { c.Faults.UpdateMilliseconds = 60_000 })
			session, err := newDriver(t, fast()).Open(t.Context(), s.target)
			if err != nil {
				t.Fatal(err)
			}
			image := firmwareServer(t) + "/bios-2.0"
			ticket, err := session.Components().Start(t.Context(), "bios", bmc.Image{URL: image})
			if err != nil {
				t.Fatal(err)
			}
			found, err := session.Components().Find(t.Context(), image)
			if err != nil || found != ticket || ticket == "" {
				t.Errorf("found %q, %v; the ticket is %q", found, err, ticket)
			}
			if p, err := session.Components().Progress(t.Context(), ticket); err != nil || p.State != bmc.UpdateRuns {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
}

// TestBMCRestartsForItsOwnFirmware: while it does, following fails as Unreachable; then the session is made anew, the task is forgotten and the version is the new one.
func TestBMCRestartsForItsOwnFirmware(t *testing.T) {
	s := newSim(t, bmcsim.Personality{}, func(c *bmcsim.Config) { c.Faults.BMCRestartMilliseconds = 300 })
	session, err := newDriver(t, fast()).Open(t.Context(), s.target)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := session.Components().Start(t.Context(), "bmc", bmc.Image{URL: firmwareServer(t) + "/bmc-9.9"})
	if err != nil {
		t.Fatal(err)
	}
	gone := false
	for {
		p, err := session.Components().Progress(t.Context(), ticket)
		if err != nil && bmc.KindOf(err) != step.Unreachable {
			t.Fatal(err)
		}
		if gone = gone || err != nil; gone && err == nil {
			if p.State != bmc.UpdateUnknown {
				t.Errorf("after the restart the update is %+v", p)
			}
			break
		}
		if t.Context().Err() != nil {
			t.Fatal("the BMC never went away")
		}
	}
	all, err := session.Components().Read(t.Context())
	if err != nil || len(all) != 3 || all[1].Version != "9.9" {
		t.Errorf("%v, %v", all, err)
	}
}
