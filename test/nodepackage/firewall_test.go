package nodepackage_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
)

// firewallPackage is what makes an image one for firewalls: units that are on without a running systemd, and a machine that is closed by them before it has a network.
func firewallPackage(t *testing.T, node, deb string) {
	version := strings.TrimSpace(command(t, "dpkg-deb", "-f", node, "Version"))
	if depends := strings.TrimSpace(command(t, "dpkg-deb", "-f", deb, "Depends")); depends != "ingot-node (= "+version+")" {
		t.Errorf("it depends on %q, want ingot-node of the same version %s", depends, version)
	}
	root := t.TempDir()
	for _, p := range []string{node, deb} {
		command(t, "dpkg-deb", "-x", p, root)
	}
	units := filepath.Join(root, "usr/lib/systemd/system")
	for link, unit := range map[string]string{"sysinit.target.wants/ingot-firewall-load.service": "ingot-firewall-load.service", "multi-user.target.wants/ingot-firewall.service": "ingot-firewall.service"} {
		text, err := os.ReadFile(filepath.Join(units, link))
		if err != nil {
			t.Errorf("%s is not on: %v", unit, err)
		}
		if !strings.Contains(string(text), "ExecStart=/usr/bin/ingot-node ") {
			t.Errorf("%s is\n%s", unit, text)
		}
	}
	for _, network := range []string{"systemd-networkd", "networking", "NetworkManager"} {
		text, err := os.ReadFile(filepath.Join(units, network+".service.d/ingot-firewall.conf"))
		if err != nil || !strings.Contains(string(text), "Requires=ingot-firewall-load.service\nAfter=ingot-firewall-load.service\n") {
			t.Errorf("%s may come up before the machine is closed: %q, %v", network, text, err)
		}
	}
	verify(t, root)
	closes(t, root)
}

// verify has systemd read the units, where it is installed as a program.
func verify(t *testing.T, root string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Fatal("systemd-analyze is needed (package systemd)")
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--recursive-errors=no", "--man=no", "--root="+root, "ingot-firewall-load.service", "ingot-firewall.service").CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "ingot-") {
			t.Errorf("systemd-analyze verify: %s (%v)", strings.TrimSpace(line), err)
		}
	}
}

// closes runs what the unit runs at boot: the machine is closed, and so it is after another boot, and open again only when everything is removed.
func closes(t *testing.T, root string) {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	dir := filepath.Join(t.TempDir(), "state")
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := ns.Run(t.Context(), "", name, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	program := filepath.Join(root, "usr/bin/ingot-node")
	at := []string{"--state-dir", dir, "--run-dir", filepath.Join(root, "run")}
	for range 2 {
		if out := run(program, append([]string{"load", "--firewall"}, at...)...); !strings.Contains(out, "closed") {
			t.Errorf("load says %q", out)
		}
		if rules := run("nft", "-s", "list", "ruleset"); strings.Count(rules, "table inet ingot_closed") != 1 || !strings.Contains(rules, "policy drop") {
			t.Errorf("the kernel has\n%s", rules)
		}
	}
	empty := t.TempDir()
	if out, err := ns.Run(t.Context(), "", program, append([]string{"first-boot", "--drive", empty}, at...)...); err == nil {
		t.Errorf("a machine without a config drive has an identity: %s", out)
	}
	run(program, append([]string{"remove"}, at...)...)
	if rules := run("nft", "-s", "list", "ruleset"); strings.Contains(rules, "ingot") {
		t.Errorf("after remove the kernel has\n%s", rules)
	}
}
