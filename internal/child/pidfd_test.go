package child_test

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

func pidfdOpen(pid int) (int, error) { return unix.PidfdOpen(pid, 0) }

// waitReadable waits until the process behind a pidfd has ended.
func waitReadable(fd int, most time.Duration) error {
	deadline := time.Now().Add(most)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return errors.New("still running")
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			return err
		}
	}
}
