package leader_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/role/leader"
)

func TestMain(m *testing.M) { controlplanetest.Main(m) }

func file(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte("who we are"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func take(t *testing.T, path string) *leader.Name {
	t.Helper()
	n, err := leader.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// A name goes with the file to the process's successor, and to nobody else.
func TestName(t *testing.T) {
	path := file(t)
	first := take(t, path)
	beside := take(t, path)
	if beside.String() == first.String() {
		t.Errorf("two processes are called %s", first)
	}
	if other := take(t, file(t)); other.String() == first.String() {
		t.Errorf("processes with other files are both called %s", first)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if next := take(t, path); next.String() != first.String() {
		t.Errorf("the successor of %s is called %s", first, next)
	}
	if _, err := leader.Take(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a name without a file")
	}
}

// The successor of a leader that was killed leads on though the lease has an hour to go; one with a name of its own does not.
func TestSuccessorLeadsAtOnce(t *testing.T) {
	cp := controlplanetest.Shared(t)
	c, err := kubernetes.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	const namespace = "leader-test"
	_, err = c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	path, lease := file(t), "lease-"+time.Now().Format("150405.000000000")
	compete := func(n *leader.Name) (leads <-chan struct{}, stop func()) {
		t.Helper()
		lock, err := n.Lease(cp.Admin, namespace, lease, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		led := make(chan struct{})
		e, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: time.Hour, RenewDeadline: time.Minute, RetryPeriod: 20 * time.Millisecond,
			Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { close(led) }, OnStoppedLeading: func() {}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); e.Run(ctx) }()
		return led, func() { cancel(); <-ended }
	}
	await := func(leads <-chan struct{}, who string) {
		t.Helper()
		select {
		case <-leads:
		case <-time.After(5 * time.Minute):
			t.Fatalf("%s does not lead", who)
		}
	}
	first := take(t, path)
	leads, kill := compete(first)
	await(leads, "the first process")
	waits, stop := compete(take(t, path))
	defer stop()
	// It is gone without having given the lease up, as one that was killed.
	kill()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	leads, kill = compete(take(t, path))
	defer kill()
	await(leads, "the successor")
	select {
	case <-waits:
		t.Error("a process with another name leads too")
	default:
	}
}
