package up

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
)

// The mesh's processes, by their roles.
const (
	meshName  = "mesh"
	relayName = "relay"
)

// Mesh says whether and where the mesh's coordinator and relay run.
type Mesh struct {
	On bool
	// Bind is where members join, KeysBind where keys are handed out, and the relay asks; RelayBind and STUNBind are the relay's.
	Bind, KeysBind, RelayBind, STUNBind string
	// Program is ingot-mesh.
	Program string
}

func (m *Mesh) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&m.On, "mesh", false, "run the mesh's coordinator and relay too (ingot-mesh beside this program): firewalls join it by their first-boot data")
	f.StringVar(&m.Bind, "mesh-bind", "127.0.0.1:8449", "address, as members reach it, at which they join the mesh")
	f.StringVar(&m.KeysBind, "mesh-keys-bind", "127.0.0.1:8450", "address at which the mesh's keys are handed out to this site's roles and operators")
	f.StringVar(&m.RelayBind, "relay-bind", "127.0.0.1:8451", "address, as members reach it, of the mesh's relay")
	f.StringVar(&m.STUNBind, "relay-stun-bind", "127.0.0.1:3478", "address of the relay's STUN: of the same host as --relay-bind")
}

// complete checks the addresses, and finds the program in a folder.
func (m *Mesh) complete(dir string) error {
	if !m.On {
		return nil
	}
	at := map[string]netip.AddrPort{}
	for flag, text := range map[string]string{"mesh-bind": m.Bind, "mesh-keys-bind": m.KeysBind, "relay-bind": m.RelayBind, "relay-stun-bind": m.STUNBind} {
		a, err := netip.ParseAddrPort(text)
		// Members are told these addresses: none that means any, and no port that is chosen later.
		if err != nil || a.Addr().IsUnspecified() || a.Port() == 0 {
			return fmt.Errorf("--%s %q: an address of this machine and a port are needed, like 192.0.2.1:8449", flag, text)
		}
		at[flag] = a
	}
	if at["relay-bind"].Addr() != at["relay-stun-bind"].Addr() {
		return errors.New("--relay-bind and --relay-stun-bind: members are told one address of the relay")
	}
	m.Program = filepath.Join(dir, "ingot-mesh")
	if _, err := os.Stat(m.Program); err != nil {
		return fmt.Errorf("--mesh: the mesh is a program of its own beside this one; build it with 'make build', or leave --mesh out: %w", err)
	}
	return nil
}

// hosts are those that the mesh's roles serve at.
func (m *Mesh) hosts() map[string][]string {
	if !m.On {
		return nil
	}
	return map[string][]string{meshName: hostsOf(m.Bind, m.KeysBind), relayName: hostsOf(m.RelayBind)}
}

// keysURL is where the controller role asks for keys; empty: there is no mesh.
func (m *Mesh) keysURL() string {
	if !m.On {
		return ""
	}
	return "https://" + m.KeysBind
}

// ofAllPartitions says whether a role serves all partitions, so that its name has none.
func ofAllPartitions(role string) bool {
	return role == controllerName || role == meshName || role == relayName
}

// program is a role's.
func (s *site) program(role string) string {
	if role == meshName || role == relayName {
		return s.o.Mesh.Program
	}
	return s.o.RoleProgram
}

// meshArguments are those of the coordinator's process, or the relay's.
func (s *site) meshArguments(role string, ids *identities) []string {
	tls, file := ids.files(role)
	m := s.o.Mesh
	args := []string{"relay"}
	if role == meshName {
		args = []string{"serve", "--kubeconfig", file}
	}
	args = append(args, "--tls-cert", tls.Cert, "--tls-key", tls.Key, "--tls-ca", tls.CA, "--data-dir", filepath.Join(s.o.DataDir, role))
	if role == meshName {
		stun, _ := netip.ParseAddrPort(m.STUNBind) // complete has read it
		args = append(args, "--url", "https://"+m.Bind, "--bind", m.Bind, "--keys-bind", m.KeysBind, "--relay", fmt.Sprintf("%s/%d", m.RelayBind, stun.Port()))
	} else {
		args = append(args, "--bind", m.RelayBind, "--stun-bind", m.STUNBind, "--coordinator", m.keysURL())
	}
	if s.o.Matrix != "" {
		args = append(args, "--matrix", s.o.Matrix)
	}
	if s.o.Verbose {
		args = append(args, "--verbose")
	}
	return args
}
