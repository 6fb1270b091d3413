package coldplug

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// FileKernel loads modules from files below Root with finit_module(2).
type FileKernel struct{ Root string }

// Load implements Kernel.
func (k FileKernel) Load(file string) error {
	f, err := os.Open(filepath.Join(k.Root, ModuleDir, file))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load kernel module %s: %w", file, err)
	}
	return nil
}

// Hotplug follows the kernel's announcements of new devices (netlink, NETLINK_KOBJECT_UEVENT).
type Hotplug struct {
	plug   *Plug
	fd     int
	logger *slog.Logger
	// last is when a device was last announced, in nanoseconds of time.Since(started).
	started time.Time
	last    atomic.Int64
}

// Follow opens the announcements; nothing is lost between it and Run.
func Follow(p *Plug, logger *slog.Logger) (*Hotplug, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open the kernel's device announcements: %w", err)
	}
	const kernelGroup = 1
	const receiveBuffer = 1 << 20
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}),
		unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for the kernel's device announcements: %w", err), unix.Close(fd))
	}
	return &Hotplug{plug: p, fd: fd, logger: logger, started: time.Now()}, nil
}

// Run loads modules for announced devices until ctx ends.
func (h *Hotplug) Run(ctx context.Context) {
	defer func() { _ = unix.Close(h.fd) }()
	buf := make([]byte, 64<<10)
	for ctx.Err() == nil {
		n, _, err := unix.Recvfrom(h.fd, buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			h.logger.Warn("Device announcements were lost")
			continue
		case err != nil:
			h.logger.Error("Device announcements ended", "err", err)
			return
		}
		action, modalias := parseEvent(string(buf[:n]))
		if action == "add" || action == "bind" || action == "change" {
			h.last.Store(int64(time.Since(h.started)))
		}
		if action == "add" && modalias != "" {
			h.plug.Device(modalias)
		}
	}
}

// parseEvent reads a uevent: "add@/devices/...", then KEY=value, each ended by NUL.
func parseEvent(message string) (action, modalias string) {
	for field := range strings.SplitSeq(message, "\x00") {
		if v, ok := strings.CutPrefix(field, "ACTION="); ok {
			action = v
		}
		if v, ok := strings.CutPrefix(field, "MODALIAS="); ok {
			modalias = v
		}
	}
	return action, modalias
}

// Settle waits until no device was announced for quiet, at most for limit.
func (h *Hotplug) Settle(ctx context.Context, quiet, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		left := quiet - (time.Since(h.started) - time.Duration(h.last.Load()))
		if left <= 0 {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
