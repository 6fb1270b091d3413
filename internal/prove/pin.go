package prove

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// pinned runs f on the n-th processor: each has a queue of its own for received frames, and only within one queue is the order certain.
func pinned(nth int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return fmt.Errorf("ask for the thread's processors: %w", err)
	}
	nth %= max(allowed.Count(), 1)
	for cpu := range 8 * len(allowed) * 8 {
		if !allowed.IsSet(cpu) {
			continue
		}
		if nth == 0 {
			one.Set(cpu)
			break
		}
		nth--
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("stay on one processor: %w", err)
	}
	err := f()
	if restore := unix.SchedSetaffinity(0, &allowed); err == nil && restore != nil {
		err = fmt.Errorf("go back to all processors: %w", restore)
	}
	return err
}
