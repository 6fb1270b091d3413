// Package child runs a process that does not outlive this one.
//
// It owns the start, the end and the tie between them. It refuses restarts and logs; supervisors do those. The tie is Linux's parent death signal, which is sent when
// the *thread* that forked ends, hence the goroutine locked to a thread for the child's whole life.
//
// Invariants: every child is waited for; a child gets SIGKILL when this process dies, however it dies.
package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is a started child.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	// err is set before done is closed.
	err error
}

// Start starts the command. Its context, when it has one, kills it.
func Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	// A group of its own: Ctrl-C in the terminal reaches the parent alone, which then stops its children in order.
	cmd.SysProcAttr.Setpgid = true
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// PID is the child's process ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the child ended, nil for exit code 0. Valid after Done.
func (p *Process) Err() error { return p.err }

// Kill ends the child at once and waits for its end.
func (p *Process) Kill() error {
	err := p.cmd.Process.Kill()
	<-p.done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Stop asks the child to end, waits up to grace and then kills it. A child that ended by the signal or with code 0 is no error.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.cmd.Path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	select {
	case <-p.done:
	case <-ctx.Done():
		if err := p.Kill(); err != nil {
			return fmt.Errorf("kill %s: %w", p.cmd.Path, err)
		}
		return fmt.Errorf("%s did not end within %s of SIGTERM and was killed", p.cmd.Path, grace)
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGTERM {
			return nil
		}
	}
	return p.err
}
