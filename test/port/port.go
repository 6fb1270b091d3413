// Package port finds loopback addresses for programs that are told where to listen.
//
// It owns the choice and that nobody else makes the same one: a program starts seconds after its address was chosen, and until then another test, or a connection of another program, could have taken it. It refuses
// the ports that the kernel gives to connections and to listeners on port 0.
//
// Invariants: an address is given once at a time, to all test processes of a network namespace together; what a process had is free when it ended, however it ended.
package port

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// The kernel gives out ports from 32768 (ip_local_port_range); below 20000 are those that programs are known by.
const (
	first = 20000
	count = 12000
	tries = 1000
)

var errNone = errors.New("a thousand ports were tried, and somebody has each: end the programs that listen there")

// Reservation is an address that no other test is given until it is let go of.
type Reservation struct {
	Address string
	lock    net.Listener
}

// Reserve gives an address on 127.0.0.1 that nobody listens at, whose port is free for TCP and UDP.
func Reserve(ctx context.Context) (*Reservation, error) {
	for range tries {
		n := first + rand.IntN(count) // a test's dice
		// A socket in the abstract namespace is gone with the process, as a file would not be.
		lock, err := new(net.ListenConfig).Listen(ctx, "unix", "@ingot-test-port-"+strconv.Itoa(n))
		if err != nil {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(n))
		if free(ctx, address) {
			return &Reservation{Address: address, lock: lock}, nil
		}
		_ = lock.Close()
	}
	return nil, fmt.Errorf("reserve a port on loopback for a test: %w", errNone)
}

func free(ctx context.Context, address string) bool {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer func() { _ = l.Close() }()
	p, err := new(net.ListenConfig).ListenPacket(ctx, "udp", address)
	if err != nil {
		return false
	}
	return p.Close() == nil
}

// Release lets others have the address.
func (r *Reservation) Release() { _ = r.lock.Close() }

// held are the reservations of this process that nobody releases: a program that outlives its test may still listen.
var held struct {
	mu  sync.Mutex
	all []*Reservation
}

// Kept reserves an address for as long as this process lives, for what is no test.
func Kept(ctx context.Context) (string, error) {
	r, err := Reserve(ctx)
	if err != nil {
		return "", err
	}
	held.mu.Lock()
	defer held.mu.Unlock()
	held.all = append(held.all, r)
	return r.Address, nil
}

// Free is an address of a test's own, until the test ends.
func Free(t testing.TB) string {
	t.Helper()
	r, err := Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Release)
	return r.Address
}
