package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/ipmi"
	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
	"github.com/ingotmetal/ingot/internal/secret"
)

func start(t *testing.T, o Options) *Lab {
	t.Helper()
	l, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// bmcClient is a client of the lab's BMCs that verifies them.
func bmcClient(t *testing.T, s State) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(s.BMCCA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("%s holds no certificate", s.BMCCA)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 3 * time.Minute}
}

func get(t *testing.T, c *http.Client, s State, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(s.Username, s.Password)
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestLabOfSimulatedMachines(t *testing.T) {
	l := start(t, Options{Machines: 3, DataDir: t.TempDir(), DiskBytes: 64 << 20, Partition: "site-a"})
	s := l.State()
	read, err := ReadState(filepath.Dir(s.BMCCA))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, read); diff != "" {
		t.Fatalf("lab.json (-lab +file):\n%s", diff)
	}
	client := bmcClient(t, s)
	for _, m := range s.Machines {
		url := strings.Replace(m.BMCAddress, "redfish-virtualmedia+https", "https", 1)
		status, body := get(t, client, s, url)
		if status != http.StatusOK || !strings.Contains(body, m.UUID) {
			t.Fatalf("BMC of %s at %s: status %d, %s", m.Name, url, status, body)
		}
		for _, d := range m.Disks {
			if info, err := os.Stat(d.Path); err != nil || info.Size() != 64<<20 {
				t.Fatalf("disk %s: %v, %v", d.Path, info, err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(s.ImageDir, "image.raw"), []byte("image"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, http.DefaultClient, s, s.ImageURL+"/image.raw"); status != http.StatusOK || body != "image" {
		t.Fatalf("image server: status %d, %q", status, body)
	}
}

func TestManifestsAreWhatTheAPITakes(t *testing.T) {
	l := start(t, Options{Machines: 2, DataDir: t.TempDir(), DiskBytes: 64 << 20, Partition: "site-a", Namespace: "metal", Method: bmc.BootPXE})
	text, err := os.ReadFile(l.State().HostsManifest)
	if err != nil {
		t.Fatal(err)
	}
	documents := bytes.Split(text, []byte("---\n"))[1:]
	if len(documents) != 4 {
		t.Fatalf("%d documents, want 4:\n%s", len(documents), text)
	}
	for i, m := range l.State().Machines {
		var host metal3.BareMetalHost
		if err := yaml.UnmarshalStrict(documents[2*i+1], &host); err != nil {
			t.Fatal(err)
		}
		if host.Name != m.Name || host.Namespace != "metal" || host.Labels["ingot.dev/partition"] != "site-a" ||
			host.Spec.BootMACAddress != m.MACAddress || !strings.HasPrefix(host.Spec.BMC.Address, "redfish+https://127.0.0.1:") ||
			host.Spec.RootDeviceHints.SerialNumber != m.Disks[0].SerialNumber {
			t.Fatalf("host of machine %+v:\n%s", m, documents[2*i+1])
		}
		var secret struct {
			Metadata   struct{ Name, Namespace string }
			StringData map[string]string
		}
		if err := yaml.Unmarshal(documents[2*i], &secret); err != nil {
			t.Fatal(err)
		}
		if secret.Metadata.Name != host.Spec.BMC.CredentialsName || secret.Metadata.Namespace != "metal" || secret.StringData["password"] == "" {
			t.Fatalf("secret:\n%s", documents[2*i])
		}
	}
}

func TestALabStartedAgainIsTheSame(t *testing.T) {
	o := Options{Machines: 2, DataDir: t.TempDir(), DiskBytes: 64 << 20}
	first, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), o); err == nil {
		t.Fatal("a second lab was started in the same directory")
	}
	before := first.State()
	mark := []byte("still here")
	if err := os.WriteFile(before.Machines[0].Disks[0].Path, mark, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	after := start(t, o).State()
	before.StartedAt = after.StartedAt
	if diff := cmp.Diff(before, after); diff != "" {
		t.Fatalf("(-first +second):\n%s", diff)
	}
	content, err := os.ReadFile(before.Machines[0].Disks[0].Path)
	if err != nil || !bytes.HasPrefix(content, mark) || len(content) != 64<<20 {
		t.Fatalf("disk lost its content: %d bytes, %v", len(content), err)
	}
	// The old CA still verifies the new lab.
	if status, _ := get(t, bmcClient(t, before), after, strings.Replace(after.Machines[1].BMCAddress, "redfish-virtualmedia+", "", 1)); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
}

func TestLabOfVirtualMachinesServesImagesOnItsNetwork(t *testing.T) {
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l := start(t, Options{Kind: QEMU, Machines: 2, DataDir: dir, DiskBytes: 64 << 20})
	s := l.State()
	if err := os.WriteFile(filepath.Join(s.ImageDir, "image.raw"), []byte("image"), 0o600); err != nil {
		t.Fatal(err)
	}
	spec, err := netstack.Parse(s.PartitionNetwork)
	if err != nil {
		t.Fatal(err)
	}
	role, err := netstack.Open(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = role.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := role.WaitLinked(ctx); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: role.Dial}
	t.Cleanup(transport.CloseIdleConnections)
	if status, body := get(t, &http.Client{Transport: transport}, s, s.ImageURL+"/image.raw"); status != http.StatusOK || body != "image" {
		t.Fatalf("status %d, %q", status, body)
	}
	if s.Machines[0].ConsoleLog == "" || s.BootNetwork == "" || s.BootNetwork == s.PartitionNetwork {
		t.Fatalf("state %+v", s)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	dir := t.TempDir()
	for name, o := range map[string]Options{
		"no machines":     {DataDir: dir},
		"too many":        {DataDir: dir, Machines: maxMachines + 1},
		"no directory":    {Machines: 1},
		"unknown kind":    {Kind: "paper", Machines: 1, DataDir: dir},
		"bad prefix":      {Machines: 1, DataDir: dir, Prefix: "Node_"},
		"too many disks":  {Machines: 1, DataDir: dir, Disks: 9},
		"odd disk size":   {Machines: 1, DataDir: dir, DiskBytes: 64<<20 + 1},
		"no such boot":    {Machines: 1, DataDir: dir, Method: "floppy"},
		"no such mode":    {Machines: 1, DataDir: dir, Firmware: "open"},
		"path for socket": {Kind: QEMU, Machines: 1, DataDir: filepath.Join(dir, strings.Repeat("long", 30))},
	} {
		if l, err := Start(t.Context(), o); err == nil {
			t.Errorf("%s: a lab was started", name)
			_ = l.Close()
		}
	}
}

func TestFaultsAndSizes(t *testing.T) {
	f, err := ParseFaults("errors=0.05,slow=200ms,stale=2,hang=1,lost=0.5")
	if err != nil || f.BMC.ErrorChance != 0.05 || f.BMC.SlowMilliseconds != 200 || f.BMC.StalePowerReads != 2 || f.HangChance != 1 || f.BMC.LostPowerChance != 0.5 {
		t.Fatalf("%+v, %v", f, err)
	}
	for _, bad := range []string{"errors", "errors=2", "errors=-1", "errors=NaN", "slow=5", "slow=-1s", "stale=x", "earthquake=1", "errors=0.1,"} {
		if _, err := ParseFaults(bad); err == nil {
			t.Errorf("faults %q were taken", bad)
		}
	}
	for text, want := range map[string]int64{"8GiB": 8 << 30, "64MiB": 64 << 20, "1TiB": 1 << 40, "512": 512} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("size %s is %d, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "8GB", "-1MiB", "9999999TiB", "x"} {
		if _, err := ParseSize(bad); err == nil {
			t.Errorf("size %q was taken", bad)
		}
	}
}

func TestRoleAddressesAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range []netip.Addr{ImageAddress, PartitionAddress, BootAddress} {
		if !Network.Contains(a) || a.Compare(FirstLease) >= 0 || seen[roleMAC(a).String()] {
			t.Fatalf("address %s", a)
		}
		seen[roleMAC(a).String()] = true
	}
}

// A machine behind IPMI boots what its BMC's boot flags say.
func TestLabSpeaksIPMI(t *testing.T) {
	l := start(t, Options{Machines: 2, DataDir: t.TempDir(), DiskBytes: 64 << 20, Protocol: bmc.IPMI})
	for _, m := range l.State().Machines {
		d, err := ipmi.New(ipmi.Options{Dial: new(net.Dialer).DialContext})
		if err != nil {
			t.Fatal(err)
		}
		s, err := d.Open(t.Context(), bmc.Target{Address: m.BMCAddress, Username: l.State().Username, Password: secret.New(l.State().Password)})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Boot().Set(t.Context(), bmc.BootSetting{Device: bmc.BootDisk, Mode: bmc.ModeUEFI, Once: true}); err != nil {
			t.Error(err)
		}
		if err := s.Power().Do(t.Context(), bmc.PowerOn); err != nil || !l.Machine(m.Name).Powered() {
			t.Errorf("%s was not turned on: %v", m.Name, err)
		}
		if set, err := s.Boot().Get(t.Context()); err != nil || set.Device != bmc.BootNone {
			t.Errorf("the one-time override was not used: %+v, %v", set, err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
