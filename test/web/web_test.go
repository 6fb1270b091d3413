package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/port"
	"github.com/ingotmetal/ingot/test/sim/site"
)

// patience bounds everything, on a machine whose cores are shared.
const patience = 15 * time.Minute

// root is the folder of the sources.
const root = "../.."

// install has npm put what web/package-lock.json names into web/node_modules, once.
func install(ctx context.Context, t *testing.T) {
	t.Helper()
	lock, err := os.Stat(filepath.Join(root, "web", "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if done, err := os.Stat(filepath.Join(root, "web", "node_modules", ".package-lock.json")); err == nil && done.ModTime().After(lock.ModTime()) {
		return
	}
	command(ctx, t, nil, "npm", "ci", "--no-audit", "--no-fund")
}

// command runs a program in web/, with a node that is new enough.
func command(ctx context.Context, t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	c := exec.CommandContext(ctx, "../scripts/node", append([]string{name}, args...)...)
	c.Dir = filepath.Join(root, "web")
	c.Env = append(os.Environ(), env...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	err := c.Run()
	t.Logf("%s %v\n%s", name, args, said.String())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestTheCommittedFrontEndIsWhatItsSourcesGive: `make web` on the same sources gives the same files, byte for byte.
func TestTheCommittedFrontEndIsWhatItsSourcesGive(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	install(ctx, t)
	out := t.TempDir()
	command(ctx, t, nil, "npx", "--no-install", "tsc", "--noEmit")
	command(ctx, t, nil, "npx", "--no-install", "vite", "build", "--outDir", out)
	want, have := tree(t, out), tree(t, filepath.Join(root, "internal", "web", "dist"))
	for name, text := range want {
		if !bytes.Equal(have[name], text) {
			t.Errorf("%s is not what the sources give: run `make web` and commit internal/web/dist", name)
		}
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is not made from the sources any more: run `make web` and commit internal/web/dist", name)
		}
	}
}

func tree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		all[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// log keeps what `ingot up` prints.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
	also io.Writer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	return l.also.Write(p)
}

func (l *log) find(what *regexp.Regexp) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return what.FindString(l.text.String())
}

// machines are how many hosts the site has.
const machines = 6

// TestPagesInABrowser runs web/test.
func TestPagesInABrowser(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	install(ctx, t)
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: `make packages` installs it", err)
	}
	said := &log{also: t.Output()}
	address := port.Free(t)
	s, err := site.Start(ctx, site.Options{Dir: t.TempDir(), Lab: lab.Options{Machines: machines, Disks: 2, DiskBytes: 64 << 20, Namespace: "default"}, Args: []string{"--web-bind", address, "--console-bind", port.Free(t), "--console-ssh-bind", port.Free(t)}, Log: said})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	consoles := consoleKey(t, s)
	for i, m := range s.Lab.State().Machines {
		err := s.Enrol(ctx, m, func(h *metal3.BareMetalHost) {
			h.Annotations = map[string]string{ingot.BMCSSHHostKeyAnnotation: consoles}
			// The first two are provisioned; the last one's BMC is not there, so that something is wrong.
			if i >= 2 {
				h.Spec.Image, h.Spec.Online = nil, false
			}
			if i == machines-1 {
				h.Spec.BMC.Address = "redfish-virtualmedia://127.0.0.1:1/redfish/v1/Systems/none"
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err = s.Await(ctx, "default", func(hosts []metal3.BareMetalHost) bool {
		settled := 0
		for _, h := range hosts {
			if st := h.Status.Provisioning.State; st == metal3.StateAvailable || st == metal3.StateProvisioned || h.Status.ErrorType != "" {
				settled++
			}
		}
		return settled == machines
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Describe(ctx, "default"))
	}
	link := said.find(regexp.MustCompile(`https://\S+/login#\S+`))
	if link == "" {
		t.Fatal("ingot up printed no login link")
	}
	k, err := kubernetes.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, s.Config.CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(operator(ctx, t, s, k),
		// The way to the API server is for what changes while a page is looked at.
		"INGOT_API_URL="+s.Config.Host, "INGOT_API_CA="+ca,
		"INGOT_CHROMIUM="+chromium, "INGOT_WEB_URL=https://"+address, "INGOT_WEB_LINK="+link, "INGOT_WEB_SPKI="+key(t, filepath.Join(s.DataDir, "roles", "controller", "tls.crt")),
		"INGOT_WEB_TOKEN="+token(ctx, t, k, "editor", "ingot:provider:editor"), "INGOT_WEB_VIEWER_TOKEN="+token(ctx, t, k, "viewer", "ingot:provider:viewer"),
		"INGOT_WEB_STRANGER_TOKEN="+token(ctx, t, k, "stranger", ""),
	)
	pages := func(t *testing.T, env []string, names ...string) {
		t.Helper()
		command(ctx, t, env, "node", slices.Concat([]string{"--test", "--test-concurrency=1", "--test-reporter=spec"}, names)...)
	}
	pages(t, env, "test/docs.test.mjs", "test/pages.test.mjs", "test/console.test.mjs", "test/operator.test.mjs", "test/matrix.test.mjs")
	// After those that count hosts, since it gives some of them away.
	tenants(ctx, t, s, k, func(more ...string) {
		pages(t, slices.Concat(env, more), "test/networks.test.mjs", "test/machines.test.mjs", "test/catalog.test.mjs")
	})
	pages(t, env, "test/replace.test.mjs")
}

// consoleKey is the fingerprint of the key that the BMCs' SSH servers show, as the lab writes it into its hosts.
func consoleKey(t *testing.T, s *site.Site) string {
	t.Helper()
	text, err := os.ReadFile(s.Lab.State().HostsManifest)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(ingot.BMCSSHHostKeyAnnotation + `: (SHA256:\S+)`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in the lab's hosts", ingot.BMCSSHHostKeyAnnotation)
	}
	return string(found[1])
}

// token is one of an account that has a role of the provider, or none.
func token(ctx context.Context, t *testing.T, k kubernetes.Interface, name, role string) string {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "web-" + name}}
	if _, err := k.CoreV1().ServiceAccounts("default").Create(ctx, account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if role != "" {
		b := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "web-" + name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: account.Name}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		}
		if _, err := k.RbacV1().ClusterRoleBindings().Create(ctx, b, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	request, err := k.CoreV1().ServiceAccounts("default").CreateToken(ctx, account.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

// key is the SHA-256 of a certificate's key, as Chromium is told to trust it.
func key(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("%s holds no PEM", file)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}
