package tftp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/ingotmetal/ingot/internal/server/datagram"
)

// Waiting for an acknowledgement: retries times, the first time for firstRetry, then twice as long each time, at most maxRetry.
const (
	retries    = 6
	firstRetry = time.Second
	maxRetry   = 8 * time.Second
)

// session is a transfer at work.
type session struct {
	*transfer
	conn   net.PacketConn
	io     datagram.Conn
	retry  time.Duration
	now    func() time.Time
	packet []byte
	answer []byte
	// deadline is the socket's.
	deadline time.Time
	// next is the block that is sent next, from 1; last is the file's last one, which is shorter than the others and may be empty.
	next, last int64
}

var (
	errAborted = errors.New("the client sent an error")
	errSilent  = errors.New("the client did not answer")
	errMissed  = errors.New("the client missed a window's first block")
)

// send runs a transfer to its end and says how it ended.
func (s *Server) send(ctx context.Context, t *transfer) (outcome string, err error) {
	conn, err := s.Listen(ctx)
	if err != nil {
		return outcomeBroken, err
	}
	defer func() { _ = conn.Close() }() // a datagram socket has nothing left to say
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	retry := s.Retry
	if retry == 0 {
		retry = firstRetry
	}
	if t.terms.timeout > 0 {
		retry = time.Duration(t.terms.timeout) * time.Second
	}
	block := int64(t.terms.block)
	ss := &session{transfer: t, conn: conn, io: datagram.Of(conn), retry: retry, now: time.Now,
		packet: make([]byte, 4+block), answer: make([]byte, 128), next: 1, last: t.file.Size/block + 1}
	switch err := ss.run(); {
	case err == nil:
		return outcomeSent, nil
	case errors.Is(err, errAborted):
		return outcomeAborted, nil
	case errors.Is(err, errSilent):
		return outcomeLost, nil
	default:
		return outcomeBroken, err
	}
}

func (s *session) run() error {
	if s.terms.accepted != nil {
		greet := oack(s.terms.accepted)
		if err := s.until(func() error { return s.write(greet) }, 0, 0); err != nil {
			return err
		}
	}
	for s.next <= s.last {
		if err := s.until(s.sendWindow, s.next, min(s.next+int64(s.terms.window)-1, s.last)); err != nil {
			return err
		}
	}
	return nil
}

// until sends, and sends again, until a block from first to end is acknowledged; the next block is the one after it. The client of RFC 7440 acknowledges an earlier block than the
// window's last one when it missed some, and the rest is sent again with the next window. An acknowledgement of anything else is an old one, and answering
// it would double every packet from then on (RFC 1123 §4.2.3.1).
func (s *session) until(send func() error, first, end int64) error {
	wait, mayMiss := s.retry, end > first
	for range retries {
		if err := send(); err != nil {
			return err
		}
		acked, err := s.await(s.now().Add(wait), first, end, mayMiss)
		switch {
		case err == nil:
			s.next = acked + 1
			return nil
		case errors.Is(err, errMissed):
			mayMiss = false // once for each window, so that an old acknowledgement costs one window and no more
		case isTimeout(err):
			wait = min(2*wait, maxRetry)
		default:
			return err
		}
	}
	return errSilent
}

// isTimeout knows the timeouts of every network.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// sendWindow sends the blocks from next on.
func (s *session) sendWindow() error {
	block := int64(s.terms.block)
	for n := s.next; n < s.next+int64(s.terms.window) && n <= s.last; n++ {
		offset := (n - 1) * block
		size := min(block, s.file.Size-offset)
		binary.BigEndian.PutUint16(s.packet, opData)
		binary.BigEndian.PutUint16(s.packet[2:], uint16(n)) // block numbers begin again at 0 after 65535
		if got, err := s.file.ReadAt(s.packet[4:4+size], offset); int64(got) < size {
			return fmt.Errorf("read block %d: %w", n, errors.Join(err, io.ErrUnexpectedEOF))
		}
		if err := s.write(s.packet[:4+size]); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) write(packet []byte) error {
	_, err := s.io.WriteToUDPAddrPort(packet, s.client)
	return err
}

// waitUntil sets the time at which reading gives up. It stays where it is as long as it is at most an eighth of a retry too early: setting it for each block costs a
// twentieth of a transfer.
func (s *session) waitUntil(deadline time.Time) error {
	if late := deadline.Sub(s.deadline); late >= 0 && late <= s.retry/8 {
		return nil
	}
	s.deadline = deadline
	return s.conn.SetReadDeadline(deadline)
}

// await waits for an acknowledgement of a block from first to end, and says which. MayMiss: an acknowledgement of the block before first means that first was lost.
func (s *session) await(deadline time.Time, first, end int64, mayMiss bool) (int64, error) {
	if err := s.waitUntil(deadline); err != nil {
		return 0, err
	}
	for {
		n, from, err := s.io.ReadFromUDPAddrPort(s.answer)
		if err != nil {
			return 0, err
		}
		if !s.isClient(from) {
			continue // RFC 1350 §4 would have an error sent to it; a stranger is not answered here
		}
		if isError(s.answer[:n]) {
			return 0, errAborted
		}
		low, ok := ackedBlock(s.answer[:n])
		if !ok {
			continue
		}
		if mayMiss && low == uint16(first-1) {
			return 0, errMissed
		}
		if ahead := int64(low - uint16(first)); first+ahead <= end {
			return first + ahead, nil
		}
	}
}

func (s *session) isClient(at netip.AddrPort) bool {
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()) == s.client
}
