package agent_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

const diskBytes = 64 << 20

// testImage is a raw image of 8 MiB.
func testImage() []byte {
	b := bytes.Repeat([]byte("ingot test image\n"), 8<<20/17+1)
	return b[:8<<20]
}

func serveImage(t testing.TB, content []byte, asked *atomic.Int64) protocol.Image {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.ServeContent(w, r, "image.raw", time.Unix(1, 0), bytes.NewReader(content))
	}))
	t.Cleanup(server.Close)
	sum := sha256.Sum256(content)
	return protocol.Image{URL: server.URL + "/image.raw", Format: "raw", Checksum: hex.EncodeToString(sum[:]), ChecksumType: "sha256"}
}

func deadline() time.Time { return time.Now().Add(time.Hour) }

// steps is a host's whole life in memory, in order; write-image follows on what choose-disk found.
func runSteps(t testing.TB, site *agentapitest.Site, m *fakeMachine, image protocol.Image) {
	t.Helper()
	do := func(s protocol.Step) step.Outcome {
		s.Deadline = deadline()
		site.Want("b", &s)
		o := site.AwaitOutcome("b", s.ID, patience)
		if o.Failure != nil {
			t.Fatalf("step %s: %s %s", s.ID, o.Failure.Kind, o.Failure.Message)
		}
		return o
	}
	if o := do(protocol.Step{ID: "inspect-1", Kind: step.Inspect}); o.Inventory == nil || len(o.Inventory.Disks) != 2 {
		t.Errorf("inventory %+v", o.Inventory)
	}
	if o := do(protocol.Step{ID: "clean-1", Kind: step.Clean, Clean: &protocol.Clean{Method: "metadata"}}); len(o.Wipes) != 2 || !o.Wipes[0].Clean || !o.Wipes[1].Clean {
		t.Errorf("wipes %+v", o.Wipes)
	}
	hints := &rootdevice.Hints{SerialNumber: "SERIAL-1"}
	chosen := do(protocol.Step{ID: "choose-1", Kind: step.ChooseDisk, ChooseDisk: &protocol.ChooseDisk{Hints: hints}})
	if chosen.Disk == nil || chosen.Disk.Name != "/dev/sdb" {
		t.Fatalf("chosen %+v", chosen.Disk)
	}
	claim := step.Disk{Name: chosen.Disk.Name, SerialNumber: chosen.Disk.SerialNumber, WWN: chosen.Disk.WWN, SizeBytes: chosen.Disk.SizeBytes}
	wrote := do(protocol.Step{ID: "write-1", Kind: step.WriteImage, WriteImage: &protocol.WriteImage{Claim: claim, Hints: hints, Image: image}})
	if wrote.Written == nil || wrote.Written.ImageBytes != 8<<20 || wrote.Written.Digest != "sha256:"+image.Checksum {
		t.Errorf("written %+v", wrote.Written)
	}
	site.Want("b", &protocol.Step{ID: "off-1", Kind: step.PowerOff, Deadline: deadline()})
}

func checkDisks(t testing.TB, m *fakeMachine, content []byte) {
	t.Helper()
	got, err := os.ReadFile(m.opener.Disks["/dev/sdb"].Path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[:len(content)], content) {
		t.Error("the chosen disk does not hold the image")
	}
	other, err := os.ReadFile(m.opener.Disks["/dev/sda"].Path)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(other, func(b byte) bool { return b != 0 }) {
		t.Error("the other disk was written to")
	}
}

func TestWholeLife(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	site.Start()
	m := newMachine(t, diskBytes)
	var asked atomic.Int64
	image := serveImage(t, testImage(), &asked)
	ended := live(t, site, m, site.Open("b", "secret-token", mac))
	runSteps(t, site, m, image)
	if err := awaitOff(t, m, ended); err != nil {
		t.Errorf("the agent ended with %v", err)
	}
	checkDisks(t, m, testImage())
	if n := site.Enrolments("b"); n != 1 {
		t.Errorf("the token was traded %d times", n)
	}
	if uuid := site.SystemUUID("b"); uuid != systemUUID {
		t.Errorf("the agent called its machine %q when it was let in, want %q", uuid, systemUUID)
	}
	log := site.Log("b")
	for _, want := range []string{"Enrolled", "step=inspect-1", "Image written", "Turning the machine off"} {
		if !strings.Contains(log, want) {
			t.Errorf("the shipped log lacks %q:\n%s", want, log)
		}
	}
	if strings.Contains(log, "secret-token") {
		t.Error("the token is in the log")
	}
}

// A restart of the partition role that swallows any one answer changes nothing: for each request of a whole life, the answer to it is lost, and the role comes back.
func TestAnyAnswerMayBeLost(t *testing.T) {
	for lost := int64(1); ; lost++ {
		served := int64(0)
		t.Run(fmt.Sprintf("answer %d", lost), func(t *testing.T) { served = lifeWithout(t, lost) })
		if t.Failed() || served < lost {
			t.Logf("a life has %d exchanges", served)
			if lost < 6 {
				t.Errorf("only %d answers were lost: that is no life", lost)
			}
			return
		}
	}
}

// lifeWithout loses the answer to one request and restarts the server after it.
func lifeWithout(t *testing.T, lost int64) (served int64) {
	site := agentapitest.New(t, "127.0.0.1")
	var count atomic.Int64
	restart := make(chan struct{}, 1)
	site.Lose = func(r *http.Request) bool {
		if r.URL.Path == protocol.PathLog || count.Add(1) != lost {
			return false
		}
		restart <- struct{}{}
		return true
	}
	site.Start()
	m := newMachine(t, diskBytes)
	var asked atomic.Int64
	image := serveImage(t, testImage(), &asked)
	config := site.Open("b", "secret-token", mac)
	done := make(chan struct{})
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		select {
		case <-restart:
			site.Stop()
			site.Start()
		case <-done:
		}
	}()
	ended := live(t, site, m, config)
	runSteps(t, site, m, image)
	err := awaitOff(t, m, ended)
	close(done)
	<-restarted
	if err != nil {
		t.Errorf("the agent ended with %v", err)
	}
	checkDisks(t, m, testImage())
	if n := m.count(&m.inspected); n != 1 {
		t.Errorf("inspected %d times", n)
	}
	// Once by the wipe, once by the write.
	if n := m.opened["/dev/sdb"]; n != 2 {
		t.Errorf("the disk was opened for writing %d times", n)
	}
	if n := site.Enrolments("b"); n != 1 {
		t.Errorf("the token was traded %d times", n)
	}
	return count.Load()
}
