package redfish_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/redfish"
	"github.com/ingotmetal/ingot/internal/secret"
)

// fuzzed answers from the good BMC, save for one path, which gets the fuzzer's bytes.
type fuzzed struct {
	good   badBMC
	path   string
	status int
	body   string
}

// RoundTrip implements http.RoundTripper.
func (f fuzzed) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := &memory{header: http.Header{}, status: http.StatusOK}
	if strings.HasPrefix(r.URL.Path, f.path) {
		w.status = f.status
		w.body.WriteString(f.body)
	} else {
		f.good.ServeHTTP(w, r)
	}
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: io.NopCloser(strings.NewReader(w.body.String())), Request: r, Proto: "HTTP/1.1",
	}, nil
}

// memory is a response without a connection.
type memory struct {
	header http.Header
	status int
	body   strings.Builder
}

func (m *memory) Header() http.Header         { return m.header }
func (m *memory) WriteHeader(status int)      { m.status = status }
func (m *memory) Write(p []byte) (int, error) { return m.body.Write(p) }

// FuzzAnswers feeds any body with any status to each of the parsing paths: no panic, no endless loop, and errors that say where.
func FuzzAnswers(f *testing.F) {
	paths := []string{"/redfish/v1/Systems/1/VirtualMedia/1", "/redfish/v1/", "/redfish/v1/Systems", "/redfish/v1/Systems/1", "/redfish/v1/Systems/1/VirtualMedia", "/more"}
	for i := range paths {
		for _, doc := range []string{rootDoc, systemsDoc, systemDoc, mediaDoc, driveDoc, passwordInError, moreDoc, updateDoc, "", "null", "[]", `{"Members":{"@odata.id":7}}`, "<html>"} {
			f.Add(uint8(i), uint16(200), doc)
		}
		f.Add(uint8(i), uint16(503), extended("ResourceInUse", "busy"))
		f.Add(uint8(i), uint16(202), `{"@odata.id":"/more","TaskState":"Running"}`)
	}
	f.Fuzz(func(t *testing.T, which uint8, status uint16, body string) {
		good := goodBMC()
		good["/redfish/v1/"] = says(200, replaceIn(rootDoc, `"Systems"`, `"UpdateService":{"@odata.id":"/more"},"Tasks":{"@odata.id":"/more"},"Systems"`))
		good["/redfish/v1/Systems/1"] = says(200, replaceIn(systemDoc, `"PowerState"`,
			`"Processors":{"@odata.id":"/more"},"EthernetInterfaces":{"@odata.id":"/more"},"Storage":{"@odata.id":"/more"},"SimpleStorage":{"@odata.id":"/more"},"LogServices":{"@odata.id":"/more/HostLogger"},"SecureBoot":{"@odata.id":"/more"},"Bios":{"@odata.id":"/more"},"Status":{"HealthRollup":"Critical"},"Links":{"Chassis":[{"@odata.id":"/more/chassis"}]},"PowerState"`))
		o := fast()
		o.Transport = fuzzed{good: good, path: paths[int(which)%len(paths)], status: 200 + int(status)%400, body: body}
		o.PollInterval, o.FollowTimeout, o.MaxBodyBytes = time.Microsecond, 2*time.Millisecond, 1<<20
		d, err := redfish.New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s, err := d.Open(ctx, bmc.Target{Address: "redfish://10.0.0.5", Username: "admin", Password: secret.New("hunter2-0815")})
		sound(t, err)
		if err != nil {
			return
		}
		useAll(t, ctx, s)
		if ctx.Err() != nil {
			t.Fatal("the answers kept the driver busy for ten seconds")
		}
	})
}

// updateDoc is UpdateService, its inventory, and a task of an update in one.
const updateDoc = `{"@odata.id":"/more","Actions":{"#UpdateService.SimpleUpdate":{"target":"/more","TransferProtocol@Redfish.AllowableValues":["HTTPS"],"@Redfish.OperationApplyTimeSupport":{"SupportedValues":["Immediate"]}}},"FirmwareInventory":{"@odata.id":"/more"},"Tasks":{"@odata.id":"/more"},"Members":[{"@odata.id":"/more/1"}],"Id":"NIC1","Version":"1.2","RelatedItem":[{"@odata.id":"/x/NetworkAdapters/1"}],"NetworkAdapters":{"@odata.id":"/more"},"Controllers":[{"FirmwarePackageVersion":"1.2"}],"TaskState":"Exception","PercentComplete":"1e3","Messages":[{"Message":"no"}],"Payload":{"TargetUri":"/SimpleUpdate","JsonBody":"{\"ImageURI\":\"https:\\/\\/boot\\/bios.bin\"}"},"Oem":{"Hpe":{"State":"Error","FlashProgressPercent":-7}}}`

const moreDoc = `{"@odata.id":"/more","Members":[{"@odata.id":"/more/1"},{"@odata.id":"/more/HostLogger"}],"Members@odata.nextLink":"/more?$skip=1","Drives":[{"@odata.id":"/more/d"}],"TotalThreads":8,"MACAddress":"52:54:00:00:00:01","CapacityBytes":1e12,"Entries":{"@odata.id":"/more"},"Devices":[{"Name":"x"}],"Attributes":{"BootRetries":3},"AttributeRegistry":"R","@Redfish.Settings":{"SettingsObject":{"@odata.id":"/more"},"SupportedApplyTimes":["OnReset"]},"Location":[{"Language":"en","Uri":"/more"}],"RegistryEntries":{"Attributes":[{"AttributeName":"BootRetries","Type":"Integer"}]}}`

// useAll calls everything that reads, and what changes least.
func useAll(t *testing.T, ctx context.Context, s bmc.Session) {
	t.Helper()
	_, err := s.Power().State(ctx)
	sound(t, err)
	sound(t, s.Power().Do(ctx, bmc.PowerCycle))
	if b := s.Boot(); b != nil {
		_, err = b.Get(ctx)
		sound(t, err)
		sound(t, b.Set(ctx, bmc.BootSetting{Device: bmc.BootPXE, Mode: bmc.ModeUEFI, Once: true}))
	}
	if m := s.Media(); m != nil {
		_, err = m.Inserted(ctx)
		sound(t, err)
		sound(t, m.Insert(ctx, "http://boot/media/secret-name.iso"))
	}
	_, err = s.Inventory().Read(ctx)
	sound(t, err)
	if c := s.ConsoleLog(); c != nil {
		_, err = c.Read(ctx)
		sound(t, err)
	}
	if b := s.BIOS(); b != nil {
		now, err := b.Read(ctx)
		sound(t, err)
		_, err = b.Pending(ctx)
		sound(t, err)
		_, err = b.Registry(ctx, now.Registry)
		sound(t, err)
		sound(t, b.Set(ctx, map[string]string{"BootRetries": "7"}))
	}
	if c := s.Components(); c != nil {
		_, err := c.Read(ctx)
		sound(t, err)
		_, err = c.Start(ctx, "bios", bmc.Image{URL: "https://boot/bios.bin", Content: strings.NewReader("image"), SizeBytes: 5, Push: true})
		sound(t, err)
		ticket, err := c.Start(ctx, "bios", bmc.Image{URL: "https://boot/bios.bin"})
		sound(t, err)
		for _, ask := range []string{ticket, "/more", "update-service"} {
			p, err := c.Progress(ctx, ask)
			sound(t, err)
			if p.Percent < 0 || p.Percent > 100 || strings.ContainsAny(p.Message, "\n\r\x00") || len(ticket) > 512 {
				t.Errorf("an unsound update: %+v, ticket of %d bytes", p, len(ticket))
			}
		}
		_, err = c.Find(ctx, "https://boot/bios.bin")
		sound(t, err)
	}
	useEvents(t, ctx, s)
	sound(t, s.Close(ctx))
}

// sound: an error is a *bmc.Error with a kind and a place, fit for one line, and without the password.
func sound(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	f := bmc.FailureOf(err)
	if f.Kind == "" || !strings.Contains(f.Message, " at BMC redfish+https://10.0.0.5: ") {
		t.Errorf("error without kind or place: %+v", f)
	}
	if strings.Contains(f.Message, "hunter2-0815") || strings.ContainsAny(f.Message, "\n\r\x00") || len(f.Message) > 2000 {
		t.Errorf("an unsound message: %q", f.Message)
	}
}
