package boot

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
	"github.com/ingotmetal/ingot/test/port"
)

// patience bounds every wait; nothing waits that long when it works.
const patience = 5 * time.Minute

// eventually polls a condition that nobody announces.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", patience, what)
		case <-tick.C:
		}
	}
}

// artifactsDir holds artifacts around a kernel and a ramdisk that nobody boots.
func artifactsDir(t *testing.T) string {
	t.Helper()
	in, out := t.TempDir(), t.TempDir()
	for _, name := range []string{"kernel", "ramdisk"} {
		if err := os.WriteFile(filepath.Join(in, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := bootmedia.Build(t.Context(), bootmedia.Sources{Kernel: filepath.Join(in, "kernel"), Ramdisk: filepath.Join(in, "ramdisk"), Version: "test",
		CommandLine: netboot.DefaultCommandLine(), GRUB: bootmedia.DebianGRUB, IPXE: bootmedia.DebianIPXE}, out)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// files writes the role's kubeconfig and certificate.
func files(t *testing.T, cp *controlplanetest.Server) identity.Flags {
	t.Helper()
	dir := t.TempDir()
	f := identity.Flags{Partition: "lab", Kubeconfig: filepath.Join(dir, "kubeconfig"), TLS: pki.FilesIn(dir, "boot"), ProvisioningNetwork: "kernel", HealthBind: "127.0.0.1:0"}
	c := cp.As(t, "boot", "lab")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		CurrentContext: "role", Contexts: map[string]*clientcmdapi.Context{"role": {Cluster: "role", AuthInfo: "role"}},
		Clusters:  map[string]*clientcmdapi.Cluster{"role": {Server: c.Host, CertificateAuthorityData: c.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"role": {ClientCertificateData: c.CertData, ClientKeyData: c.KeyData}},
	}, f.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.NewCA("test", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	id, err := ca.NewIdentity(pki.RoleProfile("boot", "lab", "127.0.0.1"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{f.TLS.Cert: id.CertPEM, f.TLS.Key: []byte(id.KeyPEM.Reveal()), f.TLS.CA: ca.CertPEM()} {
		if err := pki.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// bmcClient fetches media as a BMC does: with the CA, and at most TLS 1.2.
func bmcClient(t *testing.T, f identity.Flags) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(f.TLS.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// status of a GET; 0 when there is no answer.
func status(t *testing.T, c *http.Client, url string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, nil
	}
	return answer.StatusCode, body
}

// openWindow makes the Secret and the window of a boot from virtual media.
func openWindow(t *testing.T, c client.Client, id, partition string, open time.Duration) *ingot.BootWindow {
	t.Helper()
	digest := sha256.Sum256([]byte(token))
	w := &ingot.BootWindow{
		ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: id},
		Spec: ingot.BootWindowSpec{
			Partition: partition, Host: ingot.HostReference{Namespace: "hosts", Name: id}, Purpose: ingot.PurposeAgent, Method: ingot.MethodVirtualMedia,
			OpensAt: metav1.NewTime(time.Now().Add(-time.Second)), ClosesAt: metav1.NewTime(time.Now().Add(open)),
			TokenSecretName: id, TokenHash: hex.EncodeToString(digest[:]), MediaName: "medium-of-" + id, AgentEndpoint: "https://127.0.0.1:1", CABundle: []byte("PEM"),
		},
	}
	// The window first: the role must wait for the token.
	for _, o := range []client.Object{w, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: id}, Data: map[string][]byte{ingot.BootTokenKey: []byte(token)}}} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// The role with its own identity at a real API server, which is killed in between.
func TestRoleAtARealAPIServer(t *testing.T) {
	cp := controlplanetest.Start(t)
	admin := adminClient(t, cp.Admin)
	f := files(t, cp)
	o := Options{Flags: f, Artifacts: artifactsDir(t), MediaBind: port.Free(t), HTTPBind: "127.0.0.1:0", NetworkBoot: false}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o, slog.New(slog.NewTextHandler(t.Output(), nil))) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	bmc := bmcClient(t, f)
	url := func(id string) string { return "https://" + o.MediaBind + "/media/medium-of-" + id + ".iso" }
	served := func(id string) bool { code, _ := status(t, bmc, url(id)); return code == http.StatusOK }
	gone := func(id string) bool { code, _ := status(t, bmc, url(id)); return code == http.StatusNotFound }

	first := openWindow(t, admin, "first", "lab", time.Hour)
	openWindow(t, admin, "second", "lab", time.Hour)
	openWindow(t, admin, "elsewhere", "another", time.Hour)
	eventually(t, "the media are served", func() bool { return served("first") && served("second") })
	if !gone("elsewhere") {
		t.Error("a medium of another partition is served")
	}
	_, iso := status(t, bmc, url("first"))
	checkISO(t, o.Artifacts, iso, "first")

	now := metav1.Now()
	first.Status.RedeemedAt = &now
	if err := admin.Status().Update(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a redeemed medium is gone", func() bool { return gone("first") })

	short := shortWindow(t, admin, served)
	cp.Kill(t)
	eventually(t, "a window closes by itself while the API server is away", func() bool { return gone(short) })
	if !served("second") {
		t.Error("an open window is not served while the API server is away")
	}
	cp.Restart(t)
	if err := admin.Delete(t.Context(), &ingot.BootWindow{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: "second"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a deleted window is gone after the API server came back", func() bool { return gone("second") })
}

// shortWindow opens one that is about to close, and gives its name once it is served. One that a slow machine closed before anybody looked is followed by one that is twice as long.
func shortWindow(t *testing.T, admin client.Client, served func(id string) bool) string {
	t.Helper()
	for open := 3 * time.Second; ; open *= 2 {
		id := "short-" + open.String()
		w, seen := openWindow(t, admin, id, "lab", open), false
		eventually(t, "the short window is open, or closed again", func() bool {
			seen = served(id)
			return seen || time.Now().After(w.Spec.ClosesAt.Time)
		})
		if seen {
			return id
		}
	}
}

func adminClient(t *testing.T, c *rest.Config) client.Client {
	t.Helper()
	admin, err := client.New(c, client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

func checkISO(t *testing.T, artifacts string, iso []byte, boot string) {
	t.Helper()
	a, err := bootmedia.Open(artifacts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	if int64(len(iso)) != a.Files[bootmedia.ISO].Bytes {
		t.Fatalf("the medium has %d bytes, want %d", len(iso), a.Files[bootmedia.ISO].Bytes)
	}
	c, err := medium.Decode(iso[a.Region.Offset : a.Region.Offset+a.Region.Bytes])
	if err != nil || c.BootID != boot || c.Token != token || c.Endpoint != "https://127.0.0.1:1" || c.CAPEM != "PEM" || c.IssuedAt.IsZero() {
		t.Errorf("boot configuration %+v, %v", c, err)
	}
}

// The servers of the provisioning network come and go with the Partition's mode.
func TestModesOpenAndCloseSockets(t *testing.T) {
	s := newFirmwareSite(t, artifactsDir(t), ingot.MethodPXE, overIPv4())
	flows := func() []matrix.FlowName {
		var names []matrix.FlowName
		for _, l := range s.process.provisioning.Listeners() {
			if !slices.Contains(names, l.Flow) {
				names = append(names, l.Flow)
			}
		}
		slices.Sort(names)
		return names
	}
	const overIPv6 ingot.DHCPMode = "server, over IPv6"
	set := func(mode ingot.DHCPMode) {
		n := ingot.ProvisioningNetwork{DHCPMode: mode}
		if mode == overIPv6 {
			n = ingot.ProvisioningNetwork{DHCPMode: ingot.DHCPServer, BootServer: "fd00::1", CIDR: "fd00::/64"}
		}
		s.process.feed.OnUpdate(nil, &ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: "lab"}, Spec: ingot.PartitionSpec{ProvisioningNetwork: n}})
	}
	six := []matrix.FlowName{matrix.MachineToBootDHCPv6, matrix.MachineToBootHTTP, matrix.MachineToBootRA, matrix.MachineToBootTFTP}
	slices.Sort(six)
	server := []matrix.FlowName{matrix.MachineToBootDHCP, matrix.MachineToBootHTTP, matrix.MachineToBootRA, matrix.MachineToBootTFTP}
	proxy := append([]matrix.FlowName{matrix.MachineToBootPXE}, server...)
	slices.Sort(server)
	slices.Sort(proxy)
	for _, step := range []struct {
		mode ingot.DHCPMode
		want []matrix.FlowName
	}{{ingot.DHCPServer, server}, {ingot.DHCPProxy, proxy}, {overIPv6, six}, {ingot.DHCPOff, nil}, {ingot.DHCPServer, server}, {overIPv6, six}, {"nonsense", nil}} {
		set(step.mode)
		eventually(t, "the sockets of mode "+string(step.mode), func() bool { return slices.Equal(flows(), step.want) })
	}
}

// A port that is taken is a named reason, and is tried again.
func TestATakenPortIsNamed(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	p, err := newProcess(Options{Flags: identity.Flags{Partition: "lab", ProvisioningNetwork: "kernel"}, Artifacts: artifactsDir(t),
		HTTPBind: taken.Addr().String(), NetworkBoot: true}, kernel.Network{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.artifacts.Close() }()
	p.synced.Store(true)
	p.feed.OnAdd(objects(ingot.MethodPXE, overIPv4(), "", nil)[0], true)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.serveNetwork(ctx) }()
	eventually(t, "not ready, with the reason", func() bool { return p.ready() != nil })
	if left := p.provisioning.Listeners(); len(left) != 0 {
		t.Errorf("sockets are left open: %v", left)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A port that the matrix does not have is no matter of time: the role does not start, and says which row is missing.
func TestAnUndeclaredPortIsNoStart(t *testing.T) {
	artifacts := artifactsDir(t)
	flags := identity.Flags{Partition: "lab", ProvisioningNetwork: "kernel"}
	_, err := newProcess(Options{Flags: flags, Artifacts: artifacts, HTTPBind: "0.0.0.0:9090", NetworkBoot: true}, kernel.Network{}, slog.New(slog.DiscardHandler))
	if !errors.Is(err, socket.ErrNotInMatrix) || !strings.Contains(err.Error(), "--http-bind") || !strings.Contains(err.Error(), "name: machine-to-boot-http") {
		t.Errorf("--http-bind 0.0.0.0:9090: %v", err)
	}
	p, err := newProcess(Options{Flags: flags, Artifacts: artifacts, HTTPBind: "0.0.0.0:8080", MediaBind: "0.0.0.0:9443"}, kernel.Network{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.artifacts.Close() }()
	if _, err := p.listenMedia(t.Context(), nil); !errors.Is(err, socket.ErrNotInMatrix) || !strings.Contains(err.Error(), "--media-bind") || !strings.Contains(err.Error(), "9443") {
		t.Errorf("--media-bind 0.0.0.0:9443: %v", err)
	}
}
