package prove

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pinned runs f on the processor that it is on: each has a queue of its own for received frames, and only within one queue is the order certain.
func pinned(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return fmt.Errorf("ask for the thread's processors: %w", err)
	}
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return fmt.Errorf("ask for the thread's processor: %w", errno)
	}
	one.Set(int(cpu))
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("stay on processor %d: %w", cpu, err)
	}
	err := f()
	if restore := unix.SchedSetaffinity(0, &allowed); err == nil && restore != nil {
		err = fmt.Errorf("go back to all processors: %w", restore)
	}
	return err
}
