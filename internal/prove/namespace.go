package prove

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// ErrImpossible is the kind of every refusal by a machine that can't hold a lab.
var ErrImpossible = errors.New("no proof is possible on this machine")

// Possible says what is missing for a lab, or nil.
func Possible() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: network namespaces need root: run it as root", ErrImpossible)
	}
	for tool, from := range map[string]string{"nft": "nftables", "ip": "iproute2"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: %w: install %s", ErrImpossible, err, from)
		}
	}
	n, err := newNamespace()
	if err != nil {
		return err
	}
	n.close()
	return nil
}

// namespace is a network namespace without a name: a thread of its own lives in it, and when that ends and the sockets are closed, it is gone.
type namespace struct {
	tid  int
	work chan func()
	done chan struct{}
}

func newNamespace() (*namespace, error) {
	n := &namespace{work: make(chan func()), done: make(chan struct{})}
	made := make(chan error)
	go n.live(made)
	if err := <-made; err != nil {
		return nil, fmt.Errorf("%w: make a network namespace: %w: the kernel or the container doesn't allow it", ErrImpossible, err)
	}
	return n, nil
}

// live never unlocks its thread, which therefore ends with the goroutine: no other goroutine must ever run in this namespace.
func (n *namespace) live(made chan<- error) {
	defer close(n.done)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		made <- err
		return
	}
	n.tid = unix.Gettid()
	made <- nil
	for f := range n.work {
		f()
	}
}

// do runs f in the namespace: sockets that it opens and processes that it starts belong there.
func (n *namespace) do(f func() error) error {
	var err error
	finished := make(chan struct{})
	n.work <- func() {
		defer close(finished)
		err = f()
	}
	<-finished
	return err
}

func (n *namespace) close() {
	close(n.work)
	<-n.done
}
