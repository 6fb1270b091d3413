package sitefirewall_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/ingotmetal/ingot/internal/child"
	matrixcontroller "github.com/ingotmetal/ingot/internal/controller/matrix"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
)

// Who is where on the one network.
const (
	center   = "10.7.0.2"
	bastion  = "10.7.0.3"
	web      = "10.7.0.10"
	database = "10.7.0.11"
	customer = "10.7.0.99"
)

const (
	// patience is for whatever has to happen in the end.
	patience = 5 * time.Minute
	// trial is long against a dial, and short against patience.
	trial   = 20 * time.Second
	apiPort = "6443"
)

// world is the site.
type world struct {
	*testing.T
	ctx    context.Context
	dir    string
	at     map[string]*netns.Namespace
	client client.Client

	programs  map[string]string
	processes map[string]*child.Process
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes network namespaces and loads rulesets: run it as root")
	}
	dir, err := os.MkdirTemp("", "site-") // short: the name of a Unix socket has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &world{T: t, ctx: t.Context(), dir: dir, at: map[string]*netns.Namespace{}, programs: map[string]string{}, processes: map[string]*child.Process{}}
	w.build()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	w.ctx = ctx
	w.cables()
	return w
}

// build makes the programs.
func (w *world) build() {
	var err error
	if w.programs["ingot-apiserver"], err = controlplanetest.Build(w.ctx); err != nil {
		w.Fatal(err)
	}
	for _, name := range []string{"ingot", "ingot-node"} {
		w.programs[name] = filepath.Join(w.dir, name)
		if out, err := exec.CommandContext(w.ctx, "go", "build", "-o", w.programs[name], "../../cmd/"+name).CombinedOutput(); err != nil {
			w.Fatalf("build %s: %v: %s", name, err, out)
		}
	}
}

// cables puts everybody on one switch, which is a namespace too.
func (w *world) cables() {
	hub := w.namespace()
	w.command(hub, "ip", "link", "add", "br0", "type", "bridge")
	w.command(hub, "ip", "link", "set", "br0", "up")
	for i, address := range []string{center, web, database, customer} {
		n := w.namespace()
		w.at[address] = n
		port := fmt.Sprintf("port%d", i)
		end := netns.End{In: n, Interface: "eth0", Addresses: []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(address), 24)}}
		if err := netns.Join(end, netns.End{In: hub, Interface: port}); err != nil {
			w.Fatal(err)
		}
		w.command(hub, "ip", "link", "set", port, "master", "br0")
	}
}

func (w *world) namespace() *netns.Namespace {
	n, err := netns.New()
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = n.Close() })
	return n
}

// command runs a command in a namespace to its end.
func (w *world) command(n *netns.Namespace, name string, arguments ...string) string {
	w.Helper()
	out, err := n.Run(w.ctx, "", name, arguments...)
	if err != nil {
		w.Fatal(err)
	}
	return out
}

// start runs a program in a namespace. It dies with the test.
func (w *world) start(name, where, program string, arguments ...string) {
	w.Helper()
	log, err := os.OpenFile(w.log(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	// nsenter becomes the program: the process that is killed is the program's.
	c := exec.Command("nsenter", append([]string{"--net=" + w.at[where].Path(), w.programs[program]}, arguments...)...) //nolint:noctx // it is stopped by kill, or by the cleanup
	c.Stdout, c.Stderr = log, log
	p, err := child.Start(c)
	if err != nil {
		w.Fatal(err)
	}
	w.processes[name] = p
	w.Cleanup(func() {
		_ = p.Kill()
		if w.Failed() {
			text, _ := os.ReadFile(w.log(name))
			w.Logf("the end of the log of %s:\n%s", name, text[max(0, len(text)-4096):])
		}
	})
}

func (w *world) log(name string) string { return filepath.Join(w.dir, name+".log") }

// kill ends a program as a crash would.
func (w *world) kill(name string) {
	w.Helper()
	if err := w.processes[name].Kill(); err != nil {
		w.Fatal(err)
	}
	delete(w.processes, name)
}

// until waits for a condition; its error is why not yet.
func (w *world) until(what string, holds func() error) {
	w.Helper()
	var last error
	for {
		err := holds()
		if err == nil {
			return
		}
		if w.ctx.Err() == nil { // else it says no more than that
			last = err
		}
		for name, p := range w.processes {
			select {
			case <-p.Done():
				w.Fatalf("while waiting for %s, %s ended: %v", what, name, p.Err())
			default:
			}
		}
		select {
		case <-w.ctx.Done():
			w.Fatalf("%s: not within %s: %v", what, patience, last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// controlPlane starts the API server, and makes a client of the operator.
func (w *world) controlPlane() {
	if err := os.RemoveAll(w.log("apiserver")); err != nil { // that of the one before
		w.Fatal(err)
	}
	w.start("apiserver", center, "ingot-apiserver", "--data-dir", filepath.Join(w.dir, "cp"), "--bind", center+":"+apiPort, "--advertise", center)
	w.until("the API server", func() error {
		text, err := os.ReadFile(w.log("apiserver"))
		if err == nil && !bytes.Contains(text, []byte("ready https://")) {
			err = errors.New("it has not said that it is ready")
		}
		return err
	})
	cfg, err := clientcmd.BuildConfigFromFlags("", w.admin())
	if err != nil {
		w.Fatal(err)
	}
	cfg.QPS = -1
	cfg.Dial = func(ctx context.Context, network, address string) (c net.Conn, err error) {
		failed := w.at[center].Do(func() error {
			c, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return c, failed
	}
	scheme, err := matrixcontroller.Scheme()
	if err != nil {
		w.Fatal(err)
	}
	ctrllog.SetLogger(logr.Discard())
	if w.client, err = client.New(cfg, client.Options{Scheme: scheme}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) admin() string { return filepath.Join(w.dir, "cp", "admin.kubeconfig") }

// controller starts the controller role with an identity of its own.
func (w *world) controller() {
	ca, err := pki.OpenCA(filepath.Join(w.dir, "cp", "pki"), "", time.Now())
	if err != nil {
		w.Fatal(err)
	}
	files := pki.FilesIn(w.dir, "controller")
	if err := ca.Issue(files, pki.RoleProfile("controller", "", "127.0.0.1"), time.Now()); err != nil {
		w.Fatal(err)
	}
	file := filepath.Join(w.dir, "controller.kubeconfig")
	if err := kubeconfig.WriteRole(file, kubeconfig.Cluster{Name: "ingot", URL: "https://" + center + ":" + apiPort, CA: ca.CertPEM()}, files); err != nil {
		w.Fatal(err)
	}
	w.start("controller", center, "ingot", "controller", "--kubeconfig", file, "--tls-cert", files.Cert, "--tls-key", files.Key, "--tls-ca", files.CA,
		"--leader-elect=false", "--health-bind", "127.0.0.1:8447")
}

// greeting is how a server of SSH names itself: the controller waits for it, and so do we.
const greeting = "SSH-2.0-test\r\n"

// listen greets whoever connects to a port, and says back what it is told.
func (w *world) listen(where string, port int) {
	w.Helper()
	var l net.Listener
	err := w.at[where].Do(func() error {
		var err error
		l, err = new(net.ListenConfig).Listen(w.ctx, "tcp4", fmt.Sprintf(":%d", port))
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_, _ = io.WriteString(c, greeting)
				_, _ = io.Copy(c, c)
			}()
		}
	}()
}

// conversation is an open connection of somebody to a listener.
type conversation struct{ net.Conn }

// dial opens a new connection, and waits for the greeting.
func (w *world) dial(from, to string, port int) (*conversation, error) {
	var c net.Conn
	err := w.at[from].Do(func() error {
		var err error
		c, err = (&net.Dialer{Timeout: time.Second}).DialContext(w.ctx, "tcp4", net.JoinHostPort(to, fmt.Sprint(port)))
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := heard(c, greeting); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &conversation{c}, nil
}

func heard(c net.Conn, want string) error {
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		return fmt.Errorf("want %q, have %q: %w", want, got, err)
	}
	return nil
}

// says sends a word and waits for it to come back.
func (c *conversation) says(word string) error {
	if err := c.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, word); err != nil {
		return err
	}
	return heard(c, word)
}

// passes and refused hold a new connection against what it should meet, now.
func (w *world) passes(from, to string, port int) {
	w.Helper()
	c, err := w.dial(from, to, port)
	if err != nil {
		w.Errorf("from %s to %s port %d: it is allowed, and does not pass: %v", from, to, port, err)
		return
	}
	_ = c.Close()
}

func (w *world) refused(from, to string, port int) {
	w.Helper()
	if c, err := w.dial(from, to, port); err == nil {
		_ = c.Close()
		w.Errorf("from %s to %s port %d: no row allows it, and it passes", from, to, port)
	}
}
