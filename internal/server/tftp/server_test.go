package tftp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	peer "github.com/pin/tftp/v3"

	"github.com/ingotmetal/ingot/internal/server/tftp"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
)

const bootID = "0f3c9b7e5a1d4c2f8e6b0a9d7c5f3e1b"

var opens = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// patience bounds every wait of a test.
const patience = 3 * time.Minute

type site struct {
	addr     string
	content  []byte
	windows  *window.Index
	now      func(time.Time)
	outcomes chan string
}

func serve(t testing.TB, size int) *site {
	t.Helper()
	st := &site{content: make([]byte, size), windows: window.New(), outcomes: make(chan string, 100_000)}
	_, _ = rand.NewChaCha8([32]byte{2}).Read(st.content) // never fails
	st.windows.SetSettings(netboot.Settings{Mode: netboot.Server, BootServer: netip.MustParseAddr("127.0.0.1")})
	put(t, st, netip.MustParsePrefix("127.0.0.1/8"))
	var mu sync.Mutex
	now := opens
	st.now = func(at time.Time) { mu.Lock(); defer mu.Unlock(); now = at }
	file := tftp.File{ReaderAt: bytes.NewReader(st.content), Size: int64(size)}
	s := &tftp.Server{
		Windows: st.windows, Files: map[string]tftp.File{netboot.FileSNPOnly: file, netboot.FileUNDIOnly: file},
		Listen: func(ctx context.Context) (net.PacketConn, error) {
			return new(net.ListenConfig).ListenPacket(ctx, "udp4", "127.0.0.1:0")
		},
		Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now },
		Log: slog.New(slog.DiscardHandler), Count: func(o string) { st.outcomes <- o }, Retry: 50 * time.Millisecond,
	}
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	st.addr = conn.LocalAddr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, conn) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return st
}

func put(t testing.TB, st *site, lease netip.Prefix) {
	t.Helper()
	mac := netboot.MAC{2}
	err := st.windows.Put(window.Entry{Window: netboot.Window{BootID: bootID, Boots: netboot.BootsAgent, MACs: []netboot.MAC{mac},
		Leases: []netboot.Lease{{MAC: mac, Address: lease}}, OpensAt: opens, ClosesAt: opens.Add(time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
}

func (st *site) wait(t *testing.T, want string) {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case got := <-st.outcomes:
			if got == want {
				return
			}
		case <-limit:
			t.Fatalf("%q was not counted", want)
		}
	}
}

// The library that other Go programs use must understand us, at every block size and at the sizes around a block's end.
func TestForeignClient(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, 1468 * 3, 300_000} {
		for _, block := range []int{512, 1468, 8192} {
			t.Run(fmt.Sprintf("%d bytes in blocks of %d", size, block), func(t *testing.T) {
				st := serve(t, size)
				c, err := peer.NewClient(st.addr)
				if err != nil {
					t.Fatal(err)
				}
				c.SetBlockSize(block)
				c.RequestTSize(true)
				w, err := c.Receive(bootID+"/snponly.efi", "octet")
				if err != nil {
					t.Fatal(err)
				}
				if n, ok := w.(peer.IncomingTransfer).Size(); !ok || n != int64(size) {
					t.Errorf("tsize %d (%v), want %d", n, ok, size)
				}
				var got bytes.Buffer
				if _, err := w.WriteTo(&got); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.Bytes(), st.content) {
					t.Errorf("%d other bytes", got.Len())
				}
				st.wait(t, "sent")
			})
		}
	}
}

// raw is a client that does as it is told.
type raw struct {
	t    *testing.T
	conn net.PacketConn
	to   net.Addr
}

func newRaw(t *testing.T, st *site) *raw {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	to, err := net.ResolveUDPAddr("udp4", st.addr)
	if err != nil {
		t.Fatal(err)
	}
	return &raw{t, conn, to}
}

func (r *raw) send(b []byte) {
	r.t.Helper()
	if _, err := r.conn.WriteTo(b, r.to); err != nil {
		r.t.Fatal(err)
	}
}

// read is the next packet; from then on everything goes to where it came from.
func (r *raw) read() []byte {
	r.t.Helper()
	if err := r.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	buf := make([]byte, 70_000)
	n, from, err := r.conn.ReadFrom(buf)
	if err != nil {
		r.t.Fatal(err)
	}
	r.to = from
	return buf[:n]
}

func rrq(name string, options ...string) []byte {
	return []byte("\x00\x01" + strings.Join(append([]string{name, "octet"}, options...), "\x00") + "\x00")
}

func ack(block uint16) []byte { return binary.BigEndian.AppendUint16([]byte{0, 4}, block) }

// A client with a window of blocks (RFC 7440) that loses packets: every block lost drops with all that follow it in the window, and the last one in order is acknowledged.
func TestWindowsWithLoss(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		t.Run(fmt.Sprintf("lossy %v", lossy), func(t *testing.T) {
			st := serve(t, 40_000_000/100)
			r := newRaw(t, st)
			r.send(rrq(bootID+"/undionly.kpxe", "blksize", "1024", "windowsize", "16", "tsize", "0"))
			if got, want := string(r.read()), "\x00\x06blksize\x001024\x00windowsize\x0016\x00tsize\x00400000\x00"; got != want {
				t.Fatalf("OACK %q, want %q", got, want)
			}
			got := receive(r, 1024, 16, lossy)
			if !bytes.Equal(got, st.content) {
				t.Errorf("%d other bytes", len(got))
			}
			st.wait(t, "sent")
		})
	}
}

// receive takes a whole file, with blocks lost on the way if lossy. A block that it has is one that the server sent again, and is dropped.
func receive(r *raw, block, window int, lossy bool) []byte {
	loss := rand.New(rand.NewPCG(1, 2))
	var got []byte
	last, inWindow, told := 0, 0, false
	r.send(ack(0))
	for {
		p := r.read()
		if binary.BigEndian.Uint16(p) != 3 || lossy && loss.IntN(40) == 0 {
			continue
		}
		switch ahead := int16(binary.BigEndian.Uint16(p[2:]) - uint16(last+1)); {
		case ahead < 0:
			continue
		case ahead > 0:
			if !told {
				r.send(ack(uint16(last)))
				inWindow, told = 0, true
			}
			continue
		}
		last, inWindow, told = last+1, inWindow+1, false
		got = append(got, p[4:]...)
		if len(p)-4 < block {
			r.send(ack(uint16(last)))
			return got
		}
		if inWindow == window {
			r.send(ack(uint16(last)))
			inWindow = 0
		}
	}
}

// Block numbers are 16 bits wide and begin again.
func TestMoreThan65535Blocks(t *testing.T) {
	st := serve(t, 8*65536+8*100+3)
	r := newRaw(t, st)
	r.send(rrq(bootID+"/undionly.kpxe", "blksize", "8", "windowsize", "64"))
	r.read()
	if got := receive(r, 8, 64, false); !bytes.Equal(got, st.content) {
		t.Errorf("%d other bytes", len(got))
	}
}

func TestOptionsAreBounded(t *testing.T) {
	st := serve(t, 100)
	r := newRaw(t, st)
	r.send(rrq(bootID+"/snponly.efi", "BLKSIZE", "65464", "windowsize", "65535", "timeout", "9", "multicast", "", "blksize", "8"))
	if got, want := string(r.read()), "\x00\x06blksize\x008192\x00windowsize\x0064\x00timeout\x009\x00"; got != want {
		t.Errorf("OACK %q, want %q", got, want)
	}
}

// Firmware asks for the size, aborts, and asks again.
func TestAbortedByClient(t *testing.T) {
	st := serve(t, 100)
	r := newRaw(t, st)
	r.send(rrq(bootID+"/snponly.efi", "tsize", "0"))
	r.read()
	r.send([]byte("\x00\x05\x00\x08aborted\x00"))
	st.wait(t, "aborted-by-client")
}

func TestASilentClientIsGivenUp(t *testing.T) {
	st := serve(t, 100)
	r := newRaw(t, st)
	r.send(rrq(bootID + "/snponly.efi"))
	first := r.read()
	if again := r.read(); !bytes.Equal(first, again) {
		t.Error("another block was sent although the first one was not acknowledged")
	}
	st.wait(t, "client-silent")
}

// What is not served is not answered: each outcome is named, and the next packet that comes is the answer to the request that is served.
func TestSilence(t *testing.T) {
	name := bootID + "/snponly.efi"
	tests := []struct {
		name   string
		packet []byte
		edit   func(t *testing.T, st *site)
		want   string
	}{
		{"a write", []byte("\x00\x02" + name + "\x00octet\x00"), nil, "malformed"},
		{"netascii", []byte("\x00\x01" + name + "\x00netascii\x00"), nil, "malformed"},
		{"not ended", []byte("\x00\x01" + name + "\x00octet"), nil, "malformed"},
		{"another file of the boot", rrq(bootID + "/boot.cpio"), nil, "no-such-file"},
		{"a path", rrq(bootID + "/../snponly.efi"), nil, "no-such-file"},
		{"without a boot", rrq("snponly.efi"), nil, "no-such-file"},
		{"another boot", rrq("0/snponly.efi"), nil, "no-window-for-this-mac"},
		{"from a neighbour", rrq(name), func(t *testing.T, st *site) { put(t, st, netip.MustParsePrefix("127.0.0.9/8")) }, "not-the-address-leased-in-this-window"},
		{"too early", rrq(name), func(_ *testing.T, st *site) { st.now(opens.Add(-1)) }, "window-not-open-yet"},
		{"too late", rrq(name), func(_ *testing.T, st *site) { st.now(opens.Add(time.Hour)) }, "window-closed"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			st := serve(t, 100)
			if tc.edit != nil {
				tc.edit(t, st)
			}
			r := newRaw(t, st)
			r.send(tc.packet)
			st.wait(t, tc.want)
			st.now(opens)
			put(t, st, netip.MustParsePrefix("127.0.0.1/8"))
			r.send(rrq(name))
			if p := r.read(); binary.BigEndian.Uint16(p) != 3 {
				t.Errorf("answered with % x", p)
			}
		})
	}
}

func TestSessionsAreBounded(t *testing.T) {
	st := serve(t, 100)
	r := newRaw(t, st)
	for range 65 {
		r.send(rrq(bootID + "/snponly.efi"))
	}
	st.wait(t, "too-many-transfers")
}

func BenchmarkTransfer(b *testing.B) {
	for _, clients := range []int{1, 4} {
		b.Run(fmt.Sprintf("lock-step, %d clients", clients), func(b *testing.B) {
			st := serve(b, 1<<20)
			b.SetBytes(int64(clients) << 20)
			for b.Loop() {
				var all sync.WaitGroup
				for range clients {
					all.Go(func() {
						c, err := peer.NewClient(st.addr)
						if err != nil {
							b.Error(err)
							return
						}
						c.SetBlockSize(1468)
						w, err := c.Receive(bootID+"/snponly.efi", "octet")
						if err == nil {
							_, err = w.WriteTo(io.Discard)
						}
						if err != nil {
							b.Error(err)
						}
					})
				}
				all.Wait()
			}
		})
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(rrq(bootID+"/snponly.efi", "blksize", "1468", "windowsize", "4", "tsize", "0"))
	f.Add(rrq(bootID + "/undionly.kpxe"))
	f.Add([]byte("\x00\x01\x00\x00"))
	f.Add([]byte("\x00\x02x\x00octet\x00"))
	st := window.New()
	st.SetSettings(netboot.Settings{Mode: netboot.Proxy, BootServer: netip.MustParseAddr("127.0.0.1")})
	if err := st.Put(window.Entry{Window: netboot.Window{BootID: bootID, Boots: netboot.BootsAgent, OpensAt: opens, ClosesAt: opens.Add(time.Hour)}}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		outcome := tftp.Admit(st, opens, b)
		if slices.Contains([]string{"started", "malformed", "no-such-file", "no-window-for-this-mac"}, outcome) {
			return
		}
		t.Fatalf("outcome %q", outcome)
	})
}
