package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
	"github.com/ingotmetal/ingot/internal/lab/ethernet"
)

// socketPathBytes is the longest path of a unix socket (unix(7), sun_path without its NUL).
const socketPathBytes = 107

// startSwitch makes the switch and its socket, at which the roles join.
func (l *Lab) startSwitch(ctx context.Context) error {
	path := filepath.Join(l.options.DataDir, socketFile)
	if len(path) > socketPathBytes {
		return fmt.Errorf("the switch's socket %s has a path of %d bytes, and at most %d are possible: use a shorter data directory", path, len(path), socketPathBytes)
	}
	o := ethernet.Options{Name: switchName, Log: l.log}
	if l.options.Capture != "" {
		f, err := os.Create(l.options.Capture)
		if err != nil {
			return fmt.Errorf("make the capture file: %w", err)
		}
		l.onClose(f.Close)
		o.Capture = f
	}
	sw, err := ethernet.New(o)
	if err != nil {
		return err
	}
	l.onClose(func() error { sw.Close(); return nil })
	listener, err := listenUnix(ctx, path)
	if err != nil {
		return err
	}
	sw.Listen(listener, "role-")
	l.Switch = sw
	for i := 1; i < l.options.NICs; i++ {
		if err := l.startSegment(ctx, i); err != nil {
			return err
		}
	}
	l.state.SwitchSocket = path
	l.state.PartitionNetwork = netstack.Spec{Socket: path, MAC: roleMAC(PartitionAddress), Address: prefixed(PartitionAddress)}.String()
	l.state.BootNetwork = netstack.Spec{Socket: path, MAC: roleMAC(BootAddress), Address: prefixed(BootAddress)}.String()
	return nil
}

// startSegment makes the switch of the machines' network cards number i, which announces a name and a chassis of its own.
func (l *Lab) startSegment(ctx context.Context, i int) error {
	path := filepath.Join(l.options.DataDir, fmt.Sprintf("%d.sock", i))
	sw, err := ethernet.New(ethernet.Options{Name: fmt.Sprintf("%s-%d", switchName, i), ChassisID: ethernet.MAC{0x02, 0x69, 0x6e, 0x67, 0x00, byte(i + 1)}, Log: l.log})
	if err != nil {
		return err
	}
	l.onClose(func() error { sw.Close(); return nil })
	listener, err := listenUnix(ctx, path)
	if err != nil {
		return err
	}
	sw.Listen(listener, "host-")
	l.segments = append(l.segments, sw)
	l.state.Segments = append(l.state.Segments, path)
	return nil
}

// listenUnix takes over the socket of a lab that was killed; one that runs holds the directory's lock.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the switch's socket: %w", err)
	}
	return listener, os.Chmod(path, 0o600)
}
