// Package leader is the lease by which one process of a role leads, under a name that its successor on the same machine has too.
//
// Upstream's name for a process is new with each start. So a leader that was killed and is started again within a second or two, as every supervisor does, waits for its own lease to end, a quarter of a minute in which
// nobody serves anything. Here the name is made of what the killed process had and only its successor can have: an exclusive lock on the role's kubeconfig, which the kernel lets go of when the process is gone. Who
// finds its own name in the lease leads on at once; everybody else waits for the lease as before.
//
// It owns the name and the lease's client. It refuses the election itself (client-go's) and a lock that somebody else has: the second process with one kubeconfig has a name that is new with each start.
//
// Invariant: no two processes that live at one moment have the same name. The kernel's boot id tells machines and their boots apart, device and inode the files of one kernel, and the lock its processes.
package leader

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// bootID is new with each boot of a kernel, and the same for all that runs on it: random(4).
const bootID = "/proc/sys/kernel/random/boot_id"

// Name is what a process calls itself in a lease, for as long as it is not closed.
type Name struct {
	text string
	file *os.File
}

// Take gives the process the name that goes with a file, or one of its own where another process has that.
func Take(path string) (*Name, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name this process for the election: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("name this process for the election: %w", err)
	}
	text, err := held(f)
	if err != nil {
		// Not an error of ours: the file is another process's, or lies where nothing can be locked.
		return &Name{text: host + "_" + string(uuid.NewUUID())}, f.Close()
	}
	return &Name{text: host + "_" + text, file: f}, nil
}

// held locks a file and says what is only this process's until it ends.
func held(f *os.File) (string, error) {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return "", fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	boot, err := os.ReadFile(bootID)
	if err != nil {
		return "", fmt.Errorf("read the boot's id: %w", err)
	}
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return "", fmt.Errorf("look at %s: %w", f.Name(), err)
	}
	return fmt.Sprintf("%s-%x-%x", strings.TrimSpace(string(boot)), s.Dev, s.Ino), nil
}

// String is the name.
func (n *Name) String() string { return n.text }

// Close gives the name up. A process that leads does not.
func (n *Name) Close() error {
	if n.file == nil {
		return nil
	}
	return n.file.Close()
}

// Lease is the object that the processes of a role compete for. A request for it ends after half of the time in which it must be renewed, so that one that hangs does not lose it.
func (n *Name) Lease(config *rest.Config, namespace, name string, renew time.Duration) (resourcelock.Interface, error) {
	if n.text == "" {
		return nil, errors.New("lease without a name of the process")
	}
	config = rest.CopyConfig(config)
	config.UserAgent = rest.DefaultKubernetesUserAgent() + "/leader-election"
	config.Timeout = renew / 2
	c, err := coordination.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client of the lease %s/%s: %w", namespace, name, err)
	}
	return &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Client: c, LockConfig: resourcelock.ResourceLockConfig{Identity: n.text}}, nil
}
