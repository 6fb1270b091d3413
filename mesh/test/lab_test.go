package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/child"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/internal/pki"
)

// patience is how long anything may take on a loaded machine.
const patience = 8 * time.Minute

// namespace has the lab's MeshKeys.
const namespace = "shop"

// lab is a mesh with its coordinator, its relay and an API server.
type lab struct {
	t      *testing.T
	dir    string
	core   place
	ca     *pki.CA
	caFile string
	cp     *controlplanetest.Server
	api    client.Client
	keys   *meshkey.Client
	serve  *process
	relay  *process
	// data is the folder of the coordinator's store.
	data string
}

// process is a running ingot-mesh.
type process struct {
	*child.Process
	log string
	// lines are its standard output's.
	lines chan string
}

// newLab starts it; the flags are the API server's.
func newLab(t *testing.T, flags ...string) *lab {
	t.Helper()
	l := &lab{t: t, core: newNetwork(t)}
	var err error
	// Not t.TempDir: what is left of a failed run is read.
	if l.dir, err = os.MkdirTemp("", "ingot-mesh-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the logs are in %s", l.dir)
			return
		}
		os.RemoveAll(l.dir)
	})
	// The API server is of the main module.
	t.Chdir("../..")
	l.cp = controlplanetest.Start(t, flags...)
	if l.ca, err = pki.OpenCA(filepath.Join(l.cp.DataDir, "pki"), "", time.Now()); err != nil {
		t.Fatal(err)
	}
	l.caFile = filepath.Join(l.dir, "ca.crt")
	if err := os.WriteFile(l.caFile, l.ca.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(ingot.AddToScheme(scheme), clientgoscheme.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	if l.api, err = client.New(l.cp.Admin, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	if err := l.api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	l.data = filepath.Join(l.dir, "serve-data")
	l.keys = l.minter(pki.RoleProfile("controller", ""))
	l.startRelay()
	l.startServe()
	return l
}

// files issues a certificate.
func (l *lab) files(name string, p pki.Profile) pki.Files {
	l.t.Helper()
	f := pki.FilesIn(filepath.Join(l.dir, name), "tls")
	if err := l.ca.Issue(f, p, time.Now()); err != nil {
		l.t.Fatal(err)
	}
	return f
}

// minter asks for keys with a profile's certificate.
func (l *lab) minter(p pki.Profile) *meshkey.Client {
	l.t.Helper()
	r, err := pki.NewReloader(l.files("client-"+strings.ReplaceAll(p.CommonName, ":", "-"), p))
	if err != nil {
		l.t.Fatal(err)
	}
	c, err := meshkey.NewClient("https://"+coreIP+":8450", &http.Client{Transport: &http.Transport{TLSClientConfig: r.ClientConfig(coreIP), DisableKeepAlives: true}})
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// start runs the program in a place.
func (l *lab) start(p place, name string, args ...string) *process {
	l.t.Helper()
	program := os.Getenv(inside)
	switch args[0] {
	case "serve", "relay":
	case "console-server":
		program = filepath.Join(filepath.Dir(program), "ingot")
	default:
		program += "-member"
	}
	full := p.in(append([]string{program}, args...)...)
	cmd := exec.Command(full[0], full[1:]...) //nolint:noctx // the lab ends it
	log, err := os.OpenFile(filepath.Join(l.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	// No proxy of the machine that the test runs on.
	cmd.Env = append(os.Environ(), "HOME="+l.dir, "HTTPS_PROXY=", "HTTP_PROXY=", "https_proxy=", "http_proxy=")
	read, write, err := os.Pipe()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd.Stdout = write
	pr := &process{log: log.Name(), lines: make(chan string, 16)}
	if pr.Process, err = child.Start(cmd); err != nil {
		l.t.Fatal(err)
	}
	write.Close()
	go func() {
		defer read.Close()
		for s := bufio.NewScanner(read); s.Scan(); {
			pr.lines <- s.Text()
		}
	}()
	l.t.Cleanup(func() { _ = pr.Kill() })
	return pr
}

// said is whether a process's log has a text.
func (p *process) said(text string) bool {
	all, err := os.ReadFile(p.log)
	return err == nil && strings.Contains(string(all), text)
}

func (l *lab) startRelay() {
	l.t.Helper()
	tls := l.files("relay", pki.RoleProfile("relay", "", coreIP))
	l.relay = l.start(l.core, "relay", "relay", "--tls-cert", tls.Cert, "--tls-key", tls.Key, "--tls-ca", tls.CA, "--data-dir", filepath.Join(l.dir, "relay-data"),
		"--bind", coreIP+":8451", "--stun-bind", coreIP+":3478", "--coordinator", "https://"+coreIP+":8450")
	l.t.Log("relay", l.relay.PID())
}

// startServe starts the coordinator and returns when it is ready.
func (l *lab) startServe(more ...string) {
	l.t.Helper()
	l.serve = l.start(l.core, "serve", append(l.serveArgs(l.data, "--health-bind", "127.0.0.1:8452"), more...)...)
	l.coordinates()
}

func (l *lab) serveArgs(data string, more ...string) []string {
	l.t.Helper()
	tls := l.files("mesh", pki.RoleProfile("mesh", "", coreIP))
	config := filepath.Join(l.dir, "mesh", "kubeconfig")
	if err := kubeconfig.WriteRole(config, kubeconfig.Cluster{Name: "lab", URL: l.cp.URL, CA: l.ca.CertPEM()}, tls); err != nil {
		l.t.Fatal(err)
	}
	return append([]string{
		"serve", "--kubeconfig", config, "--tls-cert", tls.Cert, "--tls-key", tls.Key, "--tls-ca", tls.CA,
		"--data-dir", data, "--url", "https://" + coreIP + ":8449", "--bind", coreIP + ":8449", "--keys-bind", coreIP + ":8450",
		"--relay", coreIP + ":8451/3478",
	}, more...)
}

// coordinates waits until the coordinator is ready.
func (l *lab) coordinates() {
	l.t.Helper()
	l.until("the coordinator is ready", func(ctx context.Context) error {
		select {
		case <-l.serve.Done():
			text, _ := os.ReadFile(l.serve.log)
			l.t.Fatalf("the coordinator ended: %v\n%s", l.serve.Err(), text)
		default:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:8452/readyz", http.NoBody)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz answers %d", res.StatusCode)
		}
		return nil
	})
}

// until waits for a condition.
func (l *lab) until(what string, check func(ctx context.Context) error) {
	l.t.Helper()
	ctx, stop := context.WithTimeout(l.t.Context(), patience)
	defer stop()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			l.t.Fatalf("%s: not within %s: %v", what, patience, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// key makes a MeshKey and has its key made.
func (l *lab) key(name string, spec ingot.MeshKeySpec) (*ingot.MeshKey, meshkey.Minted) {
	l.t.Helper()
	k := &ingot.MeshKey{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, Spec: spec}
	if err := l.api.Create(l.t.Context(), k); err != nil {
		l.t.Fatal(err)
	}
	minted, err := l.keys.Mint(l.t.Context(), namespace, name)
	if err != nil {
		l.t.Fatal(err)
	}
	return k, minted
}

func firewallSpec(machine string) ingot.MeshKeySpec {
	return ingot.MeshKeySpec{MeshMember: ingot.MeshMember{Machine: machine, Tags: []string{"firewall"}}}
}

func operatorSpec(person string) ingot.MeshKeySpec {
	return ingot.MeshKeySpec{MeshMember: ingot.MeshMember{Person: person, Tags: []string{"operator"}}}
}

// keyFile writes a key as a machine's first-boot data would.
func (l *lab) keyFile(minted meshkey.Minted) string {
	l.t.Helper()
	f, err := os.CreateTemp(l.dir, "key-")
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(minted.Key.Reveal() + "\n"); err != nil {
		l.t.Fatal(err)
	}
	return f.Name()
}

// refused reads a process that must not join, and says why.
func (l *lab) refused(p *process) string {
	l.t.Helper()
	select {
	case <-p.Done():
	case <-time.After(patience):
		l.t.Fatalf("who must not join neither joined nor gave up: %s", p.log)
	}
	text, err := os.ReadFile(p.log)
	if err != nil {
		l.t.Fatal(err)
	}
	if strings.Contains(string(text), "joined the mesh") || p.Err() == nil {
		l.t.Errorf("who must not join did: %s", text)
	}
	return string(text)
}

// echo answers each line with itself, until the lab ends.
func echo(t *testing.T, l net.Listener) {
	t.Helper()
	answer(t, l, func(c net.Conn) { _, _ = io.Copy(c, c) })
}

// answer talks to each that comes, until the lab ends.
func answer(t *testing.T, l net.Listener, talk func(net.Conn)) {
	t.Helper()
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				talk(c)
			}()
		}
	}()
}
