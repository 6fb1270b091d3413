package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/driver/hostnet/linux"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
)

// A batch is sent by one system call from one of the senders in turn: of up to batch packets.
const (
	batch   = 32
	senders = 64
)

// lane is a host with one kind of firewall, and its peer.
type lane struct {
	name       string
	host, peer *netns.Namespace
	h          *linux.Host
	from       []int
	to         int
	next       int
	cost       []time.Duration // a packet's, by round
}

// newLane makes the namespaces and their sockets.
func newLane(name string) (*lane, error) {
	l := &lane{name: name}
	var err error
	if l.host, err = netns.New(); err != nil {
		return nil, err
	}
	if l.peer, err = netns.New(); err != nil {
		return nil, err
	}
	err = netns.Join(netns.End{In: l.host, Interface: "eth0", Addresses: []netip.Prefix{netip.PrefixFrom(hostAddress, 24)}},
		netns.End{In: l.peer, Interface: "eth0", Addresses: []netip.Prefix{netip.PrefixFrom(peerAddress, 24)}})
	if err != nil {
		return nil, err
	}
	if l.h, err = linux.In(l.host.Path()); err != nil {
		return nil, err
	}
	at := &unix.SockaddrInet4{Port: port, Addr: hostAddress.As4()}
	err = l.host.Do(func() error {
		if l.to, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		wait := unix.Timeval{Sec: 5} // a packet that does not come is an error
		return errors.Join(unix.Bind(l.to, at), unix.SetsockoptTimeval(l.to, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait))
	})
	if err != nil {
		return nil, fmt.Errorf("open the receiver: %w", err)
	}
	err = l.peer.Do(func() error {
		for range senders {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			if err := unix.Connect(fd, at); err != nil {
				return err
			}
			l.from = append(l.from, fd)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open the senders: %w", err)
	}
	return l, nil
}

func (l *lane) close() {
	for _, fd := range append(l.from, l.to) {
		_ = unix.Close(fd)
	}
	_, _, _ = l.h.Close(), l.host.Close(), l.peer.Close()
}

// iptables loads a linear list.
func (l *lane) iptables(ctx context.Context, text string) error {
	restore, err := exec.LookPath("iptables-legacy-restore")
	if err != nil {
		return fmt.Errorf("find the linear baseline: %w (install the package iptables)", err)
	}
	_, err = l.host.Run(ctx, text, restore)
	return err
}

// message is struct mmsghdr (recvmmsg(2)).
type message struct {
	header unix.Msghdr
	_      [2]uint32 // the length that was sent or received, and padding
}

// burst sends batches of so many packets and receives each before the next one, and gives the thread's CPU time for a packet. All that was sent has arrived.
func (l *lane) burst(batches, packets int) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var payload [batch][32]byte
	var vectors [batch]unix.Iovec
	var messages [batch]message
	for i := range messages {
		vectors[i] = unix.Iovec{Base: &payload[i][0], Len: uint64(len(payload[i]))}
		messages[i].header = unix.Msghdr{Iov: &vectors[i], Iovlen: 1}
	}
	before, err := threadTime()
	if err != nil {
		return 0, err
	}
	for range batches {
		l.next++
		n, _, failed := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(l.from[l.next%senders]), uintptr(unsafe.Pointer(&messages)), uintptr(packets), 0, 0, 0)
		if failed != 0 || int(n) != packets {
			return 0, fmt.Errorf("%s: send %d packets: %d were, %w", l.name, packets, n, failed)
		}
		for got := 0; got < packets; {
			n, _, failed := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(l.to), uintptr(unsafe.Pointer(&messages)), uintptr(packets-got), unix.MSG_WAITFORONE, 0, 0)
			if failed != 0 {
				return 0, fmt.Errorf("%s: %d of %d packets arrived: %w", l.name, got, packets, failed)
			}
			got += int(n)
		}
	}
	after, err := threadTime()
	runtime.KeepAlive(&vectors)
	runtime.KeepAlive(&payload)
	return (after - before) / time.Duration(batches*packets), err
}

// threadTime is the CPU time that the calling thread has used.
func threadTime() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, fmt.Errorf("read the thread's CPU time: %w", err)
	}
	return time.Duration(t.Nano()), nil
}
