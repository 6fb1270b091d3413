package console

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"golang.org/x/crypto/ssh"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim/machinetest"
	"github.com/ingotmetal/ingot/internal/lab/ipmisim"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/internal/role/partition"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/internal/server/console/wire"
)

func TestMain(m *testing.M) { controlplanetest.Main(m) }

const patience = 10 * time.Minute

const password = "calvin-8472"

// world is a partition with its two roles, a host with a BMC, and projects.
type world struct {
	t     *testing.T
	ctx   context.Context
	name  string
	cp    *controlplanetest.Server
	admin client.WithWatch
	ca    *pki.CA

	machine  *machinetest.Machine
	web, ssh netip.AddrPort
	dataDir  string
}

// newWorld starts the partition role and the console role. The name is the partition's, and the namespace's of its hosts.
func newWorld(t *testing.T, name string) *world {
	t.Helper()
	cp := controlplanetest.Shared(t)
	s, err := scheme()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, name: name, cp: cp, machine: machinetest.New(machinetest.Hardware("4c4c4544-0050-3010-8051-b9c04f4d3533")), dataDir: t.TempDir()}
	if w.admin, err = client.NewWithWatch(cp.Admin, client.Options{Scheme: s}); err != nil {
		t.Fatal(err)
	}
	if w.ca, err = pki.OpenCA(filepath.Join(cp.DataDir, "pki"), "", time.Now()); err != nil {
		t.Fatal(err)
	}
	w.create(&ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: name}})
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	cp.BindHosts(t, name)
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("INGOT_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	w.run("partition role", func(ctx context.Context) error {
		return partition.Run(ctx, partition.Options{
			Flags: w.flags("partition"), DataDir: filepath.Join(w.dataDir, "partition"), AgentBind: "127.0.0.1:0", OperatorBind: "127.0.0.1:0", Workers: 2, BMCCallsPerSecond: 1000,
		}, log)
	})
	listening := make(chan [2]netip.AddrPort, 1)
	w.run("console role", func(ctx context.Context) error {
		return Run(ctx, Options{
			Flags: w.flags("console"), DataDir: filepath.Join(w.dataDir, "console"), WebBind: "127.0.0.1:0", SSHBind: "127.0.0.1:0",
			ready: func(web, ssh netip.AddrPort) { listening <- [2]netip.AddrPort{web, ssh} },
		}, log)
	})
	select {
	case at := <-listening:
		w.web, w.ssh = at[0], at[1]
	case <-ctx.Done():
		t.Fatal("the console role does not listen")
	}
	w.until("the partition role serves", func() error {
		p := &ingot.Partition{}
		if err := w.admin.Get(w.ctx, client.ObjectKey{Name: name}, p); err != nil || p.Status.OperatorEndpoint == "" {
			return fmt.Errorf("no endpoint: %w", err)
		}
		return nil
	})
	return w
}

// run runs a role until the test ends, and fails the test if it does not end well.
func (w *world) run(what string, role func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- role(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("%s: %v", what, err)
		}
	})
}

func (w *world) flags(role string) identity.Flags {
	w.t.Helper()
	dir := w.t.TempDir()
	files := pki.FilesIn(dir, "tls")
	if err := w.ca.Issue(files, pki.RoleProfile(role, w.name, "127.0.0.1"), time.Now()); err != nil {
		w.t.Fatal(err)
	}
	config := filepath.Join(dir, "kubeconfig")
	if err := kubeconfig.WriteRole(config, kubeconfig.Cluster{Name: "test", URL: w.cp.URL, CA: w.ca.CertPEM()}, files); err != nil {
		w.t.Fatal(err)
	}
	return identity.Flags{Kubeconfig: config, Partition: w.name, TLS: files, ProvisioningNetwork: "kernel", HealthBind: "127.0.0.1:0"}
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.admin.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

func (w *world) until(what string, holds func() error) {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.t.Fatalf("gave up waiting until %s: %v", what, err)
		}
	}
}

// ipmi gives the host a BMC that speaks IPMI, at an address of its own choice or the given one.
func (w *world) ipmi(listen string) *ipmisim.BMC {
	w.t.Helper()
	b, err := ipmisim.Start(w.t.Context(), ipmisim.Config{Machine: w.machine, Attach: w.machine.Attach, Listen: listen, Username: "admin", Password: secret.New(password)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = b.Close() })
	return b
}

// redfish gives it one that speaks Redfish, and has the console at an SSH server.
func (w *world) redfish(key ssh.Signer) *bmcsim.BMC {
	w.t.Helper()
	s, err := bmcsim.New(bmcsim.Options{Dir: w.t.TempDir(), SSHKey: key})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.Close() })
	b, err := s.Add(bmcsim.Config{Name: "h", Machine: w.machine, Attach: w.machine.Attach, Username: "admin", Password: secret.New(password)})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// host makes the host h, which nothing but consoles is done with.
func (w *world) host(address string, annotations map[string]string, unverified bool) {
	w.t.Helper()
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.name, Name: "h-bmc"}, Data: map[string][]byte{"username": []byte("admin"), "password": []byte(password)}})
	all := map[string]string{metal3.PausedAnnotation: ""}
	for k, v := range annotations {
		all[k] = v
	}
	w.create(&metal3.BareMetalHost{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.name, Name: "h", Labels: map[string]string{ingot.PartitionLabel: w.name}, Annotations: all},
		Spec:       metal3.BareMetalHostSpec{BMC: metal3.BMCDetails{Address: address, CredentialsName: "h-bmc", DisableCertificateVerification: unverified}, BootMACAddress: "02:00:00:00:00:01"},
	})
}

// project makes a project's namespace with people in it.
func (w *world) project(name string, people map[string]string) string {
	w.t.Helper()
	ns := w.name + "-" + name
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns, Labels: map[string]string{ingot.TenantLabel: name, ingot.ProjectLabel: ns}}})
	for person, role := range people {
		w.create(&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: person}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "ingot:tenant:" + role},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: person}},
		})
	}
	for person := range people {
		w.bound(ns, person)
	}
	return ns
}

// bound waits until the API server knows of somebody's binding in a project: until then they are nobody there.
func (w *world) bound(ns, person string) {
	w.t.Helper()
	w.until(person+" is known in "+ns, func() error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: person, Groups: []string{"system:authenticated"}, ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Group: ingot.GroupVersion.Group, Resource: "machines", Namespace: ns},
		}}
		if err := w.admin.Create(w.ctx, review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			return fmt.Errorf("they may not list machines: %s", review.Status.Reason)
		}
		return nil
	})
}

// allocate gives the host to a Machine of a project, as the controllers do.
func (w *world) allocate(ns, name string) (*ingot.Machine, *metal3.HostClaim) {
	w.t.Helper()
	m := &ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: ingot.MachineSpec{Size: "any", Partition: w.name, Image: "debian-12"}}
	w.create(m)
	c := &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: ns, Name: name, OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(m, ingot.GroupVersion.WithKind("Machine"))},
	}}
	w.create(c)
	c.Status.BareMetalHost = &metal3.ObjectReference{Namespace: w.name, Name: "h"}
	if err := w.admin.Status().Update(w.ctx, c); err != nil {
		w.t.Fatal(err)
	}
	w.consumer(&corev1.ObjectReference{APIVersion: metal3.GroupVersion.String(), Kind: "HostClaim", Namespace: ns, Name: name})
	return m, c
}

func (w *world) consumer(ref *corev1.ObjectReference) {
	w.t.Helper()
	h := &metal3.BareMetalHost{}
	if err := w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.name, Name: "h"}, h); err != nil {
		w.t.Fatal(err)
	}
	before := h.DeepCopy()
	h.Spec.ConsumerRef = ref
	if err := w.admin.Patch(w.ctx, h, client.MergeFrom(before)); err != nil {
		w.t.Fatal(err)
	}
}

// client is what a person's program is: a certificate of that name and groups; nobody for "".
func (w *world) client(person string, groups ...string) *tls.Config {
	w.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.ca.CertPEM())
	config := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}
	if person == "" {
		return config
	}
	id, err := w.ca.NewIdentity(pki.ClientProfile(person, time.Hour, groups...), time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(id.CertPEM, []byte(id.KeyPEM.Reveal()))
	if err != nil {
		w.t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config
}

// screen is what a person sees.
type screen struct {
	conn *websocket.Conn

	mu      sync.Mutex
	text    bytes.Buffer
	notices []string
	writer  bool
	begin   wire.Message
	end     *wire.Message
	gone    bool
}

// dial opens a console; the status is what came in its place.
func (w *world) dial(config *tls.Config, target console.Target, mode, token string) (*screen, int, string) {
	w.t.Helper()
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	d := websocket.Dialer{TLSClientConfig: config, NetDialContext: new(net.Dialer).DialContext}
	conn, response, err := d.DialContext(w.ctx, fmt.Sprintf("wss://%s/v1/consoles/%s/%s/%s?mode=%s", w.web, target.Kind, target.Namespace, target.Name, mode), header)
	if err != nil {
		if response == nil {
			w.t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		text, _ := io.ReadAll(response.Body)
		return nil, response.StatusCode, string(text)
	}
	s := &screen{conn: conn}
	go s.watch()
	w.t.Cleanup(func() { _ = conn.Close() })
	return s, http.StatusSwitchingProtocols, ""
}

func (s *screen) watch() {
	for {
		p, m, err := wire.Read(s.conn)
		s.mu.Lock()
		switch {
		case err != nil:
			s.gone = true
			s.mu.Unlock()
			return
		case m == nil:
			s.text.Write(p)
		case m.Type == wire.Begin:
			s.begin = *m
		case m.Type == wire.Writer:
			s.writer = m.Writer
			s.notices = append(s.notices, m.Text)
		case m.Type == wire.End:
			s.end = m
		default:
			s.notices = append(s.notices, m.Text)
		}
		s.mu.Unlock()
	}
}

func (s *screen) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) has(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.Contains(s.text.String(), text) {
		return fmt.Errorf("%q is not in what was seen: %q; notices %q; end %+v", text, s.text.String(), s.notices, s.end)
	}
	return nil
}

func (s *screen) told(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.Contains(strings.Join(s.notices, "\n"), text) {
		return fmt.Errorf("%q is not in the notices %q", text, s.notices)
	}
	return nil
}

func (s *screen) types() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writer
}

// over waits for the end, and gives its reason.
func (w *world) over(s *screen) *wire.Message {
	w.t.Helper()
	w.until("the session is over", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.end == nil || !s.gone {
			return fmt.Errorf("end %+v, gone %v", s.end, s.gone)
		}
		return nil
	})
	return s.end
}

// sees waits until the screen shows what the machine says from now on.
func (w *world) sees(s *screen) {
	w.t.Helper()
	n := 0
	w.until("the console shows what the machine writes", func() error {
		n++
		line := fmt.Sprintf("is anybody there %d?", n)
		w.machine.Say(line)
		return s.has("is anybody there")
	})
}

// ask asks the HTTP API.
func (w *world) ask(config *tls.Config, method, path, token string, body any) (int, []byte) {
	w.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(w.ctx, method, "https://"+w.web.String()+path, bytes.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, got
}

// delete deletes an object.
func (w *world) delete(o client.Object) {
	w.t.Helper()
	if err := w.admin.Delete(w.ctx, o, &client.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))}); err != nil {
		w.t.Fatal(err)
	}
}
