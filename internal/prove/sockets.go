package prove

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/firewall"
)

// sentinelType is an Ethernet type for experiments (IEEE 802, local experimental 1): no network layer listens to it, so no ruleset sees it.
const sentinelType = 0x88b5

// receiveBuffer is room for some ten thousand small packets, each of which counts for about 1 KB. A round sends far fewer before it reads.
const receiveBuffer = 64 << 20

// sockets are everything that a lab sends and receives by.
type sockets struct {
	// inject sends frames into the far end of an interface, and say sends sentinels out of the near end.
	inject, say []linkSocket
	// heardNear and heardFar receive sentinels; arrived4 and arrived6 what comes to the far end.
	heardNear, heardFar, arrived4, arrived6 []int
	// out4 and out6 send from the host through an interface; the last of each is the loopback's.
	out4, out6 []int
	// raw receives what is delivered to the host, by family and protocol.
	raw map[rawKey]int
	// near and far ask for the links' counts of lost frames.
	near, far *netlink.Handle
	joined    map[membership]bool
	all       []int
}

type linkSocket struct{ fd, index int }

// membership is of a multicast group, on the n-th interface.
type membership struct {
	group netip.Addr
	n     int
}

type rawKey struct {
	ipv6     bool
	protocol uint8
}

func openSockets(l *Lab) (*sockets, error) {
	s := &sockets{raw: map[rawKey]int{}, joined: map[membership]bool{}}
	err := l.far.do(func() error { return s.openFar(l) })
	if err == nil {
		err = l.host.do(func() error { return s.openHost(l) })
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("open the lab's sockets: %w", err)
	}
	return s, nil
}

func (s *sockets) openFar(l *Lab) error {
	var err error
	if s.far, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return err
	}
	for i := range l.interfaces {
		at, err := s.far.LinkByName(farName(i))
		if err != nil {
			return err
		}
		index := at.Attrs().Index
		fds := make([]int, 0, 4)
		for _, protocol := range []uint16{0, sentinelType, unix.ETH_P_IP, unix.ETH_P_IPV6} {
			fd, err := s.packetSocket(index, protocol)
			if err != nil {
				return err
			}
			fds = append(fds, fd)
		}
		s.inject = append(s.inject, linkSocket{fds[0], index})
		s.heardFar, s.arrived4, s.arrived6 = append(s.heardFar, fds[1]), append(s.arrived4, fds[2]), append(s.arrived6, fds[3])
	}
	return nil
}

func (s *sockets) openHost(l *Lab) error {
	var err error
	if s.near, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return err
	}
	for _, name := range append(append([]string{}, l.interfaces...), firewall.Loopback) {
		at, err := s.near.LinkByName(name)
		if err != nil {
			return err
		}
		index := at.Attrs().Index
		heard, err := s.packetSocket(index, sentinelType)
		if err != nil {
			return err
		}
		sender, err := s.packetSocket(index, 0)
		if err != nil {
			return err
		}
		s.heardNear, s.say = append(s.heardNear, heard), append(s.say, linkSocket{sender, index})
		for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
			fd, err := s.socket(family, unix.SOCK_RAW, unix.IPPROTO_RAW)
			if err != nil {
				return err
			}
			if err := errors.Join(unix.BindToDevice(fd, name), unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, probeMark),
				unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)); err != nil {
				return fmt.Errorf("bind a raw socket to %s: %w", name, err)
			}
			if family == unix.AF_INET {
				s.out4 = append(s.out4, fd)
			} else {
				s.out6 = append(s.out6, fd)
			}
		}
	}
	return nil
}

// rawSocket receives one protocol of a family after the input hook. It has to be opened in the host.
func (s *sockets) rawSocket(k rawKey) error {
	if _, open := s.raw[k]; open {
		return nil
	}
	family := unix.AF_INET
	if k.ipv6 {
		family = unix.AF_INET6
	}
	fd, err := s.socket(family, unix.SOCK_RAW, int(k.protocol))
	if err != nil {
		return fmt.Errorf("open a raw socket for protocol %d: %w", k.protocol, err)
	}
	s.raw[k] = fd
	return nil
}

// join makes the host a member of a group on an interface. Each membership has a socket of its own: there is a bound for each.
func (s *sockets) join(m membership) error {
	if s.joined[m] {
		return nil
	}
	var err error
	if m.group.Is4() {
		var fd int
		if fd, err = s.socket(unix.AF_INET, unix.SOCK_DGRAM, 0); err == nil {
			err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: m.group.As4(), Ifindex: int32(s.say[m.n].index)})
		}
	} else {
		var fd int
		if fd, err = s.socket(unix.AF_INET6, unix.SOCK_DGRAM, 0); err == nil {
			err = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: m.group.As16(), Interface: uint32(s.say[m.n].index)})
		}
	}
	if err != nil {
		return fmt.Errorf("join %s: %w", m.group, err)
	}
	s.joined[m] = true
	return nil
}

func (s *sockets) socket(family, kind, protocol int) (int, error) {
	fd, err := unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return 0, err
	}
	s.all = append(s.all, fd)
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, receiveBuffer))
	return fd, err
}

// packetSocket is bound to a link. Protocol 0 receives nothing.
func (s *sockets) packetSocket(index int, protocol uint16) (int, error) {
	fd, err := s.socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return 0, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: network(protocol), Ifindex: index})
}

// network gives a number whose bytes in memory are in the order of the network.
func network(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// close closes all at once: the kernel waits for its readers at each, and the waits go together.
func (s *sockets) close() {
	var wait sync.WaitGroup
	for _, fd := range s.all {
		wait.Go(func() { _ = unix.Close(fd) }) // only sent and received by
	}
	wait.Wait()
	for _, h := range []*netlink.Handle{s.near, s.far} {
		if h != nil {
			h.Close()
		}
	}
}

// sendFrame puts an IP packet into the far end of an interface, as a neighbour of the host would.
func (s *sockets) sendFrame(i int, ip []byte) error {
	kind := uint16(unix.ETH_P_IP)
	if ip[0]>>4 == 6 {
		kind = unix.ETH_P_IPV6
	}
	return retried(func() error {
		return unix.Sendto(s.inject[i].fd, ethernet(i, kind, ip), 0, &unix.SockaddrLinklayer{Ifindex: s.inject[i].index, Halen: 6})
	})
}

func ethernet(i int, kind uint16, payload []byte) []byte {
	b := make([]byte, 0, 14+len(payload))
	b = append(append(b, hostMAC(i)...), farMAC(i)...)
	return append(binary.BigEndian.AppendUint16(b, kind), payload...)
}

// sendOut sends a whole IP packet from the host through an interface, or its loopback. refused is what the output hook says.
func (s *sockets) sendOut(i int, to netip.Addr, ip []byte) (refused bool, err error) {
	err = retried(func() error {
		if to.Is4() {
			return unix.Sendto(s.out4[i], ip, 0, &unix.SockaddrInet4{Addr: to.As4()})
		}
		return unix.Sendto(s.out6[i], ip, 0, &unix.SockaddrInet6{Addr: to.As16()})
	})
	if errors.Is(err, syscall.EPERM) {
		return true, nil
	}
	return false, err
}

func retried(send func() error) error {
	for {
		err := send()
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// sentinel sends one frame that no ruleset sees behind the probes, and waits until it arrives. It can't be overtaken, so that the probes before it
// have come to their end. The context's end, and a lab that is broken, end the wait.
func (s *sockets) sentinel(ctx context.Context, from linkSocket, heard, i int, number uint32) error {
	frame := ethernet(i, sentinelType, binary.BigEndian.AppendUint32(nil, number))
	if err := retried(func() error {
		return unix.Sendto(from.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: from.index, Halen: 6})
	}); err != nil {
		return fmt.Errorf("send a sentinel: %w", err)
	}
	buffer := make([]byte, 256)
	for range sentinelPolls {
		if err := ctx.Err(); err != nil {
			return err
		}
		for {
			n, _, err := unix.Recvfrom(heard, buffer, 0)
			if err != nil {
				break // nothing there yet
			}
			if n >= 18 && binary.BigEndian.Uint32(buffer[14:]) == number {
				return nil
			}
		}
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(heard), Events: unix.POLLIN}}, sentinelPollMillis); err != nil && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("wait for a sentinel: %w", err)
		}
	}
	return errors.New("a frame on an empty link did not arrive: the lab is broken")
}

// How long a sentinel may take on a machine that does other things as well: 300 times 100 ms.
const (
	sentinelPolls      = 300
	sentinelPollMillis = 100
)

// received gives the numbers of the probes that wait in a socket.
func received(fd int, each func(number uint32)) error {
	buffer := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("read probes: %w", err)
		}
		if number, ok := numberOf(buffer[:n]); ok {
			each(number)
		}
	}
}

// lost is how many frames found no room in a queue since the lab was made.
func (s *sockets) lost() (uint64, error) {
	total := uint64(0)
	for _, h := range []*netlink.Handle{s.near, s.far} {
		links, err := h.LinkList()
		if err != nil {
			return 0, fmt.Errorf("read the links' counts: %w", err)
		}
		for _, at := range links {
			if c := at.Attrs().Statistics; c != nil {
				total += c.TxDropped + c.RxDropped
			}
		}
	}
	return total, nil
}
