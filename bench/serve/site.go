package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
)

// The cable's two ends. The network is large enough for every simulated client to have an address.
var (
	serverAddress = netip.MustParseAddr("10.0.0.1")
	clientAddress = netip.MustParseAddr("10.0.0.2")
)

const (
	networkBits = 8
	link        = "eth0"
	// ticks a second of /proc's CPU times (USER_HZ, the same on every architecture of Linux).
	ticks = 100
	// patience is for a server's start.
	patience = 30 * time.Second
)

// site is the two namespaces and a folder for files.
type site struct {
	config
	servers, clients *netns.Namespace
	dir, self        string
}

func newSite(c config) (*site, error) {
	s := &site{config: c}
	var err error
	if s.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "ingot-bench-serve-"); err != nil {
		return nil, err
	}
	if err := os.Chmod(s.dir, 0o755); err != nil { // atftpd and nginx serve from it as other users
		return nil, err
	}
	if s.servers, err = netns.New(); err != nil {
		return nil, err
	}
	if s.clients, err = netns.New(); err != nil {
		return nil, err
	}
	return s, netns.Join(netns.End{In: s.servers, Interface: link, Addresses: []netip.Prefix{netip.PrefixFrom(serverAddress, networkBits)}},
		netns.End{In: s.clients, Interface: link, Addresses: []netip.Prefix{netip.PrefixFrom(clientAddress, networkBits)}})
}

func (s *site) close() error {
	return errors.Join(s.servers.Close(), s.clients.Close(), os.RemoveAll(s.dir))
}

// file makes a file below the folder and gives its path.
func (s *site) file(name string, content []byte) (string, error) {
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { // as above
		return "", err
	}
	return path, os.WriteFile(path, content, 0o644) // as above
}

// process is a server that runs.
type process struct {
	cmd   *exec.Cmd
	ended chan error
	said  *bytes.Buffer
}

// start runs a server in the servers' namespace, and waits until it serves.
func (s *site) start(ctx context.Context, serves func() error, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + s.servers.Path(), program}, args...)...), ended: make(chan error, 1), said: &bytes.Buffer{}}
	p.cmd.Dir, p.cmd.Stderr = s.dir, p.said
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.ended <- p.cmd.Wait() }()
	deadline := time.Now().Add(patience)
	for {
		err := serves()
		if err == nil {
			return p, nil
		}
		select {
		case ended := <-p.ended:
			return nil, fmt.Errorf("%s ended: %v: %s", program, ended, p.said) //nolint:errorlint // its own words say why
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("%s does not serve within %s: %w: %s", program, patience, err, p.said), p.stop())
		}
	}
}

func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-p.ended:
		if _, told := errors.AsType[*exec.ExitError](err); told {
			return nil // a server that was told to end may say so by its exit code
		}
		return err
	case <-time.After(patience):
		return p.cmd.Process.Kill()
	}
}

// cpu is the CPU time that the server and its children have used.
func (p *process) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range family(p.cmd.Process.Pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything
		fields := strings.Fields(rest)
		if len(fields) < 13 {
			return 0, fmt.Errorf("/proc/%d/stat: %q", pid, text)
		}
		for _, f := range fields[11:13] { // utime and stime, proc(5)
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n) * time.Second / ticks
		}
	}
	return sum, nil
}

// family is a process and its children.
func family(pid int) []int {
	all := []int{pid}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is right
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread is gone
		}
		for _, f := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(f); err == nil {
				all = append(all, family(child)...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// client runs a program in the clients' namespace and gives what it said. Exit codes are for the caller: perfdhcp ends with 3 where anything was dropped.
func (s *site) client(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + s.clients.Path(), program}, args...)...).CombinedOutput()
	return string(out), err
}

// dialed asks from the clients' namespace whether a TCP port is open.
func (s *site) dialed(ctx context.Context, address string) error {
	return s.clients.Do(func() error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

// overflows counts the datagrams of a namespace that a socket's full receive buffer lost (RcvbufErrors, RFC 4113 has no word for it).
func overflows(n *netns.Namespace) (int, error) {
	var text []byte
	err := n.Do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/snmp")
		return err
	})
	if err != nil {
		return 0, err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		rest, udp := strings.CutPrefix(line, "Udp: ")
		fields := strings.Fields(rest)
		switch {
		case !udp:
		case names == nil:
			names = fields
		default:
			if i := slices.Index(names, "RcvbufErrors"); i >= 0 && i < len(fields) {
				return strconv.Atoi(fields[i])
			}
		}
	}
	return 0, errors.New("/proc/net/snmp does not count RcvbufErrors")
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

// figures are a side's, by round.
type figures []float64

func (f figures) String() string {
	var out []string
	for _, v := range f {
		out = append(out, fmt.Sprintf("%.0f", v))
	}
	return strings.Join(out, ", ")
}
