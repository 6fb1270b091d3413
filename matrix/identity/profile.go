package identity

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/matrix"
)

// Lifetimes of certificates, from the moment of signing. Each is renewed at half of it.
const (
	// RoleLifetime is that of a process's, which its supervisor renews.
	RoleLifetime = 24 * time.Hour
	// ServingLifetime is that of a server's that dials nobody, which renews its own.
	ServingLifetime = 7 * 24 * time.Hour
	// PersonLifetime is that of an outside party's, like an operator's.
	PersonLifetime = 7 * 24 * time.Hour
	// BootLifetime is that of what one boot of one machine is given.
	BootLifetime = time.Hour
)

// Signer is a certificate authority.
type Signer string

// The signers.
const (
	// SignerSite is the control plane's CA: it signs the API server, the roles and the operators.
	SignerSite Signer = "site"
	// SignerAgents is the CA that each partition has for its agents: it signs names of one boot, and nothing else.
	SignerAgents Signer = "agents"
)

// boot is the part of a name that stands for one boot of one machine.
const boot = "<boot>"

// Profile is a certificate that the matrix calls for.
type Profile struct {
	// Name is the common name. A part in angle brackets stands for any label: "ingot:boot:<partition>".
	Name string
	Role matrix.Role
	// Groups are the organizations.
	Groups []string
	// Client and Server are the extended key usages.
	Client, Server bool
	Lifetime       time.Duration
	// Signer alone may issue it.
	Signer Signer
	// Rows are the IDs of the rows that call for it.
	Rows []string
}

// Profiles are all certificates that a matrix calls for, sorted by name.
func Profiles(m matrix.Matrix) []Profile {
	var all []Profile
	at := func(name string, role matrix.Role, row string) *Profile {
		i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == name })
		if i < 0 {
			all = append(all, Profile{Name: name, Role: role})
			i = len(all) - 1
		}
		if !slices.Contains(all[i].Rows, row) {
			all[i].Rows = append(all[i].Rows, row)
		}
		return &all[i]
	}
	for _, r := range m.Rows {
		if r.Identity != "" {
			at(r.Identity, r.From.Role, r.ID).Client = true
		}
		if r.ServerIdentity != "" {
			at(r.ServerIdentity, r.To.Role, r.ID).Server = true
		}
	}
	for i := range all {
		all[i].complete(m)
	}
	slices.SortFunc(all, func(a, b Profile) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// complete derives what follows from the name, the role and the usages.
func (p *Profile) complete(m matrix.Matrix) {
	// Groups are for RBAC: only who dials has one.
	if g := Group(p.Role); p.Client && (p.Name == g || strings.HasPrefix(p.Name, g+":")) {
		p.Groups = []string{g}
	}
	p.Signer = SignerSite
	d, _ := m.Role(p.Role)
	switch {
	case strings.Contains(p.Name, boot):
		p.Signer, p.Lifetime = SignerAgents, BootLifetime
	case d.Outside && p.Role != matrix.Firewall: // a tenant's machine, on which our own process renews
		p.Lifetime = PersonLifetime
	case p.Client:
		p.Lifetime = RoleLifetime
	default:
		p.Lifetime = ServingLifetime
	}
}

// Matches says whether a common name is one of the profile's: part by part, where a part in angle brackets stands for any that is not empty.
func (p Profile) Matches(commonName string) bool {
	want, got := strings.Split(p.Name, ":"), strings.Split(commonName, ":")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		placeholder := strings.HasPrefix(want[i], "<") && strings.HasSuffix(want[i], ">")
		if got[i] == "" || !placeholder && got[i] != want[i] {
			return false
		}
	}
	return true
}

// MayIssue says whether a signer may issue a common name: only where a row calls for it.
func MayIssue(m matrix.Matrix, s Signer, commonName string) bool {
	return slices.ContainsFunc(Profiles(m), func(p Profile) bool { return p.Signer == s && p.Matches(commonName) })
}

// profile is the form in which a profile is written.
type profile struct {
	Name     string   `json:"name"`
	Role     string   `json:"role"`
	Groups   []string `json:"groups,omitempty"`
	Usages   []string `json:"usages"`
	Lifetime string   `json:"lifetime"`
	Signer   Signer   `json:"signer"`
	Rows     []string `json:"rows"`
}

// YAML writes the profiles as one document.
func YAML(profiles []Profile) ([]byte, error) {
	all := make([]profile, 0, len(profiles))
	for _, p := range profiles {
		out := profile{p.Name, string(p.Role), p.Groups, []string{}, p.Lifetime.String(), p.Signer, p.Rows}
		if p.Client {
			out.Usages = append(out.Usages, "client auth")
		}
		if p.Server {
			out.Usages = append(out.Usages, "server auth")
		}
		all = append(all, out)
	}
	return yaml.Marshal(map[string]any{"profiles": all})
}
