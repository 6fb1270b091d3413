// Package tftp serves the few files that PXE firmware loads: read only, a fixed set, to machines whose boot window is open.
//
// It owns the protocol (RFC 1350 with the options of RFC 2347, 2348, 2349 and 7440) and the bounds of its sessions. It refuses decisions, which are netboot's, and every
// request but one to read: whatever it does not serve it does not answer, so that nothing is found by scanning and nobody is flooded through it.
//
// It is our own because the library that Go programs use for this has no windowsize and opens its own sockets: here every transfer has a socket from the matrix's one place, which in the lab
// is one of a user-space network. The library is the peer in the tests.
//
// Invariants: at most maxSessions transfers at once and maxPerClient for one address; a session holds two packets' memory whatever the file; it ends when the other side is silent for
// as long as all its retries take.
package tftp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/internal/server/datagram"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/tracing"
)

// Port is the server's (RFC 1350 §4).
const Port = 69

// Bounds. Firmware opens a transfer, aborts it when it knows the size, and opens it again; behind a router with address translation many machines are one client.
const (
	maxSessions  = 512
	maxPerClient = 64
	maxRequest   = 1024
)

// File is one that is served.
type File struct {
	io.ReaderAt
	Size int64
}

// maxLoaded is far more than a boot loader has, and little memory.
const maxLoaded = 8 << 20

// Load reads a boot loader into memory, so that no transfer waits for a disk or asks the kernel for each block.
func Load(from io.ReaderAt, size int64) (File, error) {
	if size > maxLoaded {
		return File{}, fmt.Errorf("a boot loader of %d bytes: at most %d are served by TFTP", size, maxLoaded)
	}
	content := make([]byte, size)
	if n, err := from.ReadAt(content, 0); int64(n) < size {
		return File{}, fmt.Errorf("read a boot loader of %d bytes: %w", size, err)
	}
	return File{ReaderAt: bytes.NewReader(content), Size: size}, nil
}

// Server answers read requests.
type Server struct {
	Windows *window.Index
	// Files by the names in netboot.Files(netboot.TFTP).
	Files map[string]File
	// Listen opens the socket of one transfer, on any free port.
	Listen func(ctx context.Context) (net.PacketConn, error)
	Now    func() time.Time
	Log    *slog.Logger
	// Count is told the outcome of every request and transfer.
	Count func(outcome string)
	// Trace is told the transfers when they ended.
	Trace window.Trace
	// Retry is the first wait for an acknowledgement, which doubles; 0: a second.
	Retry time.Duration

	mu       sync.Mutex
	sessions map[netip.Addr]int
	total    int
}

// The outcomes that are not silences of netboot.
const (
	outcomeMalformed = "malformed"
	outcomeNoFile    = "no-such-file"
	outcomeBusy      = "too-many-transfers"
	outcomeStarted   = "started"
	outcomeSent      = "sent"
	outcomeAborted   = "aborted-by-client"
	outcomeLost      = "client-silent"
	outcomeBroken    = "broken"
)

// Serve answers what comes to a socket until the context ends, and then ends the transfers.
func (s *Server) Serve(ctx context.Context, conn net.PacketConn) error {
	ctx, cancel := context.WithCancel(ctx)
	var transfers sync.WaitGroup
	defer transfers.Wait()
	defer cancel()
	begin := func(packet []byte, from netip.AddrPort) ([]byte, netip.AddrPort) {
		if t := s.admit(packet, from); t != nil {
			transfers.Go(func() { s.run(ctx, t) })
		}
		return nil, from // a transfer answers from a socket of its own
	}
	return datagram.Loop{Protocol: "TFTP", MaxBytes: maxRequest, Handle: begin, Log: s.Log}.Serve(ctx, conn)
}

// transfer is one file on its way to one client.
type transfer struct {
	client netip.AddrPort
	entry  *window.Entry
	name   string
	file   File
	terms  terms
}

// admit decides on a request and counts the session in; nil for silence.
func (s *Server) admit(packet []byte, from netip.AddrPort) *transfer {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	r, err := parse(packet)
	if err != nil {
		return s.silent(from, outcomeMalformed)
	}
	bootID, name, ok := netboot.ParsePath(netboot.TFTP, r.name)
	if !ok {
		return s.silent(from, outcomeNoFile)
	}
	entry := s.Windows.ByBoot(bootID)
	if entry == nil {
		return s.silent(from, string(netboot.SilentUnknown))
	}
	if silence := netboot.MayFetch(s.Windows.Settings(), entry.Window, from.Addr(), s.Now()); silence != netboot.Answered {
		return s.silent(from, string(silence))
	}
	file, ok := s.Files[name]
	if !ok {
		return s.silent(from, outcomeNoFile)
	}
	if !s.enter(from.Addr()) {
		return s.silent(from, outcomeBusy)
	}
	s.Count(outcomeStarted)
	s.Log.Info("TFTP transfer started", "from", from.String(), "boot", bootID, "flow", matrix.MachineToBootTFTP, "file", name)
	return &transfer{client: from, entry: entry, name: name, file: file, terms: negotiate(r.options, file.Size)}
}

func (s *Server) silent(from netip.AddrPort, outcome string) *transfer {
	s.Count(outcome)
	s.Log.Debug("TFTP request not answered", "from", from.String(), "reason", outcome)
	return nil
}

func (s *Server) enter(client netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= maxSessions || s.sessions[client] >= maxPerClient {
		return false
	}
	if s.sessions == nil {
		s.sessions = map[netip.Addr]int{}
	}
	s.total++
	s.sessions[client]++
	return true
}

func (s *Server) leave(client netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.sessions[client]--; s.sessions[client] == 0 {
		delete(s.sessions, client)
	}
}

func (s *Server) run(ctx context.Context, t *transfer) {
	defer s.leave(t.client.Addr())
	begun := s.Now()
	outcome, err := s.send(ctx, t)
	s.Count(outcome)
	told := tracing.Served{Server: "tftp", File: t.name, Answer: outcome, Client: t.client.Addr().String(), Start: begun, End: s.Now(), Failed: outcome == outcomeLost || outcome == outcomeBroken}
	if outcome == outcomeSent {
		told.Bytes = t.file.Size
	}
	s.Trace.Tell(t.entry, told)
	s.Log.Info("TFTP transfer ended", "from", t.client.String(), "boot", t.entry.BootID, "file", t.name, "result", outcome, "err", err)
}
