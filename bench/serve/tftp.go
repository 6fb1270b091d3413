package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ingotmetal/ingot/netboot"
)

// The file is 1 MiB, as boot loaders are, and sent in lock-step with a block that fits an Ethernet frame, as firmware asks for.
const (
	tftpFile     = "tftp/" + bootID + "/" + netboot.FileSNPOnly
	tftpBytes    = 1 << 20
	tftpBlock    = 1468
	tftpParallel = 64
)

func tftpPart(ctx context.Context, s *site) error {
	content := make([]byte, tftpBytes)
	_, _ = rand.Read(content) // never fails
	if _, err := s.file(tftpFile, content); err != nil {
		return err
	}
	for _, name := range []string{httpSmall, httpLarge} {
		if _, err := s.file(name, nil); err != nil {
			return err
		}
	}
	fmt.Printf("TFTP: a file of 1 MiB in blocks of %d bytes, %d clients for %d s\n", tftpBlock, tftpParallel, s.seconds)
	var peer, ours, peerCPU, oursCPU figures
	for range s.rounds {
		for _, side := range []struct {
			rate, cpu *figures
			start     func(context.Context) (*process, error)
		}{{&peer, &peerCPU, s.atftpd}, {&ours, &oursCPU, func(ctx context.Context) (*process, error) { return s.ours(ctx, 0) }}} {
			rate, perCPU, err := s.transfers(ctx, side.start)
			if err != nil {
				return err
			}
			*side.rate, *side.cpu = append(*side.rate, rate), append(*side.cpu, perCPU)
		}
	}
	fmt.Printf("  %-28s MiB/s %s; MiB per CPU-second %s\n  %-28s MiB/s %s; MiB per CPU-second %s\n", "atftpd", peer, peerCPU, "ours", ours, oursCPU)
	ratio := median(ours) / median(peer)
	fmt.Printf("  ours is %.2f of atftpd's MiB/s %s, %.2f per CPU-second\n", ratio, target(ratio >= 1, "at least 1"), median(oursCPU)/median(peerCPU))
	return nil
}

func (s *site) atftpd(ctx context.Context) (*process, error) {
	return s.start(ctx, func() error { return s.once(ctx) }, "atftpd", "--daemon", "--no-fork", "--maxthread", "512", "--user", "root", "--group", "root", "--bind-address", serverAddress.String(), s.dir+"/tftp")
}

// once fetches a single file.
func (s *site) once(ctx context.Context) error {
	out, err := s.client(ctx, s.self, "-fetch", serverAddress.String(), "-parallel", "1", "-seconds", "0")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// transfers is MiB a second, and per second of the server's CPU time.
func (s *site) transfers(ctx context.Context, start func(context.Context) (*process, error)) (rate, perCPU float64, err error) {
	p, err := start(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	before, err := p.cpu()
	if err != nil {
		return 0, 0, err
	}
	out, err := s.client(ctx, s.self, "-fetch", serverAddress.String(), "-parallel", strconv.Itoa(tftpParallel), "-seconds", strconv.Itoa(s.seconds))
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %s%s", err, out, p.said)
	}
	after, err := p.cpu()
	if err != nil {
		return 0, 0, err
	}
	words := strings.Fields(out)
	if len(words) != 2 {
		return 0, 0, fmt.Errorf("the clients said %q", out)
	}
	mebibytes, err1 := strconv.ParseFloat(words[0], 64)
	seconds, err2 := strconv.ParseFloat(words[1], 64)
	return mebibytes / seconds, mebibytes / (after - before).Seconds(), errors.Join(err1, err2)
}

// clients fetch the file again and again, and print how many MiB came and in how many seconds.
func clients(ctx context.Context, host string, parallel, seconds int) error {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return err
	}
	began := time.Now()
	until := began.Add(time.Duration(seconds) * time.Second)
	var bytes atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range parallel {
		group.Go(func() error {
			for {
				n, err := fetchFile(ctx, addr)
				bytes.Add(n)
				if err != nil || !time.Now().Before(until) {
					return err
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Printf("%f %f\n", float64(bytes.Load())/(1<<20), time.Since(began).Seconds())
	return nil
}

// again is a client's wait before it says its last word again, and tries how often it does.
const (
	again = time.Second
	tries = 10
)

// fetchFile is one transfer (RFC 1350, RFC 2348).
func fetchFile(ctx context.Context, server netip.Addr) (int64, error) {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp4", ":0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return 0, fmt.Errorf("%T is no UDP socket", conn)
	}
	say := append([]byte{0, 1}, bootID+"/"+netboot.FileSNPOnly+"\x00octet\x00blksize\x00"+strconv.Itoa(tftpBlock)+"\x00"...)
	to := netip.AddrPortFrom(server, 69)
	var sum int64
	packet, ack := make([]byte, tftpBlock+4), []byte{0, 4, 0, 0}
	for next := uint16(1); ; {
		n, from, err := exchanged(udp, say, to, packet)
		if err != nil {
			return sum, err
		}
		switch op := binary.BigEndian.Uint16(packet); {
		case op == 6: // the options are accepted
		case op == 3 && binary.BigEndian.Uint16(packet[2:]) == next:
			sum += int64(n - 4)
			binary.BigEndian.PutUint16(ack[2:], next)
			next++
		case op == 3: // sent again
		default:
			return sum, fmt.Errorf("the server sent %q", packet[:n])
		}
		say, to = ack, from
		if binary.BigEndian.Uint16(packet) == 3 && n < tftpBlock+4 {
			_, err := udp.WriteToUDPAddrPort(say, to)
			return sum, err
		}
	}
}

// exchanged says something until there is an answer.
func exchanged(udp *net.UDPConn, say []byte, to netip.AddrPort, packet []byte) (int, netip.AddrPort, error) {
	var n int
	var from netip.AddrPort
	var err error
	for range tries {
		if _, err = udp.WriteToUDPAddrPort(say, to); err != nil {
			return 0, from, err
		}
		if err = udp.SetReadDeadline(time.Now().Add(again)); err != nil {
			return 0, from, err
		}
		if n, from, err = udp.ReadFromUDPAddrPort(packet); err == nil {
			break
		}
	}
	return n, from, err
}
