package machine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// power is the kernel's own way to end it all.
type power struct {
	logger  *slog.Logger
	console *console
	once    sync.Once
}

// PowerOff implements agent.Power.
func (p *power) PowerOff(context.Context) error {
	return p.end("Powering off", unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// Reboot implements agent.Power.
func (p *power) Reboot(context.Context) error {
	return p.end("Rebooting", unix.LINUX_REBOOT_CMD_RESTART)
}

// end may be called by the agent and by the power button at once; the first call wins.
func (p *power) end(message string, command int) error {
	var err error
	p.once.Do(func() {
		p.logger.Info(message) //nolint:sloglint // one of two constants
		p.console.drain()
		unix.Sync()
		err = unix.Reboot(command)
	})
	if err != nil {
		return fmt.Errorf("reboot(2): %w", err)
	}
	return nil
}

// Input events (linux/input.h, input-event-codes.h).
const (
	eventKey  = 1
	keyPower  = 116
	pressed   = 1
	eventSize = int(unsafe.Sizeof(unix.Timeval{})) + 8
)

// buttonScan is how often new input devices are looked for.
const buttonScan = 2 * time.Second

// watchButton calls off when the power button is pressed, on whichever input device it is.
func watchButton(ctx context.Context, off func()) {
	watched := map[string]bool{}
	for ctx.Err() == nil {
		devices, err := filepath.Glob("/dev/input/event*")
		for _, d := range devices {
			if err == nil && !watched[d] {
				watched[d] = true
				go readButton(d, off)
			}
		}
		t := time.NewTimer(buttonScan)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

func readButton(device string, off func()) {
	f, err := os.Open(device)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	buf := make([]byte, 64*eventSize)
	for {
		n, err := f.Read(buf)
		if err != nil {
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return
		}
		if powerPressed(buf[:n]) {
			off()
		}
	}
}

// powerPressed looks for the power key in struct input_event: a time, type, code, value.
func powerPressed(b []byte) bool {
	for ; len(b) >= eventSize; b = b[eventSize:] {
		e := b[eventSize-8:]
		kind, code, value := binary.NativeEndian.Uint16(e), binary.NativeEndian.Uint16(e[2:]), binary.NativeEndian.Uint32(e[4:])
		if kind == eventKey && code == keyPower && value == pressed {
			return true
		}
	}
	return false
}

// clock is the machine's clock.
type clock struct{}

// Now implements agent.Clock.
func (clock) Now() time.Time { return time.Now() }

// Set implements agent.Clock. The battery-backed clock is left to the system that will be installed.
func (clock) Set(now time.Time) error {
	tv := unix.NsecToTimeval(now.UnixNano())
	if err := unix.Settimeofday(&tv); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	return nil
}
