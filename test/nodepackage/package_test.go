package nodepackage_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
	"github.com/ingotmetal/ingot/internal/node/state"
)

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v (make, dpkg and nftables are needed)\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestPackage(t *testing.T) {
	dist := t.TempDir()
	command(t, "make", "-C", "../..", "package", "DIST="+dist)
	debs, err := filepath.Glob(filepath.Join(dist, "ingot-node_*.deb"))
	if err != nil || len(debs) != 1 {
		t.Fatalf("make package made %v (%v), want one package", debs, err)
	}
	t.Run("contents", func(t *testing.T) { contents(t, debs[0]) })
	t.Run("control", func(t *testing.T) { control(t, debs[0]) })
	t.Run("member of the mesh", func(t *testing.T) { memberPackage(t, dist) })
	t.Run("load and remove", func(t *testing.T) { loadAndRemove(t, debs[0]) })
	firewalls, err := filepath.Glob(filepath.Join(dist, "ingot-firewall_*_all.deb"))
	if err != nil || len(firewalls) != 1 {
		t.Fatalf("make package made %v (%v), want one package of the firewall", firewalls, err)
	}
	t.Run("firewall", func(t *testing.T) { firewallPackage(t, debs[0], firewalls[0]) })
}

func contents(t *testing.T, deb string) {
	var files []string
	for line := range strings.Lines(command(t, "dpkg-deb", "-c", deb)) {
		fields := strings.Fields(line)
		if mode, name := fields[0], fields[len(fields)-1]; mode[0] == '-' {
			if !strings.HasPrefix(fields[1], "root/") && !strings.HasPrefix(fields[1], "0/") {
				t.Errorf("%s belongs to %s, want root", name, fields[1])
			}
			files = append(files, mode+" "+strings.TrimPrefix(name, "."))
		}
	}
	want := []string{
		"-rw-r--r-- /etc/default/ingot-node", "-rw-r--r-- /usr/lib/systemd/system/ingot-node-load.service", "-rw-r--r-- /usr/lib/systemd/system/ingot-node.service",
		"-rw-r--r-- /usr/share/doc/ingot-node/copyright", "-rwxr-xr-x /usr/bin/ingot-node",
	}
	pages, err := filepath.Glob("../../docs/man/ingot-node/*.8")
	if err != nil || len(pages) == 0 {
		t.Fatalf("pages of the manual: %v, %v", pages, err)
	}
	for _, page := range pages {
		want = append(want, "-rw-r--r-- /usr/share/man/man8/"+filepath.Base(page)+".gz")
	}
	slices.Sort(files)
	slices.Sort(want)
	if !slices.Equal(files, want) {
		t.Errorf("the package has\n%s\nwant\n%s", strings.Join(files, "\n"), strings.Join(want, "\n"))
	}
}

// control is what dpkg does: dependencies, configuration files, scripts.
func control(t *testing.T, deb string) {
	if depends := command(t, "dpkg-deb", "-f", deb, "Depends"); !strings.HasPrefix(depends, "nftables ") {
		t.Errorf("it depends on %q, want nftables", depends)
	}
	dir := t.TempDir()
	command(t, "dpkg-deb", "-e", deb, dir)
	if conf, err := os.ReadFile(filepath.Join(dir, "conffiles")); err != nil || strings.TrimSpace(string(conf)) != "/etc/default/ingot-node" {
		t.Errorf("configuration files: %q, %v", conf, err)
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		path := filepath.Join(dir, script)
		command(t, "sh", "-n", path)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, foreign := range []string{"rm -r", "flush", "nft "} {
			if strings.Contains(string(text), foreign) {
				t.Errorf("%s has %q: nothing foreign may be removed", script, foreign)
			}
		}
	}
	root := t.TempDir()
	command(t, "dpkg-deb", "-x", deb, root)
	unit, err := os.ReadFile(filepath.Join(root, "usr/lib/systemd/system/ingot-node-load.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"DefaultDependencies=no", "Wants=network-pre.target", "Before=network-pre.target shutdown.target", "ExecStart=/usr/bin/ingot-node load"} {
		if !slices.Contains(strings.Split(string(unit), "\n"), line) {
			t.Errorf("the unit that loads at boot lacks %q", line)
		}
	}
}

// foreign is somebody else's table, with a hook at the same place.
const foreign = "table inet theirs {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t\ttcp dport 9 drop\n\t}\n}\n"

func loadAndRemove(t *testing.T, deb string) {
	root := t.TempDir()
	command(t, "dpkg-deb", "-x", deb, root)
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	run := func(input, name string, args ...string) string {
		t.Helper()
		out, err := ns.Run(t.Context(), input, name, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	dir := filepath.Join(t.TempDir(), "state")
	node := func(args ...string) string {
		return run("", filepath.Join(root, "usr/bin/ingot-node"), append(args, "--state-dir", dir, "--run-dir", filepath.Join(root, "run"))...)
	}
	run(foreign, "nft", "-f", "-")
	before := run("", "nft", "-s", "list", "ruleset")

	if out := node("load"); !strings.Contains(out, "nothing was confirmed") {
		t.Errorf("load without a state says %q", out)
	}
	confirmed(t, dir)
	node("load")
	loaded := run("", "nft", "-s", "list", "ruleset")
	if !strings.Contains(loaded, "table inet ingot") || !strings.Contains(loaded, "table inet theirs") {
		t.Fatalf("after load the kernel has\n%s", loaded)
	}
	node("load") // a second time changes nothing
	if again := run("", "nft", "-s", "list", "ruleset"); again != loaded {
		t.Errorf("a second load changed the rules to\n%s", again)
	}
	if err := os.WriteFile(filepath.Join(dir, "theirs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	node("remove")
	if after := run("", "nft", "-s", "list", "ruleset"); after != before {
		t.Errorf("after remove the kernel has\n%s\nand had before\n%s", after, before)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "theirs" {
		t.Errorf("after remove the state directory has %v (%v), want the foreign file only", left, err)
	}
}

// confirmed writes a state as the daemon does.
func confirmed(t *testing.T, path string) {
	t.Helper()
	o, err := calico.Decode([]byte("apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: e}\nspec: {node: host, interfaceName: eth0}\n"))
	if err != nil {
		t.Fatal(err)
	}
	site, err := firewall.NewSite(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	rules := ruleset.Compile(site, site.Host("host", nil), ruleset.Options{Generation: 3, Refused: true, Seen: true})
	dir, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := dir.Keep(3, []string{"input", "output", "forward"}, rules.Install(nil), rules.Confirm(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Write(state.State{Confirmed: guard.Confirmed{Version: guard.Version{Generation: 3, Digest: "x"}}, ConfirmedTexts: texts, Highest: 3}); err != nil {
		t.Fatal(err)
	}
}
