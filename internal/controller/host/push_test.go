package host_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/internal/image/fetch"
	"github.com/ingotmetal/ingot/internal/image/verified"
)

const firmwareContent = "the new BIOS, as its maker signed it"

// imageServer serves one image. While held, its answers end in the middle of the image; asked has a word for each request.
func (w *world) imageServer(held <-chan struct{}) (url string, asked <-chan struct{}) {
	w.t.Helper()
	requests := make(chan struct{}, 64)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		requests <- struct{}{}
		_, _ = rw.Write([]byte(firmwareContent[:10]))
		_ = http.NewResponseController(rw).Flush()
		select {
		case <-held:
		case <-r.Context().Done():
		}
		_, _ = rw.Write([]byte(firmwareContent[10:]))
	}))
	w.t.Cleanup(s.Close)
	w.wrap = func(o *host.Options) {
		o.FirmwareImages = verified.New(verified.Options{Folder: w.t.TempDir(), Transport: func(fetch.Policy) http.RoundTripper { return http.DefaultTransport }})
	}
	return s.URL + "/bios.bin", requests
}

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "#sha256=" + hex.EncodeToString(sum[:])
}

// TestPushedFirmware: a BMC that fetches nothing is sent the image, once its digest was right; a wrong one never reaches the BMC, and neither does an image without a digest.
func TestPushedFirmware(t *testing.T) {
	w := newWorld(t)
	open := make(chan struct{})
	close(open)
	url, _ := w.imageServer(open)
	w.bios = func(c *fake.Config) {
		withUpdates(c)
		c.Updates.PushOnly, c.Updates.Images[url] = true, "2.0"
	}
	w.start()
	m := w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	for ask, says := range map[string]string{url: "by push only", url + digestOf("another"): "the digest of " + url + " is wrong"} {
		w.askUpdates("a", "bios", ask)
		w.until("the host says why: "+says, func() bool { return strings.Contains(w.host("a").Status.ErrorMessage, says) })
		if got := m.bmc.Flashed(); len(got) != 0 {
			t.Errorf("the BMC was asked for %v", got)
		}
		w.askUpdates("a")
		w.untilState("a", metal3.StateAvailable)
	}
	w.askUpdates("a", "bios", url+"#md5=1")
	if message := w.untilUpdates("a", metal3.HostFirmwareComponentsValid, metav1.ConditionFalse); !strings.Contains(message, `has "md5=1" in its URL`) {
		t.Errorf("the condition says %s", message)
	}
	w.askUpdates("a", "bios", url+digestOf(firmwareContent))
	w.until("the update is done", func() bool { return len(w.components("a").Status.Updates) == 1 })
	if got := m.bmc.Pushed(); !slices.Equal(got, []string{firmwareContent}) || m.bmc.Version("bios") != "2.0" {
		t.Errorf("the BMC was sent %q", got)
	}
	if got := w.components("a").Status.Updates[0].URL; got != url+digestOf(firmwareContent) {
		t.Errorf("the status names %s", got)
	}
}

// TestFetchedFirmwareIsVerifiedFirst: of an image with a digest the BMC is told the URL alone, and not before it was right.
func TestFetchedFirmwareIsVerifiedFirst(t *testing.T) {
	w := newWorld(t)
	open := make(chan struct{})
	close(open)
	url, asked := w.imageServer(open)
	w.bios = func(c *fake.Config) { withUpdates(c); c.Updates.Images[url] = "2.0" }
	w.start()
	m := w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	w.askUpdates("a", "bios", url+digestOf(firmwareContent))
	w.until("the update is done", func() bool { return len(w.components("a").Status.Updates) == 1 })
	if got := m.bmc.Flashed(); !slices.Equal(got, []string{"bios " + url}) || len(m.bmc.Pushed()) != 0 {
		t.Errorf("the BMC was asked for %v and sent %q", got, m.bmc.Pushed())
	}
	if len(asked) != 1 {
		t.Errorf("the image was fetched %d times", len(asked))
	}
}

// TestAControllerThatDiesWhileItFetchesFirmware: nobody knows whether the BMC was asked; it was not, the version tells, and the next one asks it once.
func TestAControllerThatDiesWhileItFetchesFirmware(t *testing.T) {
	w := newWorld(t)
	held := make(chan struct{})
	url, asked := w.imageServer(held)
	w.bios = func(c *fake.Config) {
		withUpdates(c)
		c.Updates.PushOnly, c.Updates.Images[url] = true, "2.0"
	}
	w.start()
	m := w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	w.askUpdates("a", "bios", url+digestOf(firmwareContent))
	w.until("the image is on its way", func() bool { return len(asked) == 1 })
	w.kill()
	if got := m.bmc.Flashed(); len(got) != 0 {
		t.Fatalf("the BMC was asked for %v", got)
	}
	close(held)
	w.start()
	w.until("the update is done", func() bool {
		// After a start of the machine another version is waited for; then the update has failed, and is begun again after a pause. Time is moved in these waits alone: boots have deadlines.
		if o := w.record("a").Status.Outcome; strings.Contains(o.Message, "still shows version") || strings.Contains(o.Message, "is begun again") {
			w.advance(time.Minute)
			w.nudge("a")
		}
		return len(w.components("a").Status.Updates) == 1
	})
	if got := m.bmc.Pushed(); !slices.Equal(got, []string{firmwareContent}) || m.bmc.Version("bios") != "2.0" {
		t.Errorf("the BMC was sent %q", got)
	}
}
