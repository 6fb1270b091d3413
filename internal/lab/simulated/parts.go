package simulated

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/burnin"
	"github.com/ingotmetal/ingot/step"
)

// Parts is what is broken about a machine. It may be changed while the machine runs, as if somebody replaced a part.
type Parts struct {
	// WrongProcessor: processor 1 calculates wrong. BadMemory: one bit of its memory is stuck.
	WrongProcessor, BadMemory atomic.Bool
	// BadDisk: a sector in the middle of the first disk cannot be read.
	BadDisk atomic.Bool
	// NetworkBytesPerSecond is how fast the NIC receives; 0: as fast as it comes.
	NetworkBytesPerSecond atomic.Int64
	// Endless: the test of its processors goes on until it is ended.
	Endless atomic.Bool
}

// unreadable is what cannot be read of disk number i; nil for nothing.
func (p *Parts) unreadable(i int, sizeBytes int64) func(off, length int64) bool {
	if p == nil || i > 0 {
		return nil
	}
	bad := sizeBytes / 2
	return func(off, length int64) bool { return p.BadDisk.Load() && off <= bad && bad < off+length }
}

// slowed is a connection as fast as the NIC.
func (p *Parts) slowed(c net.Conn, err error) (net.Conn, error) {
	if p == nil || err != nil {
		return c, err
	}
	return slow{c, p}, nil
}

// slow is a connection that takes its time to receive.
type slow struct {
	net.Conn
	parts *Parts
}

// Read implements net.Conn.
func (s slow) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if rate := s.parts.NetworkBytesPerSecond.Load(); rate > 0 {
		time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
	}
	return n, err
}

// stress runs the agent's tests over parts that are made up: a moment of this machine's processors for the time that is asked for, and little memory, since hundreds of simulated machines may be
// tested at once.
type stress struct {
	parts *Parts
	cpus  int
}

const (
	stressTime  = 20 * time.Millisecond
	stressCPUs  = 2
	stressWords = 8 << 10
	// stuckWord is the word of the memory of which a bit may be stuck.
	stuckWord = 4321
)

// CPU implements agent.Stress.
func (s stress) CPU(ctx context.Context, length time.Duration, report func(time.Duration)) (step.TestResult, error) {
	p := burnin.Processors{Calculate: func(cpu int) uint64 {
		if cpu == 1 && s.parts != nil && s.parts.WrongProcessor.Load() {
			return burnin.Round() ^ 1<<17
		}
		return burnin.Round()
	}}
	for cpu := range min(max(s.cpus, 1), stressCPUs) {
		p.Online = append(p.Online, cpu)
	}
	if s.parts != nil && s.parts.Endless.Load() {
		<-ctx.Done()
	}
	r, err := p.Run(ctx, min(length, stressTime), report)
	r.Subject = fmt.Sprintf("%d processors", s.cpus)
	return r, err
}

// Memory implements agent.Stress.
func (s stress) Memory(ctx context.Context, passes int, report func(done, total int64)) (step.TestResult, error) {
	words := make([]uint64, stressWords)
	return burnin.Memory{Workers: 1, Hold: func(context.Context) (burnin.Area, error) {
		return burnin.Area{
			Parts: [][]uint64{words}, Release: func() error { return nil },
			Name: func(_, word int) string { return fmt.Sprintf("physical address %#x", 0x100000+word*8) },
			Settle: func() {
				if s.parts != nil && s.parts.BadMemory.Load() {
					words[stuckWord] |= 1 << 5
				}
			},
		}, nil
	}}.Run(ctx, passes, report)
}
