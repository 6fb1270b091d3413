package nodepackage_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// memberPackage: the program and its unit, which first boot enables on machines that were invited, and nothing else.
func memberPackage(t *testing.T, dist string) {
	t.Helper()
	debs, err := filepath.Glob(filepath.Join(dist, "ingot-mesh-member_*.deb"))
	if err != nil || len(debs) != 1 {
		t.Fatalf("make package made %v (%v), want one package of the mesh's member", debs, err)
	}
	var files []string
	for line := range strings.Lines(command(t, "dpkg-deb", "-c", debs[0])) {
		if fields := strings.Fields(line); fields[0][0] == '-' {
			files = append(files, fields[0]+" "+strings.TrimPrefix(fields[len(fields)-1], "."))
		}
	}
	slices.Sort(files)
	want := []string{"-rw-r--r-- /usr/lib/systemd/system/ingot-mesh-member.service", "-rw-r--r-- /usr/share/doc/ingot-mesh-member/copyright", "-rwxr-xr-x /usr/bin/ingot-mesh-member"}
	if !slices.Equal(files, want) {
		t.Errorf("the package has\n%s\nwant\n%s", strings.Join(files, "\n"), strings.Join(want, "\n"))
	}
	dir := t.TempDir()
	command(t, "dpkg-deb", "-R", debs[0], dir)
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		command(t, "sh", "-n", filepath.Join(dir, "DEBIAN", script))
	}
	unit, err := os.ReadFile(filepath.Join(dir, "usr/lib/systemd/system/ingot-mesh-member.service"))
	if err != nil {
		t.Fatal(err)
	}
	// The unit's flags are those that the program has, and what a first boot writes is where the unit looks.
	help := command(t, filepath.Join(dir, "usr/bin/ingot-mesh-member"), "join", "--help")
	for _, flag := range []string{"--dir", "--key-file", "--remove-key-file", "--ca"} {
		if !strings.Contains(string(unit), " "+flag+" ") || !strings.Contains(help, flag+" ") {
			t.Errorf("the flag %s is not in both the unit and the program", flag)
		}
	}
	for _, word := range []string{"EnvironmentFile=/etc/default/ingot-mesh-member", "/etc/ingot-mesh/key", "/etc/ingot-mesh/ca.crt", "$INGOT_MESH_OPTIONS", "RestartPreventExitStatus=3"} {
		if !strings.Contains(string(unit), word) {
			t.Errorf("the unit lacks %s", word)
		}
	}
}
