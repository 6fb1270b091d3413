package up

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func meshOn() Mesh {
	return Mesh{On: true, Bind: "192.0.2.1:8449", KeysBind: "192.0.2.1:8450", RelayBind: "192.0.2.1:8451", STUNBind: "192.0.2.1:3478"}
}

func TestMeshFlags(t *testing.T) {
	dir := t.TempDir()
	m := meshOn()
	if err := m.complete(dir); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("without the program: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ingot-mesh"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.complete(dir); err != nil || m.Program != filepath.Join(dir, "ingot-mesh") {
		t.Errorf("%+v, %v", m, err)
	}
	for name, change := range map[string]func(*Mesh){
		"any address":   func(m *Mesh) { m.Bind = "0.0.0.0:8449" },
		"a name":        func(m *Mesh) { m.KeysBind = "mesh.example:8450" },
		"no port":       func(m *Mesh) { m.RelayBind = "192.0.2.1:0" },
		"another host":  func(m *Mesh) { m.STUNBind = "192.0.2.2:3478" },
		"an empty word": func(m *Mesh) { m.Bind = "" },
	} {
		m := meshOn()
		if change(&m); m.complete(dir) == nil {
			t.Errorf("%s is taken", name)
		}
	}
	off := Mesh{Bind: "nonsense"}
	if err := off.complete(dir); err != nil || len(off.hosts()) != 0 || off.keysURL() != "" {
		t.Errorf("a mesh that is off: %v", err)
	}
}

// What each process of the mesh is told, and that the controller role asks for keys only where there is a mesh.
func TestMeshArguments(t *testing.T) {
	for _, on := range []bool{true, false} {
		m := meshOn()
		m.On = on
		s := &site{o: Options{DataDir: "/data", RoleProgram: "ingot", Mesh: m}}
		s.o.Mesh.Program = "ingot-mesh"
		ids := &identities{dir: "/data/roles"}
		if args := s.arguments(controllerName, ids); slices.Contains(args, "--mesh-keys") != on || on && !slices.Contains(args, "https://192.0.2.1:8450") {
			t.Errorf("mesh %v: the controller role is started with %v", on, args)
		}
		if !on {
			continue
		}
		for role, want := range map[string]string{
			meshName: "serve --kubeconfig /data/roles/mesh/kubeconfig --tls-cert /data/roles/mesh/tls.crt --tls-key /data/roles/mesh/tls.key --tls-ca /data/roles/mesh/ca.crt --data-dir /data/mesh " +
				"--url https://192.0.2.1:8449 --bind 192.0.2.1:8449 --keys-bind 192.0.2.1:8450 --relay 192.0.2.1:8451/3478",
			relayName: "relay --tls-cert /data/roles/relay/tls.crt --tls-key /data/roles/relay/tls.key --tls-ca /data/roles/relay/ca.crt --data-dir /data/relay " +
				"--bind 192.0.2.1:8451 --stun-bind 192.0.2.1:3478 --coordinator https://192.0.2.1:8450",
		} {
			if got := strings.Join(s.arguments(role, ids), " "); got != want || s.program(role) != "ingot-mesh" {
				t.Errorf("%s is started by %s with\n%s\nwant\n%s", role, s.program(role), got, want)
			}
		}
		if s.program("boot") != "ingot" || !slices.Contains(m.hosts()[relayName], "192.0.2.1") {
			t.Error("the other roles have another program, or the relay's certificate is for nobody")
		}
	}
}

// TestMeshInASite: the coordinator's process has an identity of its own, and is started again like the other roles.
func TestMeshInASite(t *testing.T) {
	o := options(t, dataDir(t))
	o.Mesh = Mesh{On: true, Bind: "127.0.0.1:1", KeysBind: "127.0.0.1:2", RelayBind: "127.0.0.1:3", STUNBind: "127.0.0.1:3", Program: o.RoleProgram}
	r := startUp(t, o)
	if _, fields := here(t, r, "mesh"); fields["user"] != "ingot:mesh" || fields["readsSecrets"] != false {
		t.Errorf("the mesh role is %v and reads secrets: %v", fields["user"], fields["readsSecrets"])
	}
	killed(t, r, "mesh")
	here(t, r, "mesh")
	if !strings.Contains(r.out.String(), "The mesh is joined at https://127.0.0.1:1") {
		t.Errorf("it is not said where the mesh is:\n%s", r.out)
	}
	if err := r.end(t); err != nil {
		t.Error(err)
	}
}
