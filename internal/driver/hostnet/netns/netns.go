// Package netns makes network namespaces and works in them: for a ruleset's trial reading, for proofs with packets, for tests and benchmarks.
//
// It owns the threads: what is done in a namespace is done on a thread of its own, which is never given back. It refuses names under /run/netns: a namespace
// here lives as long as somebody holds it open or is in it, so that nothing is left behind, whoever dies.
//
// Invariant: no thread that has been in another namespace runs anything else.
package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	vishnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace that is held open.
type Namespace struct{ file *os.File }

// New makes an empty namespace: a loopback interface, which is down. It needs CAP_SYS_ADMIN.
func New() (*Namespace, error) {
	n := &Namespace{}
	err := apart(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w (it needs CAP_SYS_ADMIN: run as root)", err)
		}
		var err error
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// Open holds an existing namespace, by path: /run/netns/NAME, /proc/PID/ns/net.
func Open(path string) (*Namespace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	return &Namespace{f}, nil
}

// Close lets go of it.
func (n *Namespace) Close() error { return n.file.Close() }

// Path is where others can open it while this process holds it.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.Descriptor()) }

// Descriptor is for libraries that enter it themselves.
func (n *Namespace) Descriptor() int { return int(n.file.Fd()) }

// Do calls do in the namespace. Sockets that it opens and processes that it starts are in it for ever, goroutines that it starts are not.
func (n *Namespace) Do(do func() error) error {
	return apart(func() error {
		if err := unix.Setns(n.Descriptor(), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the network namespace %s: %w (it needs CAP_SYS_ADMIN)", n.file.Name(), err)
		}
		return do()
	})
}

// Run runs a command in the namespace and gives what it printed. input is its standard input.
func (n *Namespace) Run(ctx context.Context, input, command string, arguments ...string) (string, error) {
	var out []byte
	err := n.Do(func() error {
		c := exec.CommandContext(ctx, command, arguments...)
		c.Stdin = strings.NewReader(input)
		var err error
		out, err = c.CombinedOutput()
		return err
	})
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %.500s", command, strings.Join(arguments, " "), err, out)
	}
	return string(out), nil
}

// apart calls do on a thread of its own that ends with it.
func apart(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		err := errors.New("the goroutine ended before its time")
		defer func() { done <- err }()
		err = do()
	}()
	return <-done
}

// End is one end of a cable.
type End struct {
	In        *Namespace
	Interface string
	Addresses []netip.Prefix
}

// Join puts a cable (veth) between two namespaces, both ends up, and loopback too. IPv6 addresses can be used at once: duplicates are not looked for.
func Join(a, b End) error {
	h, err := a.In.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: a.Interface}, PeerName: b.Interface, PeerNamespace: netlink.NsFd(b.In.Descriptor())}
	if err := h.LinkAdd(veth); err != nil {
		return fmt.Errorf("add the cable %s to %s: %w", a.Interface, b.Interface, err)
	}
	return errors.Join(a.up(), b.up())
}

func (n *Namespace) handle() (*netlink.Handle, error) {
	h, err := netlink.NewHandleAt(vishnetns.NsHandle(n.Descriptor()), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink to the interfaces: %w", err)
	}
	return h, nil
}

func (e End) up() error {
	h, err := e.In.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	for _, name := range []string{"lo", e.Interface} {
		l, err := h.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find interface %s: %w", name, err)
		}
		if err := h.LinkSetUp(l); err != nil {
			return fmt.Errorf("set interface %s up: %w", name, err)
		}
		if name == "lo" {
			continue
		}
		for _, p := range e.Addresses {
			address := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}, Flags: unix.IFA_F_NODAD}
			if err := h.AddrAdd(l, address); err != nil {
				return fmt.Errorf("add address %s to %s: %w", p, name, err)
			}
		}
	}
	return nil
}
