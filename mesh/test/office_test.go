package test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/child"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/test/login/provider"
)

const (
	// partition is the lab's, whose console role signs.
	partition = "fra1"
	consoleAt = "127.0.0.1:8552"
	// ada administers the site.
	ada = "ingot:operator:ada"
)

// office is a lab with the console role in it, and a person who types `ingot`.
type office struct {
	*lab
	firewallAt place
	issuer     *provider.Provider
	// config is the person's kubeconfig, temp where their programs put files for a while.
	config, temp string
}

func newOffice(t *testing.T) *office {
	t.Helper()
	coverFolders(t)
	run(t, "ip", "link", "set", "lo", "up")
	t.Chdir("../../test/login") // beside the issuer
	issuer := provider.Start(t)
	o := &office{issuer: issuer, lab: newLab(t, "--oidc-issuer", issuer.URL, "--oidc-client-id", "ingot", "--oidc-ca", issuer.CA, "--oidc-editor-group", "ops", "--oidc-viewer-group", "watch")}
	o.firewallAt = newPlace(t, "gate", 12)
	o.temp = filepath.Join(o.dir, "temp")
	if err := os.Mkdir(o.temp, 0o700); err != nil {
		t.Fatal(err)
	}
	o.config = o.kubeconfig("ada", pki.OperatorProfile("ada"))
	site := &ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: partition}}
	o.create(site)
	// What the partition role publishes.
	site.Status.CABundle, site.Status.ConsoleEndpoint = o.ca.CertPEM(), "https://"+consoleAt
	o.status(site)
	tls := o.files("console", pki.RoleProfile("console", partition, "127.0.0.1"))
	role := o.start(o.core, "console", "console-server", "--partition", partition, "--kubeconfig", o.roleConfig("console", tls), "--tls-cert", tls.Cert, "--tls-key", tls.Key, "--tls-ca", tls.CA,
		"--data-dir", filepath.Join(o.dir, "console-data"), "--bind", consoleAt, "--ssh-bind", "")
	o.until("the console role answers", func(ctx context.Context) error {
		select {
		case <-role.Done():
			text, _ := os.ReadFile(role.log)
			t.Fatalf("the console role ended: %v\n%s", role.Err(), text)
		default:
		}
		c, err := new(net.Dialer).DialContext(ctx, "tcp", consoleAt)
		if err != nil {
			return err
		}
		return c.Close()
	})
	return o
}

func (o *office) roleConfig(name string, tls pki.Files) string {
	o.t.Helper()
	file := filepath.Join(o.dir, name, "kubeconfig")
	if err := kubeconfig.WriteRole(file, kubeconfig.Cluster{Name: "lab", URL: o.cp.URL, CA: o.ca.CertPEM()}, tls); err != nil {
		o.t.Fatal(err)
	}
	return file
}

func (o *office) kubeconfig(name string, p pki.Profile) string {
	o.t.Helper()
	return o.roleConfig("person-"+name, o.files("person-"+name, p))
}

func (o *office) create(object client.Object) {
	o.t.Helper()
	if err := o.api.Create(o.t.Context(), object); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) status(object client.Object) {
	o.t.Helper()
	if err := o.api.Status().Update(o.t.Context(), object); err != nil {
		o.t.Fatal(err)
	}
}

// command is `ingot` with arguments, at the person's desk.
func (o *office) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(os.Getenv(inside)), "ingot"), args...)
	cmd.Env = append(os.Environ(), "HOME="+o.dir, "TMPDIR="+o.temp, "KUBECONFIG="+o.config, "INGOT_MESH_KEYS=https://"+coreIP+":8450", "HTTPS_PROXY=", "HTTP_PROXY=", "https_proxy=", "http_proxy=")
	return cmd
}

// ingot runs it to its end.
func (o *office) ingot(typed string, args ...string) (out, problem string, code int) {
	o.t.Helper()
	ctx, stop := context.WithTimeout(o.t.Context(), patience)
	defer stop()
	cmd := o.command(ctx, args...)
	var said, wrong bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(typed), &said, &wrong
	err := cmd.Run()
	if ctx.Err() != nil {
		o.t.Fatalf("ingot %v does not end: %s", args, wrong.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		o.t.Fatal(err)
	}
	return said.String(), wrong.String(), cmd.ProcessState.ExitCode()
}

// refuses runs `ingot` where it must fail, and say why. What it was about to write must not be heard.
func (o *office) refuses(t *testing.T, why string, args ...string) {
	t.Helper()
	out, problem, code := o.ingot("", args...)
	if code == 0 || out != "" || !strings.Contains(problem, why) {
		t.Errorf("ingot %s: exit code %d, %q, %q; want no answer, and why: %q", strings.Join(args, " "), code, out, problem, why)
	}
	o.nothingLeft(t)
}

// nothingLeft looks for what a person's program may leave behind: keys, members, files.
func (o *office) nothingLeft(t *testing.T) {
	t.Helper()
	files, err := os.ReadDir(o.temp)
	if err != nil || len(files) > 0 {
		t.Errorf("files are left: %v, %v", files, err)
	}
	var keys ingot.MeshKeyList
	if err := o.api.List(t.Context(), &keys, client.InNamespace(ingot.SystemNamespace)); err != nil || len(keys.Items) > 0 {
		t.Errorf("keys are left: %+v, %v", keys.Items, err)
	}
	o.until("the person's members are gone", func(ctx context.Context) error {
		var nodes ingot.MeshNodeList
		if err := o.api.List(ctx, &nodes, client.InNamespace(ingot.SystemNamespace)); err != nil {
			return err
		}
		if len(nodes.Items) > 0 {
			return fmt.Errorf("there is %s, whose deletion is asked for: %v", nodes.Items[0].Name, nodes.Items[0].DeletionTimestamp != nil)
		}
		return nil
	})
}

// running is an `ingot` that goes on.
type running struct {
	*child.Process
	in, out *os.File
	lines   *bufio.Reader
	said    *bytes.Buffer
}

// begin starts one. The test ends it.
func (o *office) begin(t *testing.T, args ...string) *running {
	t.Helper()
	cmd := o.command(context.WithoutCancel(t.Context()), args...)
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{in: in, out: out, lines: bufio.NewReader(out), said: &bytes.Buffer{}}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirIn, theirOut, r.said
	if r.Process, err = child.Start(cmd); err != nil {
		t.Fatal(err)
	}
	_, _ = theirIn.Close(), theirOut.Close()
	t.Cleanup(func() { _, _, _ = r.Kill(), in.Close(), out.Close() })
	return r
}
