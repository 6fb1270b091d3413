// Package harness starts the built programs for tests and benchmarks, waits on the API, and keeps what helps when a run failed.
//
// It owns the processes `ingot up` and `ingot lab`, a client of the API, and the folder of logs. It refuses to look inside of a program: everything it knows comes from the
// API, from the lab's state file, and from logs. Both programs die with the test, however it ends.
//
// Invariants: a test that fails leaves a folder with every log, every object and every console, and says where it is; a program that ended by itself ends every wait at
// once, with the end of its log.
package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/port"
)

// Options say what to start.
type Options struct {
	// Bin is the folder of the programs, Artifacts that of the agent's boot artifacts.
	Bin, Artifacts string
	// Lab are arguments of `ingot lab`, without --data-dir.
	Lab []string
	// Up are further arguments of `ingot up`.
	Up []string
}

// World is a running lab with a control plane.
type World struct {
	// Dir holds everything, Logs the programs' output, UpDir the data of `ingot up`.
	Dir, Logs, UpDir string
	// Kubeconfig is the operator's; Client reads the API with it, past any cache.
	Kubeconfig string
	Client     client.Client
	Up, Lab    *Program
	State      lab.State

	bin      string
	programs []*Program
	// revived is how much of a machine's console was heard when it was reset.
	revived map[client.ObjectKey]int
}

// startLimit bounds the start of control plane and lab on a busy host; a quiet one takes 5 s.
const startLimit = 5 * time.Minute

// Partition is the name of the world's partition.
const Partition = "lab"

// Start starts lab and control plane and waits for both.
func Start(t testing.TB, o Options) *World {
	t.Helper()
	// The client's library complains on the terminal where nobody takes its log.
	log.SetLogger(logr.Discard())
	w := &World{Dir: shortDir(t), bin: o.Bin, revived: map[client.ObjectKey]int{}}
	w.Logs = filepath.Join(w.Dir, "logs")
	if err := os.MkdirAll(w.Logs, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	labDir := filepath.Join(w.Dir, "lab")
	w.Lab = run(t, o.Bin, w.Logs, "lab", append([]string{"lab", "--data-dir", labDir, "--partition", Partition}, o.Lab...)...)
	w.programs = append(w.programs, w.Lab)
	w.Until(ctx, t, "the lab's state file", func(context.Context) (err error) {
		w.State, err = lab.ReadState(labDir)
		return err
	})
	upDir := filepath.Join(w.Dir, "up")
	w.UpDir = upDir
	w.Kubeconfig = filepath.Join(upDir, "admin.kubeconfig")
	w.Up = run(t, o.Bin, w.Logs, "up", append(upArguments(t, upDir, labDir, o.Artifacts, w.State.PartitionNetwork != ""), o.Up...)...)
	w.programs = append(w.programs, w.Up)
	t.Cleanup(func() { w.keep(t) })
	w.Until(ctx, t, "the API", w.connect)
	return w
}

// upArguments give every listener on loopback a free port, so that several worlds can run at a time. On the lab's own network, which is another one in each world, the
// machines find the ports that the matrix has.
func upArguments(t testing.TB, upDir, labDir, artifacts string, onNetwork bool) []string {
	t.Helper()
	args := []string{"up", "--data-dir", upDir, "--lab", labDir, "--artifacts", artifacts, "--partition", Partition}
	onLoopback := []string{"--bind", "--operator-bind", "--media-bind", "--console-bind", "--console-ssh-bind", "--web-bind"}
	if !onNetwork {
		onLoopback = append(onLoopback, "--agent-bind", "--http-bind")
	}
	for _, flag := range onLoopback {
		args = append(args, flag, port.Free(t))
	}
	return args
}

// connect makes the client, once the kubeconfig is there and the partition answers.
func (w *World) connect(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", w.Kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, metal3.AddToScheme, ingot.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	if w.Client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	var p ingot.Partition
	if err := w.Client.Get(ctx, client.ObjectKey{Name: Partition}, &p); err != nil {
		return err
	}
	if p.Status.AgentEndpoint == "" {
		return fmt.Errorf("partition %s has no agent endpoint yet", p.Name)
	}
	return nil
}

// CLI runs the program as an operator would, and gives what it printed.
func (w *World) CLI(ctx context.Context, t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, filepath.Join(w.bin, "ingot"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+w.Kubeconfig)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ingot %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Key is the object key of machine number i.
func (w *World) Key(i int) client.ObjectKey {
	m := w.State.Machines[i]
	return client.ObjectKey{Namespace: m.Namespace, Name: m.Name}
}

// shortDir is a folder whose path leaves room for a unix socket's. It is removed unless the test fails.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ingot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("everything of this run is kept in %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
