package lab

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/redfish"
	"github.com/ingotmetal/ingot/internal/lab/labtest"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/netboot/medium"
	"github.com/ingotmetal/ingot/step"
)

// openBMC logs in to a machine's BMC with the driver that the partition role uses.
func openBMC(ctx context.Context, t *testing.T, l *Lab, m Machine) bmc.Session {
	t.Helper()
	var dialer net.Dialer
	driver, err := redfish.New(redfish.Options{Dial: dialer.DialContext})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(l.State().BMCCA)
	if err != nil {
		t.Fatal(err)
	}
	s, err := driver.Open(ctx, bmc.Target{
		Address: m.BMCAddress, Username: l.State().Username, Password: secret.New(l.State().Password), CAPEM: ca,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.WithoutCancel(ctx)) })
	return s
}

// serveMedium serves an ISO with a boot archive, as the boot role does, and gives its URL.
func serveMedium(t *testing.T, c medium.Config) string {
	t.Helper()
	archive, err := medium.Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	tree, path := t.TempDir(), filepath.Join(t.TempDir(), "iso")
	at := filepath.Join(tree, medium.ISOPath)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	fs, err := iso9660.Create(file.New(f, false), 0, 0, 2048, tree)
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.Finalize(iso9660.FinalizeOptions{RockRidge: true, VolumeIdentifier: "INGOT"}); err != nil {
		t.Fatal(err)
	}
	iso, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(iso))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/media/x.iso"
}

// TestADriverBootsTheAgentThroughTheBMC: the real driver, the simulated BMC, the simulated machine and the real agent, from power-off to an inventory and back.
func TestADriverBootsTheAgentThroughTheBMC(t *testing.T) {
	l := start(t, Options{Machines: 1, DataDir: t.TempDir(), DiskBytes: 64 << 20})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m := l.State().Machines[0]
	s := openBMC(ctx, t, l, m)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := labtest.Start(t, listener, netip.MustParseAddr("127.0.0.1"))

	if err := s.Media().Insert(ctx, serveMedium(t, endpoint.Open("boot-1", m.MACAddress))); err != nil {
		t.Fatal(err)
	}
	if err := s.Boot().Set(ctx, bmc.BootSetting{Device: bmc.BootCD, Mode: bmc.ModeUEFI, Once: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.Power().Do(ctx, bmc.PowerOn); err != nil {
		t.Fatal(err)
	}
	outcome, err := endpoint.Run(ctx, "boot-1", protocol.Step{ID: "s1", Kind: step.Inspect})
	if err != nil || outcome.Inventory == nil {
		t.Fatalf("%+v, %v; console:\n%s", outcome, err, l.Machine(m.Name).Console(4096))
	}
	seen, err := s.Inventory().Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if seen.UUID != m.UUID || outcome.Inventory.System.UUID != m.UUID || len(seen.Disks) != len(outcome.Inventory.Disks) {
		t.Fatalf("the BMC sees %+v, the agent %+v", seen, outcome.Inventory)
	}
	if text, err := s.ConsoleLog().Read(ctx); err != nil || !strings.Contains(text, "boot device cd") {
		t.Fatalf("console log %q, %v", text, err)
	}
	setting, err := s.Boot().Get(ctx)
	if err != nil || setting.Device != bmc.BootNone {
		t.Fatalf("after the boot the override is %+v, %v; want none, since it was for once", setting, err)
	}
	if err := s.Power().Do(ctx, bmc.ForceOff); err != nil {
		t.Fatal(err)
	}
	if state, err := s.Power().State(ctx); err != nil || state != bmc.Off {
		t.Fatalf("power %s, %v", state, err)
	}
}
