package firstboot_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firstboot"
)

func joining() firstboot.Mesh {
	return firstboot.Mesh{Hostname: "edge", Coordinator: "https://192.0.2.1:8449", Key: "hskey-auth-once", CA: "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n",
		HostKey: "-----BEGIN OPENSSH PRIVATE KEY-----\nb3A=\n-----END OPENSSH PRIVATE KEY-----\n", Authority: "ssh-ed25519 AAAA site", Principal: "root@4c4c"}
}

// TestJoin runs the script with a shell, below a folder of its own, with stand-ins for the programs of a system: what it writes, with which rights, and that no program is given the key.
func TestJoin(t *testing.T) {
	part, err := firstboot.Join(joining())
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	bin := filepath.Join(root, "bin")
	for _, dir := range []string{bin, filepath.Join(root, "etc/default"), filepath.Join(root, "etc/ssh")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	calls := filepath.Join(root, "calls")
	for _, program := range []string{"systemctl", "ingot-mesh-member"} {
		text := "#!/bin/sh\necho \"" + program + " $*\" >> " + calls + "\n[ \"$1\" != is-enabled ]\n"
		if err := os.WriteFile(filepath.Join(bin, program), []byte(text), 0o755); err != nil { // a program
			t.Fatal(err)
		}
	}
	file := filepath.Join(root, "part-001")
	text := strings.ReplaceAll(string(part.Text), "/etc/", root+"/etc/")
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil { // a program
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", file)
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, text)
	}
	for name, want := range map[string]struct {
		mode os.FileMode
		text string
	}{
		"etc/ingot-mesh/key":                       {0o600, "hskey-auth-once\n"},
		"etc/ingot-mesh/ca.crt":                    {0o600, "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"},
		"etc/ssh/ingot_host_key":                   {0o600, joining().HostKey},
		"etc/ssh/ingot_authority.pub":              {0o644, "ssh-ed25519 AAAA site\n"},
		"etc/ssh/ingot-principals/root":            {0o644, "root@4c4c\n"},
		"etc/default/ingot-mesh-member":            {0o600, "INGOT_MESH_OPTIONS=\"--coordinator https://192.0.2.1:8449 --hostname edge --forward 22=127.0.0.1:22\"\n"},
		"etc/ssh/sshd_config.d/00-ingot-mesh.conf": {0o644, ""},
	} {
		path := filepath.Join(root, name)
		have, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want.mode || want.text != "" && string(have) != want.text {
			t.Errorf("%s has mode %v and %q, want %v and %q (%v)", name, info.Mode(), have, want.mode, want.text, err)
		}
	}
	called, err := os.ReadFile(calls)
	if err != nil || !strings.Contains(string(called), "enable --now ingot-mesh-member.service") || strings.Contains(string(called), "hskey") {
		t.Errorf("called: %q (%v)", called, err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the script with the key is left: %v", err)
	}
}

// TestJoinRefuses has values that would leave their place in the script.
func TestJoinRefuses(t *testing.T) {
	for name, change := range map[string]func(*firstboot.Mesh){
		"no key":                   func(m *firstboot.Mesh) { m.Key = " " },
		"a key that ends its file": func(m *firstboot.Mesh) { m.Key = "x\nEND-OF-INGOT-FILE\nreboot" },
		"a CA that ends its file":  func(m *firstboot.Mesh) { m.CA += "END-OF-INGOT-FILE\n" },
		"no coordinator":           func(m *firstboot.Mesh) { m.Coordinator = "" },
		"more options":             func(m *firstboot.Mesh) { m.Coordinator = "https://192.0.2.1 --forward 23=127.0.0.1:23" },
		"a command":                func(m *firstboot.Mesh) { m.Hostname = "$(reboot)" },
		"two authorities":          func(m *firstboot.Mesh) { m.Authority += "\nssh-ed25519 BBBB" },
		"no principal":             func(m *firstboot.Mesh) { m.Principal = "" },
	} {
		m := joining()
		change(&m)
		if part, err := firstboot.Join(m); err == nil {
			t.Errorf("%s: %s", name, part.Text)
		}
	}
}
