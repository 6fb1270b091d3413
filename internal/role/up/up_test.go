package up

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// buffer is written by Run and read by the test.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// running is one Run.
type running struct {
	dir  string
	out  *buffer
	stop context.CancelFunc
	done chan error
}

func options(t *testing.T, dir string) Options {
	t.Helper()
	program, err := controlplanetest.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		DataDir: dir, Bind: "127.0.0.1:0", Partition: "site1", DHCP: DHCP{Mode: "off"}, PartitionNetwork: "kernel", BootNetwork: "kernel",
		AgentBind: "127.0.0.1:1", OperatorBind: "127.0.0.1:2", MediaBind: "127.0.0.1:3", HTTPBind: "127.0.0.1:4", Artifacts: "/artifacts",
		BootArgs: []string{"--network-boot=false"}, APIServerProgram: program, RoleProgram: self,
	}
}

// dataDir is short: a Unix socket's path must fit.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ingot-up-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func startUp(t *testing.T, o Options) *running {
	t.Helper()
	r := &running{dir: o.DataDir, out: &buffer{}, done: make(chan error, 1)}
	o.Out, o.Log = r.out, r.out
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() { r.done <- Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		t.Logf("ingot up ended: %v", <-r.done)
	})
	eventually(t, "ingot up to be up", func() error {
		select {
		case err := <-r.done:
			r.done <- err
			t.Fatalf("ingot up ended: %v\n%s", err, r.out)
		default:
		}
		if !strings.Contains(r.out.String(), "Ingot is up") {
			return fmt.Errorf("not yet:\n%s", r.out)
		}
		return nil
	})
	return r
}

// end stops it and gives the result of Run.
func (r *running) end(t *testing.T) error {
	t.Helper()
	r.stop()
	err := <-r.done
	r.done <- err
	return err
}

func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	var last error
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(context.Context) (bool, error) {
		last = try()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("wait for %s: %v: %v", what, err, last)
	}
}

func pidOf(r *running, name string) (int, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, "run", name+".pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// said is what a role of the given process ID last logged.
func said(r *running, name string, pid int) (map[string]any, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, "logs", name+".log"))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		var fields map[string]any
		if json.Unmarshal([]byte(lines[i]), &fields) == nil && fields["pid"] == float64(pid) {
			return fields, nil
		}
	}
	return nil, fmt.Errorf("%s with pid %d has said nothing yet", name, pid)
}

// here waits until a role's present process has reached the API server, and gives what it said.
func here(t *testing.T, r *running, name string) (pid int, fields map[string]any) {
	t.Helper()
	eventually(t, name+" to reach the API server", func() (err error) {
		if pid, err = pidOf(r, name); err != nil {
			return err
		}
		fields, err = said(r, name, pid)
		return err
	})
	return pid, fields
}

// killed kills a role as kill -9 does and waits for the next one.
func killed(t *testing.T, r *running, name string) {
	t.Helper()
	pid, err := pidOf(r, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the next "+name, func() error {
		next, err := pidOf(r, name)
		if err == nil && next == pid {
			err = fmt.Errorf("still %d", pid)
		}
		return err
	})
}

func partitionUID(t *testing.T, r *running) string {
	t.Helper()
	var uid string
	eventually(t, "the API server", func() error {
		cfg, err := clientcmd.BuildConfigFromFlags("", filepath.Join(r.dir, "admin.kubeconfig"))
		if err != nil {
			return err
		}
		client, err := dynamic.NewForConfig(cfg)
		if err != nil {
			return err
		}
		p, err := client.Resource(ingot.GroupVersion.WithResource("partitions")).Get(t.Context(), "site1", metav1.GetOptions{})
		if err != nil {
			return err
		}
		uid = string(p.GetUID())
		return nil
	})
	return uid
}

func TestSite(t *testing.T) {
	dir := dataDir(t)
	r := startUp(t, options(t, dir))
	// The boot role's first word may be from before the API server knew the bindings: what it may read then says nothing. The partition role's right says that they are known.
	eventually(t, "the partition role to read Secrets", func() error {
		if _, fields := here(t, r, "partition"); fields["user"] != "ingot:partition:site1" || fields["readsSecrets"] != true {
			return fmt.Errorf("it is %v and reads secrets: %v", fields["user"], fields["readsSecrets"])
		}
		return nil
	})
	if _, fields := here(t, r, "boot"); fields["user"] != "ingot:boot:site1" || fields["readsSecrets"] != false {
		t.Errorf("boot is %v and reads secrets: %v", fields["user"], fields["readsSecrets"])
	}
	uid := partitionUID(t, r)

	killed(t, r, "partition")
	here(t, r, "partition")
	killed(t, r, "apiserver")
	if again := partitionUID(t, r); again != uid {
		t.Errorf("after kill -9 of the API server the Partition is another: %s, was %s", again, uid)
	}
	killed(t, r, "boot") // its successor has to reach the new API server
	pid, _ := here(t, r, "boot")

	var pids []int
	for _, name := range []string{"partition", "boot", "apiserver"} {
		p, err := pidOf(r, name)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, p)
	}
	if err := r.end(t); err != nil {
		t.Errorf("ingot up ends with %v\n%s", err, r.out)
	}
	for _, p := range pids {
		if err := syscall.Kill(p, 0); err == nil {
			t.Errorf("process %d is still there", p)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "logs", "boot.log"))
	if err != nil || !strings.Contains(string(text), "told to end") {
		t.Errorf("boot (%d) was not asked to end before it was ended (%v)", pid, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "run", "*.pid"))
	if err != nil || len(left) != 0 {
		t.Errorf("pid files are left: %v (%v)", left, err)
	}

	r = startUp(t, options(t, dir))
	here(t, r, "boot")
	if again := partitionUID(t, r); again != uid {
		t.Errorf("after a restart the Partition is another: %s, was %s", again, uid)
	}
	o := options(t, dir)
	o.Out, o.Log = &buffer{}, &buffer{}
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "in use by another ingot up") {
		t.Errorf("a second ingot up on the same data: want it refused, have %v", err)
	}
}

// TestForeignCluster runs the roles against an API server that ingot up did not start, whose own signer must name the roles.
func TestForeignCluster(t *testing.T) {
	cp := controlplanetest.Start(t)
	o := options(t, dataDir(t))
	o.Kubeconfig = filepath.Join(cp.DataDir, "admin.kubeconfig")
	o.APIServerProgram = "/must/not/be/started"
	r := startUp(t, o)
	_, fields := here(t, r, "boot")
	if fields["user"] != "ingot:boot:site1" || fields["readsSecrets"] != false {
		t.Errorf("boot is %v and reads secrets: %v", fields["user"], fields["readsSecrets"])
	}
	if _, err := os.Stat(filepath.Join(r.dir, "roles", "boot", "client.key")); err != nil {
		t.Errorf("the identity towards the cluster is not a file of its own: %v", err)
	}
	if err := r.end(t); err != nil {
		t.Error(err)
	}
}

func TestAPIServerThatDoesNotStart(t *testing.T) {
	o := options(t, dataDir(t))
	o.Bind = "nowhere"
	o.Out, o.Log = &buffer{}, &buffer{}
	err := Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "did not start") || !strings.Contains(err.Error(), "--bind") {
		t.Errorf("want the reason that the API server gave, have %v", err)
	}
}

// TestStopWhileItStarts: the API server answers nothing, so that the stop comes while kinds are installed.
func TestStopWhileItStarts(t *testing.T) {
	asked := make(chan struct{})
	var once sync.Once
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(asked) })
		<-r.Context().Done()
	}))
	defer silent.Close()
	o := options(t, dataDir(t))
	o.Kubeconfig = filepath.Join(o.DataDir, "silent.kubeconfig")
	cluster := clientcmdapi.NewConfig()
	cluster.Clusters["silent"] = &clientcmdapi.Cluster{Server: silent.URL}
	cluster.Contexts["silent"] = &clientcmdapi.Context{Cluster: "silent"}
	cluster.CurrentContext = "silent"
	if err := clientcmd.WriteToFile(*cluster, o.Kubeconfig); err != nil {
		t.Fatal(err)
	}
	out := &buffer{}
	o.Out, o.Log = out, out
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-asked
		stop()
	}()
	if err := Run(ctx, o); err != nil {
		t.Errorf("a stop while it starts is an ordinary end, have %v", err)
	}
	select {
	case <-asked:
	default:
		t.Error("the API server was not asked: the stop came before or after what is tested")
	}
	if !strings.Contains(out.String(), "told to stop while it started") {
		t.Errorf("what was under way is not said:\n%s", out)
	}
}
