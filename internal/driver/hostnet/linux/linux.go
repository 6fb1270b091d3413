// Package linux asks and tells the Linux kernel: nftables, connection tracking, sockets, addresses.
//
// It owns the ways to the kernel: texts go through the nft command, which is the one that knows the language whole; members of sets and connection
// tracking go by netlink, which costs the same however much is there; rules are read as nft's JSON and never as its text; sockets are read from /proc. It
// refuses iptables, except for seeing that somebody uses it.
//
// A Host works in the network namespace that it is made for, whatever thread it is called from.
//
// Invariants: every write is one transaction; nothing is written outside of the table that a call names; a call ends when its context does.
package linux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
)

var _ hostnet.Host = (*Host)(nil)

// Host is the network stack of one network namespace. It may be used by several goroutines.
type Host struct {
	// namespace is open for as long as the host is; nil: the namespace of the process.
	namespace *netns.Namespace
	nft       string
}

// New is the network stack that the process itself is in.
func New() (*Host, error) { return In("") }

// In is the network stack of a namespace, by path (/run/netns/NAME, /proc/PID/ns/net); empty: that of the process. Close it.
func In(namespace string) (*Host, error) {
	nft, err := exec.LookPath("nft")
	if err != nil {
		return nil, fmt.Errorf("find the nft command: %w (install the package nftables)", err)
	}
	h := &Host{nft: nft}
	if namespace != "" {
		if h.namespace, err = netns.Open(namespace); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// Close lets go of the namespace.
func (h *Host) Close() error {
	if h.namespace == nil {
		return nil
	}
	return h.namespace.Close()
}

// descriptor is the namespace for libraries that enter it themselves; 0 is that of the process.
func (h *Host) descriptor() int {
	if h.namespace == nil {
		return 0
	}
	return h.namespace.Descriptor()
}

// inside calls do on a thread that is in the namespace. Processes that it starts are in it, too.
func (h *Host) inside(do func() error) error {
	if h.namespace == nil {
		return do()
	}
	return h.namespace.Do(do)
}

// run runs nft in the namespace and gives what it printed.
func (h *Host) run(ctx context.Context, input string, args ...string) ([]byte, error) {
	var out, complaint bytes.Buffer
	err := h.inside(func() error {
		c := exec.CommandContext(ctx, h.nft, args...)
		c.Env = []string{"LC_ALL=C"}
		c.Stdin, c.Stdout, c.Stderr = bytes.NewBufferString(input), &out, &complaint
		return c.Run()
	})
	var exit *exec.ExitError
	switch {
	case err == nil:
		return out.Bytes(), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("run nft: %w", ctx.Err())
	case errors.As(err, &exit) && exit.Exited():
		return nil, rejected(input, complaint.String())
	}
	return nil, fmt.Errorf("run nft: %w: %.300s", err, complaint.String())
}
