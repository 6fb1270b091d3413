package ethernet

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/socket/framing"
)

var (
	macA      = MAC{2, 0, 0, 0, 0, 0xa}
	macB      = MAC{2, 0, 0, 0, 0, 0xb}
	broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

func frame(dst, src MAC, payload string) []byte {
	f := append(append([]byte{}, dst[:]...), src[:]...)
	f = append(f, 0x88, 0xb5)
	return append(f, payload...)
}

// station is the far end of a port.
type station struct {
	t *testing.T
	w *framing.Writer
	// frames carries what the station receives; closed with the stream.
	frames chan []byte
	conn   net.Conn
}

func plug(t *testing.T, p *Port) *station {
	t.Helper()
	near, far := net.Pipe()
	if err := p.Attach(near); err != nil {
		t.Fatal(err)
	}
	return newStation(t, far)
}

func newStation(t *testing.T, conn net.Conn) *station {
	st := &station{t: t, w: framing.NewWriter(conn), frames: make(chan []byte, 100), conn: conn}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		defer close(st.frames)
		r := framing.NewReader(conn)
		for {
			f, err := r.Read()
			if err != nil {
				return
			}
			st.frames <- f
		}
	}()
	return st
}

func (st *station) send(f []byte) {
	st.t.Helper()
	if err := st.w.Write(f); err != nil {
		st.t.Fatal(err)
	}
	if err := st.w.Flush(); err != nil {
		st.t.Fatal(err)
	}
}

func (st *station) expect(want []byte) {
	st.t.Helper()
	ctx, cancel := context.WithTimeout(st.t.Context(), 3*time.Minute)
	defer cancel()
	select {
	case got := <-st.frames:
		if !bytes.Equal(got, want) {
			st.t.Fatalf("received %q, want %q", got, want)
		}
	case <-ctx.Done():
		st.t.Fatalf("nothing received, want %q", want)
	}
}

func newSwitch(t *testing.T, o Options) *Switch {
	t.Helper()
	if o.AnnounceEvery == 0 {
		o.AnnounceEvery = -1
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestSwitchLearnsWhereAnAddressIs(t *testing.T) {
	s := newSwitch(t, Options{})
	a, b, c := plug(t, s.Port("a")), plug(t, s.Port("b")), plug(t, s.Port("c"))

	hello := frame(broadcast, macA, "hello")
	a.send(hello)
	b.expect(hello)
	c.expect(hello)

	reply := frame(macA, macB, "reply")
	b.send(reply)
	a.expect(reply)

	// c must not see the reply nor the answer to it: the next thing it sees is a later broadcast.
	answer := frame(macB, macA, "answer")
	a.send(answer)
	b.expect(answer)
	last := frame(broadcast, macA, "last")
	a.send(last)
	c.expect(last)
	if got := s.Lookup(macB); got != "b" {
		t.Fatalf("%s is behind port %q, want b", macB, got)
	}
}

func TestLinkDownCutsBothWays(t *testing.T) {
	s := newSwitch(t, Options{})
	a, b := plug(t, s.Port("a")), plug(t, s.Port("b"))
	s.Port("b").SetLink(false)
	a.send(frame(broadcast, macA, "lost"))
	b.send(frame(broadcast, macB, "lost too"))
	// Both lost frames must be through the switch before the link is joined again.
	waitFor(t, func() bool {
		return s.Port("a").Counters().Received == 1 && s.Port("b").Counters().Dropped == 1
	})
	s.Port("b").SetLink(true)
	hello := frame(broadcast, macA, "hello")
	a.send(hello)
	b.expect(hello)
	back := frame(broadcast, macB, "back")
	b.send(back)
	a.expect(back)
}

func TestAFullQueueDropsAndBlocksNobody(t *testing.T) {
	s := newSwitch(t, Options{})
	a, b := plug(t, s.Port("a")), plug(t, s.Port("b"))
	// The deaf station never reads, so its port's queue fills up.
	near, far := net.Pipe()
	t.Cleanup(func() { _ = far.Close() })
	if err := s.Port("deaf").Attach(near); err != nil {
		t.Fatal(err)
	}
	const flood = queueFrames + 1000
	for range flood {
		f := frame(broadcast, macA, "flood")
		a.send(f)
		b.expect(f)
	}
	// The port's writer has one frame in hand, and before it as many as its buffer took while the queue was never seen empty.
	waitFor(t, func() bool {
		c := s.Port("deaf").Counters()
		return c.Dropped > 0 && c.Dropped+c.Sent+queueFrames+1 >= flood
	})
}

func TestPortTakesANewStreamAfterTheOldOneEnded(t *testing.T) {
	s := newSwitch(t, Options{})
	p := s.Port("a")
	a := plug(t, p)
	if err := p.Attach(a.conn); err == nil {
		t.Fatal("a second stream was attached to a port in use")
	}
	p.Detach()
	if p.Attached() {
		t.Fatal("port is still attached after Detach")
	}
	a, b := plug(t, p), plug(t, s.Port("b"))
	hello := frame(broadcast, macA, "hello")
	a.send(hello)
	b.expect(hello)
}

func TestBrokenFramingEndsTheStream(t *testing.T) {
	s := newSwitch(t, Options{})
	near, far := net.Pipe()
	if err := s.Port("a").Attach(near); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Write([]byte{0, 0, 0, 1, 0}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return !s.Port("a").Attached() })
}

func TestListenMakesAPortPerStream(t *testing.T) {
	s := newSwitch(t, Options{})
	path := filepath.Join(t.TempDir(), "s")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s.Listen(l, "role-")
	dial := func() *station {
		conn, err := new(net.Dialer).DialContext(t.Context(), "unix", path)
		if err != nil {
			t.Fatal(err)
		}
		return newStation(t, conn)
	}
	a, b := dial(), dial()
	waitFor(t, func() bool { return len(s.Ports()) == 2 })
	hello := frame(broadcast, macA, "hello")
	a.send(hello)
	b.expect(hello)
	_ = a.conn.Close()
	waitFor(t, func() bool { return len(s.Ports()) == 1 })
	if got := s.Lookup(macA); got != "" {
		t.Fatalf("address of a gone port is still known behind %q", got)
	}
}

func TestAnnouncesEachPortByLLDP(t *testing.T) {
	s := newSwitch(t, Options{AnnounceEvery: time.Millisecond, Name: "rack7"})
	st := plug(t, s.Port("node-0/eth0"))
	got := <-st.frames
	if !bytes.Equal(got[:6], lldpMulticast[:]) || binary.BigEndian.Uint16(got[12:]) != lldpEtherType {
		t.Fatalf("no LLDP frame: %x", got)
	}
	tlvs := map[int]string{}
	for b := got[14:]; ; {
		h := binary.BigEndian.Uint16(b)
		kind, n := int(h>>9), int(h&0x1ff)
		if kind == tlvEnd {
			break
		}
		tlvs[kind] = string(b[2 : 2+n])
		b = b[2+n:]
	}
	if tlvs[tlvPortID] != "\x05node-0/eth0" || tlvs[tlvSystemName] != "rack7" || tlvs[tlvChassisID] != "\x04\x02\x69\x6e\x67\x00\x01" {
		t.Fatalf("announced %v", tlvs)
	}
}

func TestCaptureHoldsWhatEntered(t *testing.T) {
	var file bytes.Buffer
	s := newSwitch(t, Options{Capture: &file})
	a, b := plug(t, s.Port("a")), plug(t, s.Port("b"))
	hello := frame(broadcast, macA, "hello")
	a.send(hello)
	b.expect(hello)
	s.Close()
	got := file.Bytes()
	if len(got) != 24+16+len(hello) || binary.LittleEndian.Uint32(got) != 0xa1b2c3d4 || !bytes.Equal(got[40:], hello) {
		t.Fatalf("capture is %x", got)
	}
}

// waitFor polls a condition that no channel announces.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("condition never held")
		}
	}
}
