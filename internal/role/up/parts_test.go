package up

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
)

func TestNetworks(t *testing.T) {
	lab := t.TempDir()
	state := `{"partitionNetwork":"lab:/s?mac=02:6e:ac:16:00:02&address=172.22.0.2/24","bootNetwork":"lab:/s?mac=02:6e:ac:16:00:03&address=172.22.0.3/24","bmcCA":"/ca.pem"}`
	if err := os.WriteFile(filepath.Join(lab, "lab.json"), []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	loopback := t.TempDir()
	if err := os.WriteFile(filepath.Join(loopback, "lab.json"), []byte(`{"bmcCA":"/ca.pem"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	given := Options{AgentBind: "127.0.0.1:8443", HTTPBind: "127.0.0.1:8080", DHCP: DHCP{Mode: "off"}}
	onLab := Options{
		PartitionNetwork: "lab:/s?mac=02:6e:ac:16:00:02&address=172.22.0.2/24", BootNetwork: "lab:/s?mac=02:6e:ac:16:00:03&address=172.22.0.3/24",
		AgentBind: "172.22.0.2:8443", HTTPBind: "0.0.0.0:8080",
		DHCP: DHCP{Mode: "server", CIDR: "172.22.0.0/24", RangeStart: "172.22.0.128", RangeEnd: "172.22.0.254"},
	}
	withCA := onLab
	withCA.BMCCA = "/ca.pem"
	for name, c := range map[string]struct {
		flags   flags
		want    Options
		problem string
	}{
		"kernel":    {flags: flags{network: "kernel"}, want: Options{PartitionNetwork: "kernel", BootNetwork: "kernel", AgentBind: "127.0.0.1:8443", HTTPBind: "127.0.0.1:8080", DHCP: DHCP{Mode: "off"}}},
		"interface": {flags: flags{network: "kernel:eth1"}, want: Options{PartitionNetwork: "kernel:eth1", BootNetwork: "kernel:eth1", AgentBind: "127.0.0.1:8443", HTTPBind: "127.0.0.1:8080", DHCP: DHCP{Mode: "off"}}},
		"switch":    {flags: flags{network: "lab:/s"}, want: onLab},
		"lab":       {flags: flags{network: "kernel", lab: lab}, want: withCA},
		"lab on loopback": {flags: flags{network: "kernel", lab: loopback}, want: Options{
			PartitionNetwork: "kernel", BootNetwork: "kernel", AgentBind: "127.0.0.1:8443", HTTPBind: "127.0.0.1:8080", BMCCA: "/ca.pem", DHCP: DHCP{Mode: "off"},
		}},
		"one address":  {flags: flags{network: "lab:/s?mac=02:00:00:00:00:01&address=10.0.0.1/24"}, problem: "two roles"},
		"lab not here": {flags: flags{lab: "/nowhere"}, problem: "start 'ingot lab"},
	} {
		t.Run(name, func(t *testing.T) {
			o := given
			err := o.networks(c.flags)
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Errorf("want a problem with %q, have %v", c.problem, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, want := describe(o), describe(c.want); got != want {
				t.Errorf("have %s\nwant %s", got, want)
			}
		})
	}
}

func describe(o Options) string {
	return strings.Join([]string{o.PartitionNetwork, o.BootNetwork, o.AgentBind, o.HTTPBind, o.BMCCA, o.DHCP.Mode, o.DHCP.CIDR, o.DHCP.RangeStart, o.DHCP.RangeEnd}, " ")
}

func TestShort(t *testing.T) {
	for line, want := range map[string]struct {
		text    string
		matters bool
	}{
		`{"time":"2026-11-22T01:02:03.4Z","level":"INFO","msg":"host found","machine":"a/b","attempt":2}`: {"01:02:03 host found attempt=2 machine=a/b", true},
		`{"time":"2026-11-22T01:02:03Z","level":"ERROR","msg":"BMC silent","err":"timeout"}`:              {"01:02:03 error: BMC silent err=timeout", true},
		`{"time":"2026-11-22T01:02:03Z","level":"DEBUG","msg":"packet"}`:                                  {"01:02:03 debug: packet", false},
		`{"time":"2026-11-22T01:02:03Z","level":"ERROR","msg":"lease","part":"kubernetes"}`:               {"01:02:03 error: lease part=kubernetes", false},
		`panic: assignment to entry in nil map`:                                                           {"panic: assignment to entry in nil map", true},
		``:                                                                                                {"", false},
	} {
		if text, matters := short(line); text != want.text || matters != want.matters {
			t.Errorf("%s\nhave %q %v\nwant %q %v", line, text, matters, want.text, want.matters)
		}
	}
}

// TestLogFileIsSetAside writes more than a file may hold.
func TestLogFileIsSetAside(t *testing.T) {
	name := filepath.Join(t.TempDir(), "logs", "role.log")
	l, err := openLog(name)
	if err != nil {
		t.Fatal(err)
	}
	chunk := []byte(strings.Repeat("x", 1<<20-1) + "\n")
	const chunks = maxLogFile>>20 + 3
	for range chunks {
		if _, err := l.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]int64{name: 3 << 20, name + ".1": maxLogFile} {
		info, err := os.Stat(file)
		if err != nil || info.Size() != want {
			t.Errorf("%s: %v, want %d bytes (%v)", file, info.Size(), want, err)
		}
	}
}

func TestIdentitiesAreDueAtHalfTheirLife(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	ca, err := pki.NewCA("test", now, pki.CALifetime)
	if err != nil {
		t.Fatal(err)
	}
	ids := &identities{
		dir: t.TempDir(), partition: "site1", ca: ca, cluster: kubeconfig.Cluster{Name: "ingot", URL: "https://127.0.0.1:6443", CA: ca.CertPEM()},
		log: slog.New(slog.DiscardHandler), roles: map[string][]string{"partition": hostsOf("10.0.0.2:8443", "https://site.example.com:1", "0.0.0.0:1"), "boot": nil},
	}
	if !ids.due(now) {
		t.Error("missing identities are not due")
	}
	if err := ids.issueAll(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]bool{0: false, 11*time.Hour + 59*time.Minute: false, 12 * time.Hour: true, 30 * time.Hour: true} {
		if got := ids.due(now.Add(after)); got != want {
			t.Errorf("after %s: due %v, want %v", after, got, want)
		}
	}
	tls, file := ids.files("boot")
	info, err := os.Stat(tls.Key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v (%v)", info.Mode(), err)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), "PRIVATE KEY") || !strings.Contains(string(text), tls.Key) {
		t.Errorf("the kubeconfig should name the key's file (%v):\n%s", err, text)
	}
}

func TestHostsOf(t *testing.T) {
	got := strings.Join(hostsOf("10.0.0.2:8443", "", "0.0.0.0:80", "[fd00::1]:443", "https://site.example.com:8443/x"), " ")
	if want := "127.0.0.1 localhost 10.0.0.2 fd00::1 site.example.com"; got != want {
		t.Errorf("have %s, want %s", got, want)
	}
}

// Each program is told of the site's matrix, and one that is wrong is found before any of them starts.
func TestTheSitesMatrixIsHandedOn(t *testing.T) {
	own, err := document.Encode(matrix.Own())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "matrix.yaml")
	if err := os.WriteFile(file, own, 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{Matrix: file, DataDir: t.TempDir()}
	if o.Matrix, err = o.siteMatrix(); err != nil || o.Matrix != file {
		t.Fatalf("%q, %v", o.Matrix, err)
	}
	for _, role := range []string{"partition", "boot"} {
		args := (&site{o: o}).arguments(role, &identities{dir: o.DataDir})
		if i := slices.Index(args, "--matrix"); i < 0 || args[i+1] != file {
			t.Errorf("%s is started with %v", role, args)
		}
	}
	if err := os.WriteFile(file, []byte("kind: Pod\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := o.siteMatrix(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file that is no matrix: %v", err)
	}
}
