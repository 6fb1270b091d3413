package boot

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/agentimage"
	"github.com/ingotmetal/ingot/internal/agentimage/agentimagetest"
	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
	"github.com/ingotmetal/ingot/internal/lab/ethernet"
	"github.com/ingotmetal/ingot/internal/lab/qemu"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/internal/server/media"
	"github.com/ingotmetal/ingot/netboot"
)

// The site of these tests: real firmware in QEMU, on the lab's switch, with the boot role as it runs; only the API server's objects are handed over by the test. A boot is
// good when the agent, in memory, has traded the token of its boot with the partition's endpoint: everything between power-on and that has then worked.
const (
	bootID     = "0f3c9b7e5a1d4c2f8e6b0a9d7c5f3e1b"
	mediaName  = "5d41402abc4b2a76b9719d911017c592"
	token      = "a-token-for-one-boot"
	machineMAC = "52:54:00:12:34:56"
)

// addressing is the provisioning network's.
type addressing struct{ boot, partition, machine, subnet, first, last string }

func overIPv4() addressing {
	return addressing{boot: "172.22.0.2", partition: "172.22.0.3", machine: "172.22.0.50/24", subnet: "172.22.0.0/24", first: "172.22.0.50", last: "172.22.0.99"}
}

func overIPv6() addressing {
	return addressing{boot: "fd16:c0de:22::2", partition: "fd16:c0de:22::3", machine: "fd16:c0de:22::50/64", subnet: "fd16:c0de:22::/64", first: "fd16:c0de:22::50", last: "fd16:c0de:22::99"}
}

// prefixed is an address with its network's length.
func (a addressing) prefixed(address string) netip.Prefix {
	return netip.PrefixFrom(netip.MustParseAddr(address), netip.MustParsePrefix(a.subnet).Bits())
}

// A boot takes 8 to 20 seconds on a quiet machine. One in some two hundred hangs in QEMU itself, so there is a second try.
const (
	firmwarePatience = 6 * time.Minute
	firmwareTries    = 2
)

// Firmware that no BMC told anything boots by HTTP as DHCP tells it: iPXE over HTTP, or the medium over HTTPS. The other ways of booting are test/e2e's, with the lab's BMC.
func TestFirmwareBootsByHTTPAsDHCPTells(t *testing.T) {
	artifacts := bootArtifacts(t)
	for name, method := range map[string]ingot.BootMethod{"iPXE over HTTP": ingot.MethodPXE, "the medium over HTTPS": ingot.MethodUEFIHTTP} {
		t.Run(name, func(t *testing.T) {
			s := newFirmwareSite(t, artifacts, method, overIPv4())
			// Without these the firmware tries PXE first.
			args := append(s.machine(t), "-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n", "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n")
			if method == ingot.MethodUEFIHTTP {
				args = append(args, "-fw_cfg", "name=etc/edk2/https/cacerts,file="+s.authorities(t))
			}
			s.mustBoot(t, args)
		})
	}
}

// Without any IPv4: UEFI PXE over IPv6 is given an address and a URL by DHCPv6, loads iPXE by TFTP, that one does the same and loads the agent by HTTP, and the agent gets an address by
// DHCPv6 and finds the partition's endpoint.
func TestFirmwareBootsByIPv6(t *testing.T) {
	s := newFirmwareSite(t, bootArtifacts(t), ingot.MethodPXE, overIPv6())
	s.mustBoot(t, append(s.machine(t), "-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n", "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=y"))
	if s.counted(t, "tftp", "sent") == 0 {
		t.Error("the firmware took another way than PXE")
	}
}

// counted is how often a server had an outcome.
func (s *firmwareSite) counted(t *testing.T, server, outcome string) float64 {
	t.Helper()
	families, err := s.process.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "ingot_boot_requests_total" && labels["server"] == server && labels["outcome"] == outcome {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// bootArtifacts are what `ingot image build-agent` makes.
func bootArtifacts(t *testing.T) string {
	t.Helper()
	image := agentimagetest.Image(t, agentimage.Cloud)
	artifacts := t.TempDir()
	_, err := bootmedia.Build(t.Context(), bootmedia.Sources{Kernel: image.Kernel, Ramdisk: image.Ramdisk, Version: "test",
		CommandLine: netboot.DefaultCommandLine(), GRUB: bootmedia.DebianGRUB, IPXE: bootmedia.DebianIPXE}, artifacts)
	if err != nil {
		t.Fatal(err)
	}
	return artifacts
}

// machine is one with UEFI firmware on the lab's switch.
func (s *firmwareSite) machine(t *testing.T) []string {
	t.Helper()
	return []string{
		"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd", "-drive", "if=pflash,format=raw,unit=1,file=" + freshVariables(t),
		"-netdev", "stream,id=n0,server=off,addr.type=unix,addr.path=" + s.socket, "-device", "virtio-net-pci,netdev=n0,bootindex=1,romfile=,mac=" + machineMAC,
	}
}

func (s *firmwareSite) mustBoot(t *testing.T, args []string) {
	t.Helper()
	for try := 1; !s.boots(t, args); try++ {
		if try == firmwareTries {
			t.Fatal("the agent did not enrol")
		}
	}
}

// boots starts the machine and says whether its agent enrolled.
func (s *firmwareSite) boots(t *testing.T, args []string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), firmwarePatience)
	defer cancel()
	console := filepath.Join(filepath.Dir(s.socket), "console.log")
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", append([]string{"-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35", "-m", "512", "-smp", "2",
		"-nodefaults", "-display", "none", "-vga", "std", "-device", "virtio-rng-pci", "-chardev", "file,id=c,path=" + console, "-serial", "chardev:c", "-no-reboot"}, args...)...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	if err := cmd.Start(); err != nil {
		t.Fatalf("QEMU (package qemu-system-x86): %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case got := <-s.enrolled:
		if got.BootID != bootID || got.Token != token {
			t.Errorf("the agent enrolled with boot %q and token %q", got.BootID, got.Token)
		}
		cancel()
		t.Logf("QEMU was ended: %v", <-ended)
		return true
	case err := <-ended:
		t.Logf("QEMU ended: %v %s. The console:\n%s", err, &problems, tail(console))
		return false
	}
}

type firmwareSite struct {
	on       addressing
	process  *process
	socket   string
	enrolled chan protocol.EnrollRequest
}

func newFirmwareSite(t *testing.T, artifacts string, method ingot.BootMethod, on addressing) *firmwareSite {
	t.Helper()
	// A unix socket's path has at most 108 bytes, which t.TempDir may already have.
	dir, err := os.MkdirTemp("", "ingot-boot-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &firmwareSite{on: on, socket: filepath.Join(dir, "switch"), enrolled: make(chan protocol.EnrollRequest, 16)}
	sw, err := ethernet.New(ethernet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	sw.Listen(l, "port")

	endpoint, caPEM := s.agentEndpoint(t)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	network := s.host(t, 2, on.boot)
	o := Options{
		Flags:     identity.Flags{Partition: "lab", ProvisioningNetwork: "lab:" + s.socket},
		Artifacts: artifacts, HTTPBind: "0.0.0.0:8080", NetworkBoot: true,
	}
	if method == ingot.MethodUEFIHTTP {
		o.HTTPSBind, o.HTTPSTLS = "0.0.0.0:8082", firmwareTLS(t, on.boot)
	}
	s.process, err = newProcess(o, network, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.process.artifacts.Close() })
	for _, o := range objects(method, on, endpoint, caPEM) {
		s.process.feed.OnAdd(o, true)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s.serveMedia(ctx, t)
	go func() { ended <- s.process.serveNetwork(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serveNetwork: %v", err)
		}
	})
	return s
}

// serveMedia serves UEFI HTTP boot.
func (s *firmwareSite) serveMedia(ctx context.Context, t *testing.T) {
	t.Helper()
	listeners, err := s.process.listenMedia(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for flow, l := range listeners {
		go func() { _ = s.process.serveMedia(ctx, flow, l) }() // ends with the test
	}
}

// firmwareTLS is the boot server's certificate towards firmware.
func firmwareTLS(t *testing.T, address string) pki.Files {
	t.Helper()
	files := pki.FilesIn(t.TempDir(), "firmware")
	if err := pki.IssueFirmware(files, "boot server", time.Now(), address); err != nil {
		t.Fatal(err)
	}
	return files
}

// authorities is the file of the CAs that the firmware trusts, as it was given to the machine's BMC.
func (s *firmwareSite) authorities(t *testing.T) string {
	t.Helper()
	bundle, err := os.ReadFile(s.process.o.HTTPSTLS.Cert)
	if err != nil {
		t.Fatal(err)
	}
	lists, err := qemu.SignatureLists(bundle)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "authorities")
	if err := os.WriteFile(path, lists, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *firmwareSite) host(t *testing.T, number byte, address string) *netstack.Network {
	t.Helper()
	n, err := netstack.Open(netstack.Spec{Socket: s.socket, MAC: net.HardwareAddr{2, 0, 0, 0, 0, number}, Address: s.on.prefixed(address)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// agentEndpoint is the partition role's, as far as the first request of an agent.
func (s *firmwareSite) agentEndpoint(t *testing.T) (url string, caPEM []byte) {
	t.Helper()
	network := s.host(t, 3, s.on.partition)
	l, err := network.Listen(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(s.on.partition), 8443))
	if err != nil {
		t.Fatal(err)
	}
	pair, caPEM := certificate(t, s.on.partition)
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var request protocol.EnrollRequest
			if err := json.NewDecoder(io.LimitReader(r.Body, protocol.MaxBodyBytes)).Decode(&request); err == nil && r.URL.Path == protocol.PathEnroll {
				s.enrolled <- request
			}
			http.Error(w, "enough", http.StatusForbidden)
		}),
	}
	go func() { _ = server.ServeTLS(l, "", "") }() // ends with the test
	t.Cleanup(func() { _ = server.Close() })
	return "https://" + l.Addr().String(), caPEM
}

func certificate(t *testing.T, ip string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ingot:partition:lab"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(ip)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// objects are what the API server would show.
func objects(method ingot.BootMethod, on addressing, endpoint string, caPEM []byte) []any {
	digest := sha256.Sum256([]byte(token))
	now := time.Now()
	w := &ingot.BootWindow{
		ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: bootID},
		Spec: ingot.BootWindowSpec{
			Partition: "lab", Host: ingot.HostReference{Name: "server-1"}, Purpose: ingot.PurposeAgent, Method: method, MACAddresses: []string{machineMAC},
			Leases:  []ingot.Lease{{MACAddress: machineMAC, Address: on.machine}},
			OpensAt: metav1.NewTime(now.Add(-time.Minute)), ClosesAt: metav1.NewTime(now.Add(time.Hour)),
			TokenSecretName: bootID, TokenHash: hex.EncodeToString(digest[:]), AgentEndpoint: endpoint, CABundle: caPEM,
		},
	}
	if method == ingot.MethodUEFIHTTP {
		w.Spec.MediaName, w.Spec.BootURI = mediaName, "https://"+on.boot+":8082"+media.Prefix+mediaName+media.Suffix
	}
	site := &ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: "lab"}, Spec: ingot.PartitionSpec{ProvisioningNetwork: ingot.ProvisioningNetwork{
		CIDR: on.subnet, RangeStart: on.first, RangeEnd: on.last, DHCPMode: ingot.DHCPServer}}}
	if netip.MustParseAddr(on.boot).Is6() {
		site.Spec.ProvisioningNetwork.RouterAdvertisements = ingot.AdvertisedManaged // there is no router
	}
	return []any{
		site,
		w,
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ingot.BootNamespace, Name: bootID}, Data: map[string][]byte{ingot.BootTokenKey: []byte(token)}},
	}
}

func freshVariables(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/usr/share/OVMF/OVMF_VARS_4M.fd")
	if err != nil {
		t.Fatalf("UEFI firmware (package ovmf): %v", err)
	}
	path := filepath.Join(t.TempDir(), "variables.fd")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(b[max(0, len(b)-4000):])
}
