package redfish_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/step"
)

// firmwareOf is an image for the simulated machines with zeros behind it, of a size in all.
type firmwareOf struct {
	head []byte
	size int64
}

func newFirmware(t *testing.T, component, version string, size int64) firmwareOf {
	t.Helper()
	head, err := bmcsim.FirmwareImage(component, version)
	if err != nil {
		t.Fatal(err)
	}
	return firmwareOf{head, size}
}

// ReadAt implements io.ReaderAt.
func (f firmwareOf) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), f.size-off))
	clear(p[:n])
	if off < int64(len(f.head)) {
		copy(p[:n], f.head[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f firmwareOf) image(push bool) bmc.Image {
	return bmc.Image{URL: "https://files.example.org/bios.bin", Content: f, SizeBytes: f.size, Name: "bios.bin", Push: push}
}

// TestALargeImageIsPushedAsItIsRead: 512 MiB arrive as they are, and never stand in memory.
func TestALargeImageIsPushedAsItIsRead(t *testing.T) {
	for _, p := range []bmcsim.Personality{{Name: "form", NoSimpleUpdate: true}, {Name: "image alone", NoSimpleUpdate: true, OctetPush: true}} {
		t.Run(p.Name, func(t *testing.T) {
			s := newSim(t, p)
			session, err := newDriver(t, fast()).Open(t.Context(), s.target)
			if err != nil {
				t.Fatal(err)
			}
			fw := newFirmware(t, "bios", "2.0", 512<<20)
			want := sha256.New()
			if _, err := io.Copy(want, io.NewSectionReader(fw, 0, fw.size)); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			// It is not asked to be pushed: the BMC fetches nothing.
			ticket, err := session.Components().Start(t.Context(), "bios", fw.image(false))
			runtime.ReadMemStats(&after)
			if err != nil || ticket == "" {
				t.Fatal(ticket, err)
			}
			// The driver and the simulated BMC share this process.
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
				t.Errorf("%d MiB were allocated for an image of 512 MiB", grown>>20)
			}
			got := s.bmc.FirmwarePushed()
			if len(got) != 1 || got[0].Bytes != fw.size || got[0].SHA256 != hex.EncodeToString(want.Sum(nil)) || !p.OctetPush && got[0].File != "bios.bin" {
				t.Errorf("the BMC was sent %+v", got)
			}
		})
	}
}

// TestPushesThatFail say why, and a lost answer is one of which nothing is known.
func TestPushesThatFail(t *testing.T) {
	small := newFirmware(t, "bios", "2.0", 100_000)
	nothing := firmwareOf{[]byte("no firmware"), 100}
	for name, c := range map[string]struct {
		personality bmcsim.Personality
		faults      bmcsim.Faults
		image       bmc.Image
		kind        step.FailureKind
		text        string
	}{
		"cut off":              {bmcsim.Personality{}, bmcsim.Faults{CutPushAt: 50_000}, small.image(true), step.Unreachable, "POST /redfish/v1/UpdateService/update-multipart"},
		"no firmware":          {bmcsim.Personality{}, bmcsim.Faults{}, nothing.image(true), step.Invalid, "no firmware of this machine"},
		"too large":            {bmcsim.Personality{}, bmcsim.Faults{}, newFirmware(t, "bios", "2.0", 2<<30).image(true), step.Invalid, "at most 1073741824 bytes"},
		"it takes none":        {bmcsim.Personality{NoPush: true}, bmcsim.Faults{}, small.image(true), step.Unsupported, "no image by push"},
		"neither way":          {bmcsim.Personality{NoPush: true, NoSimpleUpdate: true}, bmcsim.Faults{}, small.image(false), step.Unsupported, "no update by URL and none by push"},
		"it is not at hand":    {bmcsim.Personality{NoSimpleUpdate: true}, bmcsim.Faults{}, bmc.Image{URL: "https://a/b"}, step.Unsupported, "not at hand"},
		"it cannot be read":    {bmcsim.Personality{}, bmcsim.Faults{}, bmc.Image{URL: "https://a/b", Content: broken{}, SizeBytes: 10, Push: true}, step.Unreachable, "broken on purpose"},
		"image alone, cut":     {bmcsim.Personality{OctetPush: true}, bmcsim.Faults{CutPushAt: 50_000}, small.image(true), step.Unreachable, "POST /redfish/v1/UpdateService/update"},
		"image alone, strange": {bmcsim.Personality{OctetPush: true}, bmcsim.Faults{}, nothing.image(true), step.Invalid, "no firmware of this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, c.personality, func(f *bmcsim.Config) { f.Faults = c.faults })
			session, err := newDriver(t, fast()).Open(t.Context(), s.target)
			if err != nil {
				t.Fatal(err)
			}
			_, err = session.Components().Start(t.Context(), "bios", c.image)
			if f := bmc.FailureOf(err); f == nil || f.Kind != c.kind || !strings.Contains(f.Message, c.text) {
				t.Errorf("%+v", f)
			}
			if got := s.bmc.FirmwarePushed(); len(got) != 0 {
				t.Errorf("the BMC was sent %+v", got)
			}
		})
	}
}

type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errors.New("broken on purpose") }

// TestAPushUnderALostSession is done again under a new one.
func TestAPushUnderALostSession(t *testing.T) {
	s := newSim(t, bmcsim.Personality{})
	session, err := newDriver(t, fast()).Open(t.Context(), s.target)
	if err != nil {
		t.Fatal(err)
	}
	fw := newFirmware(t, "bios", "2.0", 3<<20)
	s.bmc.DropSessions()
	if _, err := session.Components().Start(t.Context(), "bios", fw.image(true)); err != nil {
		t.Fatal(err)
	}
	if got := s.bmc.FirmwarePushed(); len(got) != 1 || got[0].Bytes != fw.size {
		t.Errorf("the BMC was sent %+v", got)
	}
}

// TestAPushedUpdateIsFound while it runs, and an ended one is not taken for it.
func TestAPushedUpdateIsFound(t *testing.T) {
	s := newSim(t, bmcsim.Personality{}, func(c *bmcsim.Config) { c.Faults.UpdateMilliseconds = 60_000 })
	session, err := newDriver(t, fast()).Open(t.Context(), s.target)
	if err != nil {
		t.Fatal(err)
	}
	fw := newFirmware(t, "bios", "2.0", 1<<20)
	ticket, err := session.Components().Start(t.Context(), "bios", fw.image(true))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := session.Components().Find(t.Context(), fw.image(true).URL); err != nil || found != ticket || ticket == "" {
		t.Errorf("found %q, %v; the ticket is %q", found, err, ticket)
	}
}

// TestAStoredPushIsNoUpdate: a BMC that answers a push by saying where it keeps the image waits for an order of its maker's own.
func TestAStoredPushIsNoUpdate(t *testing.T) {
	s := newSim(t, bmcsim.Personality{})
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.target.CAPEM) {
		t.Fatal("no CA")
	}
	o := fast()
	o.Transport = storing{&http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}}}
	session, err := newDriver(t, o).Open(t.Context(), s.target)
	if err != nil {
		t.Fatal(err)
	}
	_, err = session.Components().Start(t.Context(), "bios", newFirmware(t, "bios", "2.0", 1000).image(true))
	if f := bmc.FailureOf(err); f == nil || f.Kind != step.Unsupported || !strings.Contains(f.Message, "for a later order") {
		t.Errorf("%+v", f)
	}
}

// storing is the way to a BMC that keeps what is pushed.
type storing struct{ http.RoundTripper }

func (s storing) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/update-multipart") {
		return s.RoundTripper.RoundTrip(r)
	}
	_, err := io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: http.StatusCreated, Header: http.Header{"Location": {"/redfish/v1/UpdateService/FirmwareInventory/Available-1"}}, Body: http.NoBody, Request: r}, err
}
