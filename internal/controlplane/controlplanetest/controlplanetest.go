// Package controlplanetest gives tests a real control plane: the ingot-apiserver program as a child process, with every kind, policy and permission installed.
//
// It owns the build (once a machine, serialised by a lock, repeated only when the sources changed), the fresh data directory and the end. It refuses to link the control
// plane into test binaries, which would cost each of them 15 s.
//
//	func TestMain(m *testing.M) { controlplanetest.Main(m) }
//	func TestX(t *testing.T) { cp := controlplanetest.Shared(t); client.New(cp.Admin, ...) }      // one server for the package's tests: use a namespace each
//	func TestY(t *testing.T) { cp := controlplanetest.Start(t); ... cp.Kill(t); cp.Restart(t) }   // a server of the test's own, about 3 s
package controlplanetest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ingotmetal/ingot/internal/child"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/identity"
)

const (
	// startDeadline is generous: on a busy machine a start of 3 s has been seen to take 20.
	startDeadline = 5 * time.Minute
	stopGrace     = 3 * time.Minute
	mainPackage   = "github.com/ingotmetal/ingot/cmd/ingot-apiserver"
)

// Server is a running control plane.
type Server struct {
	// Admin may do everything. Not rate limited.
	Admin *rest.Config
	// URL and DataDir are those of the process; the port changes with a restart.
	URL     string
	DataDir string

	program string
	args    []string
	process *child.Process
}

// Start runs a control plane for one test, with further arguments, and stops it when the test ends.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s, err := Open(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// shared is the package's control plane. It lives as long as the test process and is no state of the product.
var shared struct {
	mu      sync.Mutex
	inMain  bool
	server  *Server
	problem error
	// over are the tests that used it and ended.
	over map[string]bool
}

// Main runs the tests and then stops the control plane that Shared started, if it did.
func Main(m *testing.M) {
	shared.inMain = true
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// Shared gives the one control plane of this test process. The package's TestMain must call Main. Each round of -count has its own, so that a test may give its objects the names it likes.
func Shared(t testing.TB) *Server {
	t.Helper()
	if !shared.inMain {
		t.Fatal("controlplanetest.Shared needs func TestMain(m *testing.M) { controlplanetest.Main(m) } in this package")
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	name := t.Name()
	if shared.over[name] {
		// A test that is over runs again: all tests of the round before are over.
		if shared.server != nil {
			if err := shared.server.Close(); err != nil {
				t.Error(err)
			}
		}
		shared.server, shared.problem, shared.over = nil, nil, nil
	}
	if shared.server == nil && shared.problem == nil {
		shared.server, shared.problem = Open(context.Background())
	}
	if shared.problem != nil {
		t.Fatal(shared.problem)
	}
	t.Cleanup(func() {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if shared.over == nil {
			shared.over = map[string]bool{}
		}
		shared.over[name] = true
	})
	return shared.server
}

// As gives the identity of a role of a partition, with a real certificate.
func (s *Server) As(t testing.TB, role, partition string) *rest.Config {
	t.Helper()
	return s.identity(t, pki.RoleProfile(role, partition))
}

// Client gives an identity with any name and groups, which must be made by hand to be allowed anything.
func (s *Server) Client(t testing.TB, name string, groups ...string) *rest.Config {
	t.Helper()
	return s.identity(t, pki.ClientProfile(name, time.Hour, groups...))
}

func (s *Server) identity(t testing.TB, p pki.Profile) *rest.Config {
	t.Helper()
	ca, err := pki.OpenCA(filepath.Join(s.DataDir, "pki"), "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id, err := ca.NewIdentity(p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &rest.Config{
		Host:            s.URL,
		QPS:             -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: ca.CertPEM(), CertData: id.CertPEM, KeyData: []byte(id.KeyPEM.Reveal())},
	}
}

// BindHosts lets the partition role read Secrets in a namespace, as the controller role does where there are hosts, and returns when the API server knows.
func (s *Server) BindHosts(t testing.TB, namespace string) {
	t.Helper()
	admin, err := kubernetes.NewForConfig(s.Admin)
	if err != nil {
		t.Fatal(err)
	}
	binding := identity.HostNamespacesBinding(matrix.Partition, namespace)
	if _, err := admin.RbacV1().RoleBindings(namespace).Create(t.Context(), &binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "ingot:partition:any", Groups: []string{identity.Group(matrix.Partition)},
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets", Namespace: namespace, Name: "any"},
	}}
	err = wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, startDeadline, true, func(ctx context.Context) (bool, error) {
		answer, err := admin.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		return err == nil && answer.Status.Allowed, err
	})
	if err != nil {
		t.Fatalf("wait until the partition role may read Secrets in namespace %s: %v", namespace, err)
	}
}

// PID is the process's ID.
func (s *Server) PID() int { return s.process.PID() }

// Kill ends the process as kill -9 does. The data directory stays.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.process.Kill(); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the process with SIGTERM and fails the test if that is not a clean end.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.process.Stop(context.Background(), stopGrace); err != nil {
		t.Fatalf("%v\n%s", err, s.lastLog())
	}
}

// Restart runs the program again on the same data directory, after Kill or Stop, on the same port.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.run(t.Context(), strings.TrimPrefix(s.URL, "https://")); err != nil {
		t.Fatal(err)
	}
}

// Open runs a control plane for what is no test, a benchmark; Close ends it.
func Open(ctx context.Context, args ...string) (*Server, error) {
	program, err := Build(ctx)
	if err != nil {
		return nil, err
	}
	// Not t.TempDir: a long test name would not leave room for a Unix socket's path.
	dir, err := os.MkdirTemp("", "ingot-cp-")
	if err != nil {
		return nil, fmt.Errorf("make a data directory: %w", err)
	}
	s := &Server{DataDir: dir, program: program, args: args}
	if err := s.run(ctx, "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("%w (its data directory is kept: %s)", err, dir)
	}
	return s, nil
}

func (s *Server) run(ctx context.Context, bind string) error {
	logFile, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the control plane's log: %w", err)
	}
	defer logFile.Close()
	cmd := exec.Command(s.program, append([]string{"--data-dir", s.DataDir, "--bind", bind}, s.args...)...) //nolint:noctx // it is shared by tests and outlives their contexts; Stop ends it
	cmd.Stderr = logFile
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("make a pipe for the control plane: %w", err)
	}
	if s.process, err = child.Start(cmd); err != nil {
		return err
	}
	ready := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		ready <- strings.TrimSpace(line)
	}()
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	select {
	case line := <-ready:
		url, ok := strings.CutPrefix(line, "ready ")
		if !ok {
			return fmt.Errorf("the control plane ended before it was ready: %q\n%s", line, s.lastLog())
		}
		s.URL = url
	case <-ctx.Done():
		_ = s.process.Kill()
		return fmt.Errorf("the control plane was not ready within %s: %w\n%s", startDeadline, context.Cause(ctx), s.lastLog())
	}
	if s.Admin, err = clientcmd.BuildConfigFromFlags("", filepath.Join(s.DataDir, "admin.kubeconfig")); err != nil {
		return fmt.Errorf("read the administrator's kubeconfig: %w", err)
	}
	s.Admin.QPS = -1
	return nil
}

// Close stops the control plane and removes its data.
func (s *Server) Close() error {
	select {
	case <-s.process.Done():
	default:
		if err := s.process.Stop(context.Background(), stopGrace); err != nil {
			return fmt.Errorf("%w\n%s", err, s.lastLog())
		}
	}
	return os.RemoveAll(s.DataDir)
}

func (s *Server) logFile() string { return filepath.Join(s.DataDir, "apiserver.log") }

func (s *Server) lastLog() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	const most = 8 << 10
	return string(text[max(0, len(text)-most):])
}

// Build makes the program and returns its path. Test processes that run at the same time wait for each other; go build links again only when something changed.
func Build(ctx context.Context) (string, error) {
	cache, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its cache, to keep the built control plane beside it: %w", err)
	}
	dir := filepath.Join(filepath.Dir(strings.TrimSpace(string(cache))), "ingot-test")
	program := filepath.Join(dir, "ingot-apiserver")
	return program, Programs(ctx, dir, program, mainPackage)
}

// Programs builds programs into a folder, to a path in it or to the folder with a slash. One process at a time does: two that link the same program would write it while the other one runs it already.
func Programs(ctx context.Context, dir, to string, packages ...string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a folder for built programs: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "build.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open the build lock: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("take the build lock: %w", err)
	}
	ldflags, err := LinkFlags(ctx)
	if err != nil {
		return err
	}
	// Without the state of the repository in it: a file that a test writes there would have a program linked anew that others run.
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-buildvcs=false", "-ldflags", ldflags, "-o", to}, packages...)...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", strings.Join(packages, " "), err, out)
	}
	return nil
}

// LinkFlags leave debugging tables out and say which Kubernetes this is, which kubectl wants to know.
func LinkFlags(ctx context.Context) (string, error) {
	const kubernetes, target = "k8s.io/kubernetes", "k8s.io/component-base/version."
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", kubernetes).Output()
	if err != nil {
		return "", fmt.Errorf("ask go for the version of %s: %w", kubernetes, err)
	}
	version := strings.TrimSpace(string(out))
	numbers := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(numbers) != 3 {
		return "", fmt.Errorf("%s has version %q: three numbers are expected", kubernetes, version)
	}
	return fmt.Sprintf("-s -w -X %[1]sgitVersion=%[2]s -X %[1]sgitMajor=%[3]s -X %[1]sgitMinor=%[4]s", target, version, numbers[0], numbers[1]), nil
}
