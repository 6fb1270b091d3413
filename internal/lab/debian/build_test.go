package debian_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/configdrive"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/internal/lab/debian"
	"github.com/ingotmetal/ingot/internal/secret"
)

// bootDeadline is far beyond what a boot takes: 45 s on two quiet cores without KVM, five minutes next to other emulators.
const bootDeadline = 15 * time.Minute

// build gives the image that `make image` made, or makes it: the cache is INGOT_CACHE, or .cache in the module's root.
func build(t *testing.T) debian.Image {
	t.Helper()
	cache := os.Getenv("INGOT_CACHE")
	if cache == "" {
		cache = filepath.Join("..", "..", "..", ".cache")
	}
	cache, err := filepath.Abs(filepath.Join(cache, "debian"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := debian.Build(t.Context(), debian.Options{CacheDir: cache, Progress: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// reporter is the server that the booted system reports to, over TLS with an authority that only the config drive names.
type reporter struct {
	url     string
	caPEM   []byte
	reports chan map[string][]string
}

func newReporter(t *testing.T) *reporter {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	guestSide := net.IPv4(10, 0, 2, 2) // how a guest on QEMU's user network sees this host's loopback
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "reporter"}, IPAddresses: []net.IP{guestSide},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	r := &reporter{caPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), reports: make(chan map[string][]string, 4)}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if err := q.ParseForm(); err != nil || q.URL.Path != "/v1/first-boot/ns/host-1/one-time" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		r.reports <- q.PostForm
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r.url = fmt.Sprintf("https://%s:%s/v1/first-boot/ns/host-1/", guestSide, port)
	return r
}

// install writes the image with a config drive to a new disk of 4 GiB, as the agent does.
func install(t *testing.T, img debian.Image, r *reporter) string {
	t.Helper()
	vendor, err := configdrive.FirstBootReport(configdrive.Report{URL: r.url, Token: secret.New("one-time"), CAPEM: r.caPEM})
	if err != nil {
		t.Fatal(err)
	}
	drive, err := configdrive.Build(configdrive.Drive{
		Metadata:   configdrive.DefaultMetadata(configdrive.Host{UID: "0b1c2d3e-0000-4000-8000-000000000001", Name: "host-1", Namespace: "ns"}, nil),
		UserData:   []byte("#cloud-config\nruncmd:\n- [sh, -c, 'df -B1 / > /dev/ttyS0; echo user-data-ran > /dev/ttyS0']\n"),
		VendorData: vendor,
	})
	if err != nil {
		t.Fatal(err)
	}
	images := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(img.Path))))
	defer images.Close()
	path := filepath.Join(t.TempDir(), "disk.raw")
	if err := filebacked.Create(path, 4<<30); err != nil {
		t.Fatal(err)
	}
	machine := &filebacked.Machine{Disks: map[string]filebacked.Spec{"disk": {Path: path}}, Direct: true}
	target, err := machine.Open(t.Context(), "disk")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	began := time.Now()
	written, err := image.Write(t.Context(), image.Source{URL: images.URL + "/" + debian.FileName, Format: image.Raw, Checksum: images.URL + "/" + debian.FileName + ".sha256"},
		target, image.Options{Transport: http.DefaultTransport, ConfigDrive: drive}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("written in %s: %+v", time.Since(began).Round(10*time.Millisecond), written)
	return path
}

// boot starts QEMU and gives what the system reported, and the console's text.
func boot(t *testing.T, r *reporter, args ...string) (map[string][]string, []byte) {
	t.Helper()
	console := filepath.Join(t.TempDir(), "console")
	ctx, cancel := context.WithTimeout(t.Context(), bootDeadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", append([]string{
		"-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35", "-m", "1024", "-smp", "2", "-nodefaults", "-display", "none", "-no-reboot",
		"-serial", "file:" + console, "-device", "virtio-rng-pci", "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,romfile=",
	}, args...)...)
	var errText bytes.Buffer
	cmd.Stderr = &errText
	if err := cmd.Start(); err != nil {
		t.Fatalf("qemu-system-x86_64 (package qemu-system-x86): %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	began := time.Now()
	var report map[string][]string
	select {
	case report = <-r.reports:
		t.Logf("reported %s after QEMU's start", time.Since(began).Round(time.Second))
		cancel()
		t.Logf("QEMU was ended: %v", <-ended)
	case err := <-ended:
		text, _ := os.ReadFile(console)
		t.Fatalf("QEMU ended without a report: %v: %s; console:\n%s", err, errText.String(), text)
	}
	text, err := os.ReadFile(console)
	if err != nil {
		t.Fatal(err)
	}
	return report, text
}

func TestBootsFromEveryFirmwareAndDiskAndReports(t *testing.T) {
	img := build(t)
	for name, args := range map[string]func(disk string) []string{
		"BIOS and virtio": func(disk string) []string {
			return []string{"-drive", "if=none,id=d0,format=raw,cache=unsafe,file=" + disk, "-device", "virtio-blk-pci,drive=d0"}
		},
		"UEFI and NVMe": func(disk string) []string {
			vars := filepath.Join(t.TempDir(), "vars.fd")
			copyFile(t, "/usr/share/OVMF/OVMF_VARS_4M.fd", vars)
			return []string{
				"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd", "-drive", "if=pflash,format=raw,unit=1,file=" + vars,
				"-drive", "if=none,id=d0,format=raw,cache=unsafe,file=" + disk, "-device", "nvme,drive=d0,serial=s1",
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReporter(t)
			report, console := boot(t, r, args(install(t, img, r))...)
			if got := report["hostname"]; len(got) != 1 || got[0] != "host-1" {
				t.Errorf("reported host name %q, want host-1 from the config drive", got)
			}
			if got := report["pub_key_ed25519"]; len(got) != 1 || !bytes.HasPrefix([]byte(got[0]), []byte("ssh-ed25519 ")) {
				t.Errorf("reported ed25519 key %q", got)
			}
			if len(report["pub_key_rsa"]) == 1 && report["pub_key_rsa"][0] != "N/A" {
				t.Error("an RSA key was made")
			}
			if !bytes.Contains(console, []byte("user-data-ran")) {
				t.Errorf("user data did not run; console:\n%s", console)
			}
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatalf("%v (package ovmf)", err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBuildNamesWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := debian.Build(t.Context(), debian.Options{CacheDir: t.TempDir()})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("mmdebstrap (package mmdebstrap)")) {
		t.Errorf("error %v; want one that names the package", err)
	}
}
